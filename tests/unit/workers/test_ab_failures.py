"""An A/B of which one side fails, or of which two sides do not fit in memory; time is ours."""

from collections import Counter
from typing import Any

import pytest
from two_sides import START_S, Sides, Worker

from perfsuite.decision.paired import PairedSettings
from perfsuite.records import Cause, Status
from perfsuite.workers import WorkerError, ab
from perfsuite.workers.ab import Comparison
from perfsuite.workers.client import StartError

# -- failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["prepare", "advance", "memory"])
def test_a_worker_that_dies_in_the_second_pair_is_repeated(command: str, sides: Sides) -> None:
    """The finished pair is kept, the failure told, and the verdict is as without it."""
    sides.head.factor = 1.2
    sides.head.dies = {2: command}

    found = sides.run(time_s=200.0)

    assert found.verdict.status is Status.REGRESSED
    assert len(found.turns) == 2
    assert found.failures == [f"pair 2: head: the process ended during {command!r}:\nKilled"]
    assert found.verdict.detail.endswith("; 1 failed pairs")
    assert f"pair 2 failed: head: the process ended during {command!r}:" in sides.said
    assert len(found.facts["base"].first_call_s) == len(found.facts["head"].peak_memory_bytes) == 2


def test_pictures_of_a_pair_that_failed_are_not_drawn_again(sides: Sides) -> None:
    sides.head.dies = {1: "pictures"}

    found = sides.run(time_s=200.0)

    assert Counter(sides.order("pictures")) == {"base": 1, "head": 2}
    assert found.pictures.keys() == {"base", "head"}


@pytest.mark.parametrize("retries", [0, 2])
def test_a_side_that_always_fails_is_an_error(retries: int, sides: Sides) -> None:
    sides.head.always_dies = "prepare"

    with pytest.raises(WorkerError, match="head: the process ended during 'prepare'"):
        sides.run(retries=retries)

    assert len(sides.head.workers) == retries + 1
    assert sides.machine.open == []


def test_sides_whose_calls_have_other_pieces_cannot_take_turns(sides: Sides) -> None:
    """Another scheduler, which ends one step more: said at once, with what can be compared."""
    sides.head.more_steps = 1

    with pytest.raises(WorkerError, match=r"of base has .* 10 step.*of head .* 11 step.*--design alternate"):
        sides.run()

    assert len(sides.head.workers) == 1


def test_a_side_that_cannot_start_is_not_tried_again(sides: Sides) -> None:
    sides.head.start_error = StartError("/no/python: cannot be started")

    with pytest.raises(StartError, match="cannot be started"):
        sides.run()

    assert len(sides.base.workers) == 1
    assert sides.machine.open == []


def test_after_a_finished_pair_there_is_a_verdict_with_a_note(sides: Sides) -> None:
    sides.head.dies = dict.fromkeys(range(2, 20), "advance")

    found = sides.run(time_s=500.0)

    assert len(found.turns) == 1
    assert found.verdict.status is Status.INCONCLUSIVE
    assert found.verdict.ratio == pytest.approx(1.0, abs=0.05)
    assert len(found.failures) == 3
    assert found.verdict.detail.endswith("; fewer than 2 pairs of processes; 3 failed pairs")
    assert sides.said[-1] == "no more pairs are tried"


def test_a_side_that_cannot_start_any_more_leaves_the_finished_pairs(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where an environment was removed in the middle."""
    start = sides.head.worker

    def worker(*arguments: Any) -> Any:
        if sides.head.workers:
            raise StartError("/no/python: cannot be started")
        return start(*arguments)

    monkeypatch.setattr(sides.head, "worker", worker)

    found = sides.run(time_s=200.0)

    assert len(found.turns) == 1
    assert found.failures == ["pair 2: /no/python: cannot be started"]
    assert found.verdict.detail.endswith("; 1 failed pairs")


def test_a_piece_that_hangs_is_not_waited_for_as_long_as_a_build(sides: Sides) -> None:
    """Half a minute beside the first call, where building may take a quarter of an hour."""
    sides.run()

    assert sides.head.limits_s["prepare"] is None
    assert sides.head.limits_s["advance"] == pytest.approx(30 + START_S, rel=0.1)


def test_sides_out_of_step_are_an_error(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """One side that draws without text encoders is not compared piece by piece."""
    original = Worker.advance

    def advance(self: Worker, variant: str) -> tuple[str, float]:
        name, seconds = original(self, variant)
        return ("step" if self._server.side == "head" else name), seconds

    monkeypatch.setattr(Worker, "advance", advance)

    with pytest.raises(RuntimeError, match="out of step: base ran 'text', head 'step'"):
        sides.run()
    assert sides.machine.open == []


# -- where two do not fit --------------------------------------------------------------------------


def test_where_another_pipeline_does_not_fit_processes_alternate(sides: Sides) -> None:
    """Whole sessions of whole calls, never two alive at once."""
    sides.head.factor = 1.5
    sides.machine.free_bytes = int(ab.HEADROOM * 1001)

    found = sides.run(time_s=500.0, pair_s=12.0)

    assert found.design == "alternate"
    assert sides.machine.most_open == 1
    assert found.turns == []
    assert "advance" not in {line.split()[1] for line in sides.machine.log}
    assert [len(found.sessions[s]) for s in ab.SIDES] == [len(found.facts[s].first_call_s) for s in ab.SIDES]
    assert found.verdict.status is Status.REGRESSED
    assert found.verdict.ratio == pytest.approx(1.5, abs=0.03)
    assert found.pictures.keys() == {"base", "head"}
    asked = [a for c, a in sides.head.asked if c == "session"]
    assert {a["plan"]["time_budget_s"] for a in asked} == {6.0}
    assert [a["steps"] for c, a in sides.head.asked if c == "prepare"] == [None] * len(asked)


def test_just_enough_memory_is_enough(sides: Sides) -> None:
    sides.machine.free_bytes = int(ab.HEADROOM * 1001) + 1

    assert sides.run().design == "lockstep"


def test_design_is_settled_by_the_first_pair(sides: Sides) -> None:
    """Less free memory later does not leave half of the pairs of one kind and half of another."""
    sides.base.noise = sides.head.noise = 0.5

    def taken(found: Comparison, settings: PairedSettings) -> Any:
        sides.machine.free_bytes = 0
        return original(found, settings)

    original = ab._judge
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ab, "_judge", taken)
        found = sides.run(most_pairs=3, time_s=500.0)

    assert (found.design, len(found.turns), found.sessions["head"]) == ("lockstep", 3, [])


@pytest.mark.parametrize(("design", "asked"), [("lockstep", 0), ("alternate", 0), ("auto", 1)])
def test_a_design_that_is_named_is_not_questioned(design: str, asked: int, sides: Sides) -> None:
    found = sides.run(design=design)

    assert len(sides.order("free_memory")) == asked
    assert found.design == ("alternate" if design == "alternate" else "lockstep")
    assert bool(found.turns) is (design != "alternate")


@pytest.mark.parametrize(("kind", "status"), [("cuda", Status.REGRESSED), ("cpu", Status.INCONCLUSIVE)])
def test_sessions_are_judged_as_of_their_device(kind: str, status: Status, sides: Sides) -> None:
    """Fresh processes differ by 12 % on a CPU; and the tolerance is what was asked for."""
    sides.base.kind = sides.head.kind = kind
    sides.head.factor = 1.15

    found = sides.run(PairedSettings(tolerance=0.07), design="alternate", most_pairs=2, time_s=500.0)

    assert found.verdict.status is status
    assert found.verdict.tolerance == 0.07


def test_one_session_a_side_is_too_few_to_stop_at(sides: Sides) -> None:
    sides.head.factor = 3.0

    found = sides.run(design="alternate", most_pairs=1)

    assert found.verdict.status is Status.INCONCLUSIVE
    assert Cause.FEW_SESSIONS in found.verdict.causes
    assert found.verdict.detail.endswith("; 1 of at least 2 sessions a side")
    assert sides.run(design="alternate", most_pairs=2, time_s=500.0).verdict.status is Status.REGRESSED


def test_half_a_pair_of_sessions_does_not_count(sides: Sides) -> None:
    sides.head.dies = {1: "session"}

    found = sides.run(design="alternate", time_s=500.0, most_pairs=2)

    assert len(found.sessions["base"]) == len(found.sessions["head"]) == 2
    assert len(found.failures) == 1
    assert len(sides.base.workers) == 3
