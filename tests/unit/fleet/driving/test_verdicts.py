"""What a block or an engine has said stands: a verdict is asked for once, and a refusal is no attempt."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted_fleet import Does, Drive, Scripted, a_block, a_plan, places

from perfsuite.fleet.blocks import endings
from perfsuite.fleet.driving.attempts import abandoned, utc_now
from perfsuite.fleet.executors import Outcome
from perfsuite.fleet.ledger.account import Begun
from perfsuite.fleet.ledger.file import Ledger, read_account, read_attempts
from perfsuite.fleet.ledger.retrying import Standing
from perfsuite.fleet.results.status import machines
from perfsuite.records import Ending

BAD = (
    b'<testsuites><testsuite><testcase name="latency"><properties><property name="perfsuite.judged"/>'
    b'</properties><failure message="REGRESSED"/></testcase></testsuite></testsuites>'
)


def drive(tmp_path: Path, engine: Scripted) -> Drive:
    return Drive(a_plan(a_block("s0")), tmp_path / "fleet", engine)


def ended(folder: Path) -> list[tuple[str, str, Ending]]:
    return [(a.block, a.machine, a.ending) for a in read_attempts(folder / "fleet")]


@pytest.mark.parametrize(
    "how", [{"exit_code": -9}, {"exit_code": None}, {"exit_code": 2, "stopped_by": "SIGTERM"}]
)
def test_a_bad_verdict_of_a_block_that_was_ended_is_not_asked_for_again(
    how: dict[str, Any], tmp_path: Path
) -> None:
    """Neither by this driver nor by the next one."""
    engine = Scripted(places(), lambda *_: Does(files={"junit.xml": BAD}, **how))
    run = drive(tmp_path, engine)
    run(ending=endings.ending)
    run(ending=endings.ending, again=True)
    assert ended(tmp_path) == [("s0", "gpu0", Ending.FAILED)]


def test_a_bad_verdict_stands_though_the_driver_is_told_to_stop(tmp_path: Path) -> None:
    engine = Scripted(places(), lambda order, slot: Does(100.0, files={"junit.xml": BAD}))
    run = drive(tmp_path, engine)
    run(ending=endings.ending, stopped=lambda: engine.spans != [])
    assert engine.stopped == ["s0"]
    run(ending=endings.ending)
    assert ended(tmp_path) == [("s0", "gpu0", Ending.FAILED)]


LEFT = Outcome(
    machine="gpu0", exit_code=-9, seconds=0.0, files={"junit.xml": BAD}, said="", clock="", free_bytes=1 << 40
)


def test_a_bad_verdict_of_a_block_that_was_lost_is_not_asked_for_again(tmp_path: Path) -> None:
    """Its worker has gone, and what it left is there: it is no fault of its machine."""
    engine = Scripted(places(), lambda *_: Does(lost="its worker died"))
    engine.remains["gpu0"] = LEFT
    run = drive(tmp_path, engine)
    run(ending=endings.ending)
    run(ending=endings.ending, again=True)
    assert ended(tmp_path) == [("s0", "gpu0", Ending.FAILED)]
    (attempt,) = read_attempts(tmp_path / "fleet")
    assert (tmp_path / "fleet" / "objects" / attempt.files["junit.xml"]).read_bytes() == BAD


@pytest.mark.parametrize(
    ("left", "expected", "cause"),
    [
        (LEFT, [Ending.FAILED], "latency: REGRESSED"),
        (replace(LEFT, files={"junit.xml": BAD[:-30]}), [Ending.STOPPED, Ending.PASSED], "was killed"),
        (None, [Ending.STOPPED, Ending.PASSED], "nothing is found of what it left"),
    ],
    ids=["bad", "half", "nothing"],
)
def test_what_a_killed_driver_was_not_told(
    left: Outcome | None, expected: list[Ending], cause: str, tmp_path: Path
) -> None:
    """Half a report holds no verdict; where nothing is found, the attempt says so."""
    engine = Scripted(places(), lambda *_: Does(files={"junit.xml": BAD.replace(b"failure", b"skipped")}))
    run = drive(tmp_path, engine)
    begun = Begun(block="s0", number=1, machine="gpu0", slot="gpu0:0", uuid="u", began=utc_now(), ticket="t")
    with Ledger.open(run.folder, run.plan) as ledger:
        ledger.add(begun)
    if left is not None:
        engine.remains["gpu0"] = left
    run(ending=endings.ending)
    attempts = read_attempts(run.folder)
    assert [attempt.ending for attempt in attempts] == expected
    assert cause in attempts[0].cause


def test_what_a_killed_driver_had_written_down_is_let_go_of(tmp_path: Path) -> None:
    """It was killed before it did so; what still has no end is looked for first."""
    engine = Scripted(places())
    run = drive(tmp_path, engine)
    begun = Begun(block="s0", number=1, machine="gpu0", slot="gpu0:0", uuid="u", began=utc_now(), ticket="t")
    with Ledger.open(run.folder, run.plan) as ledger:
        ledger.add(begun)
        ledger.add(abandoned(begun, "it was stopped"))
        ledger.add(replace(begun, number=2, ticket="u"))
    run()
    assert engine.discarded == [("t", "gpu0")]


def test_what_was_refused_was_at_no_machine(tmp_path: Path) -> None:
    """It counts among no attempts of a machine, and is no block that somebody stopped."""
    engine = Scripted(places(1, 1), lambda *_: Does(unwilling="no controller", final=True))
    run = drive(tmp_path, engine)
    run()
    account = read_account(tmp_path / "fleet")
    assert account is not None
    assert [attempt.ending for attempt in account.attempts] == [Ending.REFUSED]
    assert machines(account, Standing.of(account)) == ()
