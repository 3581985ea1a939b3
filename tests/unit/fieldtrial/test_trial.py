"""A trial with a runner that only pretends: its order, its files, and that it goes on where it ended."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sessions import make_session

from perfsuite.fieldtrial.journal import Plan, Step
from perfsuite.fieldtrial.regimes import REGIMES, TrialError, choose_regimes, choose_slower
from perfsuite.fieldtrial.running import Order, Ran
from perfsuite.fieldtrial.sessions import read_pool, write_traces
from perfsuite.fieldtrial.trial import Extent, judged, notes, run_trial
from perfsuite.records import Device, Entry, Relative, Result, Run, Session, Status, Verdict

DEVICE = Device("cpu", "Some CPU", "some-cpu", 2, 1 << 30)
PLAN = Plan(workload="shapes", variants=("fp32-sdpa", "bf16"), checks=1, seed=7, time_budget_s=None)


def extent(*regimes: str, slower: Sequence[int] = (0, 30), runs: int = 1) -> Extent:
    return Extent([REGIMES[name] for name in regimes], slower, runs)


class Fake:
    """Stores three sessions a rung; REGRESSED where slowed, else OK."""

    def __init__(self, **changes: Any) -> None:
        self.orders: list[Order] = []
        self.changes = changes
        """Of a check that ran."""
        self.stored = 3
        self._sessions = 0

    def session(self) -> Session:
        self._sessions += 1
        latency_s = (1.0 + self._sessions, 2.0)
        return make_session(id=str(self._sessions), latency_s=latency_s, relative=Relative("fp32", (0.5,)))

    def __call__(self, order: Order) -> Ran:
        self.orders.append(order)
        recording = order.update == "new"
        results, entries = [], []
        for variant in order.variants:
            slowed = order.slower > 0 and variant == "bf16"
            status = Status.NEW if recording else Status.REGRESSED if slowed else Status.OK
            verdict = Verdict(status, minimum_detectable_effect=0.2)
            found = self.session()
            results.append(Result("shapes", variant, "p", session=found, verdict=verdict))
            if self.stored:
                more = tuple(self.session() for _ in range(self.stored - 1))
                entries.append(Entry("shapes", variant, "p", (found, *more)))
        run = Run(f"r{len(self.orders)}", "2025-01-02T03:04:05+00:00", DEVICE, tuple(results))
        ran = Ran(60.0, 0, run, entries, (0.2999, 0.3001) if order.slower else (), "")
        return ran if recording else replace(ran, **self.changes)


def test_one_recording_is_checked_with_every_amount_of_work(tmp_path: Path) -> None:
    """Under the loads of its regime; regimes take turns."""
    runner = Fake()
    steps = run_trial(tmp_path, PLAN, extent("quiet", "busy-record", runs=2), runner)
    assert [(o.load, o.update, o.slower) for o in runner.orders] == [
        ("quiet", "new", 0), ("quiet", "never", 0), ("quiet", "never", 30),
        ("busy", "new", 0), ("quiet", "never", 0), ("quiet", "never", 30),
    ] * 2  # fmt: skip
    assert [step.key for step in steps[:4]] == [
        "quiet-1/record", "quiet-1/check-0-1", "quiet-1/check-30-1", "busy-record-1/record",
    ]  # fmt: skip
    assert len({order.folder for order in runner.orders}) == 12
    assert len({order.seed for order in runner.orders}) == 12
    assert len({order.baselines for order in runner.orders}) == 4


def test_checks_of_one_recording_are_counted_each(tmp_path: Path) -> None:
    plan, some = replace(PLAN, checks=2), extent("quiet")
    found = judged(run_trial(tmp_path, plan, some, Fake()), plan, some)
    assert [(j.work, j.variant, j.outcome, j.slowed) for j in found] == [
        *[("unchanged", "fp32-sdpa", "OK", False), ("unchanged", "bf16", "OK", False)] * 2,
        *[("beside slowed", "fp32-sdpa", "OK", False), ("+30 %", "bf16", "REGRESSED", True)] * 2,
    ]  # fmt: skip
    assert len({j.run for j in found}) == 4
    assert {(j.minimum_detectable_effect, j.seconds) for j in found} == {(0.2, 60.0)}


def test_every_session_is_kept_and_can_be_replayed(tmp_path: Path) -> None:
    """Three stored ones of a recording, one of each check; also as traces."""
    run_trial(tmp_path, PLAN, extent("quiet", "burst-check"), Fake())
    pool = read_pool(tmp_path)
    assert {key: len(moments) for key, moments in pool.items()} == {
        ("burst", 0): 1, ("burst", 30): 1, ("quiet", 0): 3 + 1 + 3, ("quiet", 30): 1,
    }  # fmt: skip
    kept = [m.sessions["bf16"].id for moments in pool.values() for m in moments]
    assert len(set(kept)) == len(kept)
    paths = write_traces(tmp_path)
    assert len(paths) == 8
    with np.load(tmp_path / "traces" / "quiet-0-seconds.npz") as stored:
        assert stored["latency_s"].shape == (2, 7, 2)
        assert list(stored["name"]) == ["fp32-sdpa", "bf16"]
        assert list(stored["project"]) == ["quiet, +0 %"] * 2
    with np.load(tmp_path / "traces" / "burst-30-relative.npz") as stored:
        assert stored["latency_s"] == pytest.approx(np.full((2, 1, 1), 0.5))


def test_an_interrupted_trial_goes_on(tmp_path: Path) -> None:
    """What is done stays; a line that was cut short does not count, and checks that lack are run."""

    class Interrupted(Fake):
        def __call__(self, order: Order) -> Ran:
            if len(self.orders) == 2:
                raise KeyboardInterrupt
            return super().__call__(order)

    first = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        run_trial(tmp_path, PLAN, extent("quiet", runs=2), first)
    journal = tmp_path / "trial.jsonl"
    assert len(journal.read_text().splitlines()) == 3
    with journal.open("a") as file:
        file.write('{"kind": "step", "regi')
    again = Fake()
    steps = run_trial(tmp_path, PLAN, extent("quiet", runs=2), again, resume=True)
    assert [(o.update, o.slower) for o in again.orders] == [
        ("never", 30),
        ("new", 0),
        ("never", 0),
        ("never", 30),
    ]
    assert len(steps) == 6
    assert all(json.loads(line)["kind"] for line in journal.read_text().splitlines())
    assert run_trial(tmp_path, PLAN, extent("quiet", runs=2), Fake(), resume=True) == steps


def test_a_trial_is_neither_overwritten_nor_mixed(tmp_path: Path) -> None:
    run_trial(tmp_path, PLAN, extent("quiet"), Fake())
    with pytest.raises(TrialError, match="there is a trial; go on with --resume, or name another --out"):
        run_trial(tmp_path, PLAN, extent("quiet"), Fake())
    with pytest.raises(TrialError, match="begun with seed 7; resume it with the same"):
        run_trial(tmp_path, replace(PLAN, seed=8), extent("quiet"), Fake(), resume=True)
    other = replace(PLAN, variants=("bf16",), time_budget_s=1.0)
    with pytest.raises(TrialError, match=r"begun with variants \('fp32-sdpa', 'bf16'\), time_budget_s None;"):
        run_trial(tmp_path, other, extent("quiet"), Fake(), resume=True)


def test_no_recording_is_begun_once_it_is_enough(tmp_path: Path) -> None:
    runner = Fake()
    some = extent("quiet", "busy-check", runs=5)
    run_trial(tmp_path, PLAN, some, runner, enough=lambda: len(runner.orders) >= 4)
    assert [o.update for o in runner.orders] == ["new", "never", "never"] * 2


def test_a_run_without_a_verdict_is_refused_or_failed(tmp_path: Path) -> None:
    """Refused where it came to its end; failed where it broke or took too long."""
    outcomes = {}
    for code in (0, 1, 3, None):
        runner = Fake(run=None, exit_code=code, said="first\nthe machine is too busy", more_work=())
        folder, some = tmp_path / str(code), extent("quiet")
        steps = run_trial(folder, PLAN, some, runner)
        outcomes[code] = {j.outcome for j in judged(steps, PLAN, some)}
        assert "quiet-1/check-0-1: the machine is too busy" in notes(steps)
    assert outcomes == {0: {"refused"}, 1: {"refused"}, 3: {"failed"}, None: {"failed"}}


def test_a_recording_that_stores_nothing_is_not_checked(tmp_path: Path) -> None:
    runner, some = Fake(), extent("busy-record")
    runner.stored = 0
    steps = run_trial(tmp_path, PLAN, some, runner)
    assert len(runner.orders) == 1
    assert {j.outcome for j in judged(steps, PLAN, some)} == {"refused"}
    assert {j.seconds for j in judged(steps, PLAN, some)} == {None}
    assert steps[1].said.startswith("nothing was recorded: ")


def test_a_slowed_check_that_was_not_slowed_ends_the_trial(tmp_path: Path) -> None:
    """Else it would count as a slowdown that was missed."""
    with pytest.raises(TrialError, match="the UNet did no more work than usual"):
        run_trial(tmp_path, PLAN, extent("quiet", slower=(30,)), Fake(more_work=()))
    steps = run_trial(tmp_path / "other", PLAN, extent("quiet"), Fake())
    assert "+30 %: the UNet of slowed rungs did 29.99 to 30.01 % more, 2 processes" in notes(steps)
    assert "quiet: 1 recordings of 60 s (median)" in notes(steps)


@pytest.mark.parametrize(
    ("variants", "slower", "said"),
    [
        (("bf16-sdpa-compile",), (10,), "bf16-sdpa-compile: compiled code cannot be slowed step by step"),
        (("fp32", "fp32-sdpa"), (0, 10), "no rung of --variants is bfloat16"),
        ((), (0,), "--variants names no rung"),
    ],
)
def test_rungs_that_cannot_be_slowed_are_refused(
    variants: tuple[str, ...], slower: tuple[int, ...], said: str, tmp_path: Path
) -> None:
    with pytest.raises(TrialError, match=said):
        run_trial(tmp_path, replace(PLAN, variants=variants), extent("quiet", slower=slower), Fake())
    assert not (tmp_path / "trial.jsonl").exists()


def test_names_and_percentages_are_checked() -> None:
    assert [r.name for r in choose_regimes("")] == list(REGIMES)
    assert [r.name for r in choose_regimes("busy-check, quiet")] == ["busy-check", "quiet"]
    assert choose_slower("0, 10,10") == (0, 10)
    with pytest.raises(TrialError, match="unknown regime 'idle': give some of quiet, burst-record"):
        choose_regimes("idle")
    for text in ("1.5", "-1", "2000", ""):
        with pytest.raises(TrialError, match="--slower"):
            choose_slower(text)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    from perfsuite.store import StoreError

    run_trial(tmp_path, PLAN, extent("quiet"), Fake())
    journal = tmp_path / "trial.jsonl"
    lines = journal.read_text().splitlines()
    lines[2] = lines[2].replace('"number": 1', '"number": 0')
    journal.write_text("\n".join(lines) + "\n")
    with pytest.raises(StoreError, match=r"line 3.*, field number: .*its step is run again with --resume"):
        run_trial(tmp_path, PLAN, extent("quiet"), Fake(), resume=True)


def test_a_step_is_one_line() -> None:
    step = Step(
        regime="quiet", number=2, slower=10, check=3, seconds=1.0, exit_code=0, verdicts={}, stored=(),
        more_work=(), said="a\nb",
    )  # fmt: skip
    assert step.key == "quiet-2/check-10-3"
