"""`perfsuite run`: words, exit codes, and Ctrl-C on a driver that really runs."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted_fleet import Does, RealClock, Scripted, a_block, a_plan, places
from typer.testing import CliRunner, Result

from perfsuite.cli import app, running
from perfsuite.fleet.driving.attempts import utc_now
from perfsuite.fleet.executors import ExecutorError
from perfsuite.fleet.ledger.account import Begun, this_sitting
from perfsuite.fleet.ledger.file import FILE, Ledger, read_account, read_attempts
from perfsuite.fleet.planning.files import read_plan, write_plan
from perfsuite.fleet.planning.identity import identified
from perfsuite.fleet.results.reading import read
from perfsuite.records import DeviceClass, Ending, Plan, Work
from perfsuite.report.fleet import page

GOOD = (
    b'<testsuites><testsuite><testcase name="counts"><properties>'
    b'<property name="perfsuite.asked" value="shapes/fp32"/></properties></testcase></testsuite></testsuites>'
)
FILES = {"junit.xml": GOOD}
BAD = (
    b'<testsuites><testsuite><testcase name="counts"><properties><property name="perfsuite.counts"/>'
    b'</properties><failure message="more operators"/></testcase></testsuite></testsuites>'
)
BLOCKS = (a_block("a"), a_block("b"), a_block("c", device="a100"))
Run = Callable[..., Result]


def plan_of(*names: str, **values: Any) -> Plan:
    return identified(a_plan(*(b for b in BLOCKS if b.id in names), **values))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """In place of any engine."""
    made = Scripted(places(), lambda order, slot: Does(0.0, files=FILES))
    made.clock = RealClock()
    monkeypatch.setattr(running, "_engine", lambda on, out: made)
    return made


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def invoke(plan: Plan, *words: str) -> Result:
        write_plan(tmp_path / "plan.json", plan)
        return CliRunner().invoke(
            app, ["run", str(tmp_path / "plan.json"), "--out", str(tmp_path / "fleet"), *words]
        )

    return invoke


def test_a_plan_is_run_once(run: Run, engine: Scripted, tmp_path: Path) -> None:
    result = run(plan_of("a", "b"))
    assert result.exit_code == 0, result.output
    assert "plan nightly, on local: 2 of 2 cells known" in result.stdout
    assert "[1/2] gpu0: counts shapes fp32 (" in result.stderr
    assert len(engine.spans) == 2
    assert read_plan(tmp_path / "fleet" / "plan.json") == plan_of("a", "b")
    again = CliRunner().invoke(app, ["run", "--out", str(tmp_path / "fleet")])
    assert again.exit_code == 0, again.output
    assert len(engine.spans) == 2


def test_bad_verdicts(run: Run, engine: Scripted) -> None:
    engine.script = lambda order, slot: Does(0.0, 1, files={"junit.xml": BAD})
    result = run(plan_of("a", "b"))
    assert result.exit_code == 1, result.output
    assert "bad verdicts in 2 blocks" in result.stdout


def test_cells_that_are_not_known(run: Run, engine: Scripted) -> None:
    result = run(plan_of("a", "c"))
    assert result.exit_code == 2, result.output
    assert "1 of 2 cells known, 1 without a machine" in result.stdout
    assert "1 block waits: no machine has a100" in result.stderr


def test_a_block_that_says_nothing_of_its_variant(run: Run, engine: Scripted) -> None:
    engine.script = lambda order, slot: Does(0.0, files={"junit.xml": b"<testsuites/>"})
    result = run(plan_of("a"))
    assert result.exit_code == 2, result.output
    assert "MISSING" in result.stdout


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (AttributeError("now_s"), 3, ""),
        (KeyboardInterrupt(), 2, "stopped at once; run it again to go on"),
        (ExecutorError("the cluster has gone"), 3, "perfsuite: the cluster has gone"),
    ],
)
def test_what_is_no_bad_verdict(
    error: BaseException, code: int, said: str, run: Run, engine: Scripted
) -> None:
    """Left to Python and typer, an error of ours and an impatient Ctrl-C would end with 1."""

    def wrong(timeout_s: float) -> Any:
        raise error

    engine.events = wrong  # type: ignore[method-assign]
    result = run(plan_of("a"))
    assert result.exit_code == code
    assert said in result.output
    assert engine.closed


def test_a_limit(run: Run, engine: Scripted) -> None:
    assert run(plan_of("a"), "--limit", "0").exit_code == 2
    assert engine.spans == []


def test_a_dry_run_runs_nothing(run: Run, engine: Scripted, tmp_path: Path) -> None:
    result = run(plan_of("a", "c"), "--dry-run")
    assert result.exit_code == 0, result.output
    assert "plan nightly: at most 60.0 min for 1 block on 4 devices of 2 machines" in result.stdout
    assert "1 block goes nowhere: no machine has a100" in result.stdout
    assert (engine.spans, engine.closed) == ([], True)
    assert not (tmp_path / "fleet").exists()


def test_a_dry_run_of_what_has_run(run: Run, engine: Scripted) -> None:
    """It says so and asks no engine, in place of a time for no blocks."""
    run(plan_of("a", "b"))
    engine.places.clear()
    result = run(plan_of("a", "b"), "--dry-run")
    assert result.exit_code == 0, result.output
    assert result.stdout == "plan nightly: nothing is left to do: 2 of 2 blocks have results\n"


def test_a_dry_run_of_what_is_broken(run: Run, engine: Scripted) -> None:
    """Nothing would be begun, and not all is known; forgiven, it would be."""
    engine.script = lambda order, slot: Does(0.0, 4 if order.block == "b" else 0, files=FILES)
    engine.places += places(1, 1, prefix="more")
    run(plan_of("a", "b"))
    result = run(plan_of("a", "b"), "--dry-run")
    assert result.exit_code == 2, result.output
    assert "nothing is left to do: 1 of 2 blocks have results, and 1 broken, tried again by" in result.stdout
    again = run(plan_of("a", "b"), "--dry-run", "--again")
    assert again.exit_code == 0
    assert "for 1 block on 5 devices" in again.stdout


def test_a_dry_run_where_nothing_can_go(run: Run, engine: Scripted) -> None:
    result = run(plan_of("c"), "--dry-run")
    assert result.exit_code == 2, result.output
    assert result.stdout.startswith("plan nightly: nothing can be run on 4 devices of 2 machines\n")
    assert "1 block goes nowhere: no machine has a100" in result.stdout
    assert "0 s" not in result.stdout


def test_a_dry_run_in_the_folder_of_another_plan(run: Run, engine: Scripted) -> None:
    """The run itself would be refused there."""
    run(plan_of("a"))
    result = run(plan_of("b", name="weekly"), "--dry-run")
    assert result.exit_code == 3
    assert "is of the plan 'nightly'" in result.output


def test_the_status_knows_what_the_page_misses(run: Run, engine: Scripted, tmp_path: Path) -> None:
    """A block that ended well and said nothing of its variant is no known cell, wherever one looks."""
    engine.script = lambda order, slot: Does(
        0.0, files={"junit.xml": b"<testsuites/>"} if order.block == "a" else FILES
    )
    ran = run(plan_of("a", "b"))
    told = run(plan_of("a", "b"), "--status")
    shown = page.view(read(tmp_path / "fleet"), {})
    assert shown.missing == 1
    for result in (ran, told):
        assert "1 of 2 cells known, 1 missing" in result.stdout


@pytest.mark.parametrize(
    ("machine", "slot", "said"),
    [
        ("elsewhere", "elsewhere/0", "0 of 2 cells known, 1 run, 1 missing"),
        (socket.gethostname(), "cpu", "at most 1 of 2 cells known, 1 run"),
        (f"{socket.gethostname()}-2", "cpu", "at most 1 of 2 cells known, 1 run"),
        ("slurm/cuda-0", "slurm/cuda-0", "at most 1 of 2 cells known, 1 run"),
    ],
    ids=["elsewhere", "here", "node", "queue"],
)
def test_what_is_missing_is_counted_unless_that_would_disturb(
    machine: str, slot: str, said: str, run: Run, engine: Scripted, tmp_path: Path
) -> None:
    """All results are read for it, but not beside something timed here; then the number is a bound."""
    engine.script = lambda order, slot: Does(0.0, files={"junit.xml": b"<testsuites/>"})
    timed = a_block("t", Work.LATENCY, device="a100")
    plan = identified(a_plan(BLOCKS[0], timed))
    run(plan)
    begun = Begun(block="t", number=1, machine=machine, slot=slot, uuid="u", began=utc_now())
    with Ledger.open(tmp_path / "fleet", plan) as ledger:
        ledger.add(this_sitting("ray", utc_now()))
        ledger.add(begun)
        told = run(plan, "--status")
    assert told.exit_code == 0
    assert said in told.stdout
    assert ("missing" in said) == ("missing" in told.stdout)


def test_past_times_are_those_of_folders_beside(run: Run, engine: Scripted, tmp_path: Path) -> None:
    engine.script = lambda order, slot: Does(0.25, files=FILES)
    run(plan_of("a"))
    write_plan(tmp_path / "plan.json", plan_of("b", name="next"))
    for out in (tmp_path / "next", tmp_path):
        words = ["run", str(tmp_path / "plan.json"), "--out", str(out), "--dry-run"]
        result = CliRunner().invoke(app, words)
        assert "plan next: about 0 s for 1 block" in result.stdout
        assert "times: 1 from blocks like them" in result.stdout


def test_status_beside_a_driver(run: Run, engine: Scripted, tmp_path: Path) -> None:
    plan = plan_of("a", "b")
    run(plan, "--limit", "0")
    assert "2 wait; no driver runs it" in run(plan, "--status").stdout
    with Ledger.open(tmp_path / "fleet", plan):
        result = run(plan, "--status")
    assert result.exit_code == 0
    assert "0 of 2 cells known, 2 wait" in result.stdout
    assert "no driver" not in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--on", "rey"), "--on rey: one of local, ray, ray=ADDRESS, slurm"),
        (("--on", "local=here"), "--on local=here: one of"),
        (("--dry-run", "--status"), "--dry-run and --status: give one of both"),
        (("--status",), "the plan 'nightly' was not run there"),
        (("--past", "nowhere"), "nowhere/ledger.jsonl: there is no ledger"),
        (("--limits", "3"), "No such option: --limits"),
    ],
)
def test_wrong_words(words: tuple[str, ...], said: str, run: Run) -> None:
    result = run(plan_of("a"), *words)
    assert result.exit_code == 3
    assert said in result.output


def test_folders_that_are_not_this_plans(run: Run, engine: Scripted, tmp_path: Path) -> None:
    nothing = CliRunner().invoke(app, ["run", "--out", str(tmp_path / "fleet")])
    assert nothing.exit_code == 3
    assert "no plan was run there; name one: perfsuite run plan.json" in nothing.output
    run(plan_of("a"))
    before = (tmp_path / "fleet" / FILE).read_bytes()
    other = run(plan_of("b", name="weekly"))
    assert other.exit_code == 3
    assert "is of the plan 'nightly'" in other.output
    assert (tmp_path / "fleet" / FILE).read_bytes() == before
    assert read_plan(tmp_path / "fleet" / "plan.json").name == "nightly"
    with Ledger.open(tmp_path / "fleet", plan_of("a")):
        second = run(plan_of("a"))
    assert second.exit_code == 3
    assert "another driver runs this plan" in second.output


def test_a_command_that_failed_claims_no_folder(
    run: Run, engine: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(on: str, out: Path) -> Any:
        raise ExecutorError("sbatch: no such command here")

    with monkeypatch.context() as patch:
        patch.setattr(running, "_engine", absent)
        assert run(plan_of("a"), "--on", "slurm").exit_code == 3
    assert not (tmp_path / "fleet" / FILE).exists()
    assert run(plan_of("a"), "--limit", "0").exit_code == 2
    assert run(plan_of("b", name="weekly")).exit_code == 0
    assert read_plan(tmp_path / "fleet" / "plan.json").name == "weekly"


def test_ctrl_c_ends_cleanly(tmp_path: Path) -> None:
    """On the local engine: two blocks that would sleep for a minute are ended, and noted."""
    blocks = [a_block(name, Work.COUNTS, device="cpu", limit_s=60.0) for name in ("a", "b")]
    plan = identified(replace(a_plan(*blocks), devices={"cpu": DeviceClass(name="cpu", kind="cpu")}))
    plan = identified(
        replace(plan, environments={"here": replace(plan.environments["here"], python=sys.executable)})
    )
    write_plan(tmp_path / "plan.json", plan)
    code = f"""
        from dataclasses import replace
        from perfsuite.cli import app
        from perfsuite.fleet.blocks import orders
        real = orders.order
        sleep = ("-c", "import time; print('asleep', flush=True); time.sleep(60)")
        orders.order = lambda *given: replace(real(*given), arguments=sleep)
        app(["run", {str(tmp_path / "plan.json")!r}, "--out", {str(tmp_path / "fleet")!r}])
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    environment["PERFSUITE_LEASES"] = str(tmp_path / "leases")
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, cwd=tmp_path) as process:
        until = time.monotonic() + 60
        while not ((account := read_account(tmp_path / "fleet")) and account.running):
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2, said.decode()
    assert b"stopping: what runs is ended and noted" in said
    assert b"Traceback" not in said
    attempts = read_attempts(tmp_path / "fleet")
    assert [attempt.ending for attempt in attempts] == [Ending.STOPPED]
    account = read_account(tmp_path / "fleet")
    assert account is not None
    assert account.end is not None
    assert account.running == {}
