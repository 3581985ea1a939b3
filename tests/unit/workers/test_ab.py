"""The course of an A/B: when it stops, what it repeats, and what it does when nothing works; time is ours."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from two_sides import CALL_S, START_S, Sides

from perfsuite.decision.paired import PairedSettings
from perfsuite.records import Status
from perfsuite.workers import ab, lockstep
from perfsuite.workers.ab import Comparison, Plan, default_variant, summary

# -- verdicts --------------------------------------------------------------------------------------


def test_a_regression_stops_after_the_least_pairs(sides: Sides) -> None:
    sides.head.factor = 1.2

    found = sides.run()

    assert found.verdict.status is Status.REGRESSED
    assert found.verdict.ratio == pytest.approx(1.2, abs=0.02)
    assert len(found.turns) == 2
    assert (found.design, found.failures) == ("lockstep", [])
    assert found.wall_s < 45
    assert [line.split(":")[0] for line in sides.said] == ["pair 1", "pair 2"]
    assert "REGRESSED" in sides.said[-1]


def test_a_speed_up_is_improved(sides: Sides) -> None:
    sides.head.factor = 0.8

    assert sides.run().verdict.status is Status.IMPROVED


def test_unchanged_and_quiet_is_ok(sides: Sides) -> None:
    found = sides.run(time_s=200.0)

    assert found.verdict.status is Status.OK
    assert 2 <= len(found.turns) <= 8


def test_unchanged_and_noisy_is_inconclusive(sides: Sides) -> None:
    sides.base.noise = sides.head.noise = 0.5

    found = sides.run(time_s=1000.0, most_pairs=3)

    assert found.verdict.status is Status.INCONCLUSIVE
    assert len(found.turns) == 3


@pytest.mark.parametrize("least", [1, 2, 4])
def test_nothing_is_settled_before_the_least_pairs(least: int, sides: Sides) -> None:
    sides.head.factor = 1.5

    assert len(sides.run(least_pairs=least, time_s=200.0).turns) == least


def test_settings_are_kept_and_the_risk_is_divided_by_the_looks(sides: Sides) -> None:
    """Given tolerance; as many looks as there is time for, less those before the least pairs."""
    judged = []

    def judge(turns: Any, pieces: Any, settings: PairedSettings) -> Any:
        judged.append(settings)
        return original(turns, pieces, settings)

    original = ab.compare_turns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ab, "compare_turns", judge)
        found = sides.run(PairedSettings(tolerance=0.3), time_s=60.0, pair_s=12.0, least_pairs=2)

    assert found.verdict.tolerance == 0.3
    # Of 60 s a pair needs 12, and about 7 to start and to settle.
    assert found.most_pairs == 3
    assert {(s.least_pairs, s.most_looks) for s in judged} == {(2, 2)}
    assert {t.first for t in found.turns} == {"base", "head"}


# -- the course ------------------------------------------------------------------------------------


def test_both_are_launched_before_anything_is_waited_for(sides: Sides) -> None:
    sides.run()

    assert sides.machine.log[:3] == ["base launch", "head launch", "base worker 900"]
    assert sides.machine.most_open == 2


@pytest.mark.parametrize("design", ["lockstep", "alternate"])
def test_sides_change_places_from_pair_to_pair(design: str, sides: Sides) -> None:
    """Who is built first gets other memory."""
    sides.base.noise = sides.head.noise = 0.5

    sides.run(design=design, most_pairs=4, time_s=1000.0)

    assert sides.order("prepare") == ["base", "head", "head", "base", "base", "head", "head", "base"]


def test_turns_are_short_calls_in_step(sides: Sides) -> None:
    """Each pair has whole calls alone, and the first call of each does not count."""
    found = sides.run(steps=10)

    prepared = [arguments["steps"] for command, arguments in sides.head.asked if command == "prepare"]
    assert prepared == [10] * len(found.turns)
    for turns in found.turns:
        counts = Counter(turns.names)
        assert counts["step"] == 10 * counts["text"] == 10 * counts["vae"] >= 20
    advanced = sides.order("advance")
    measured = sum(len(t.names) for t in found.turns)
    assert Counter(advanced) == dict.fromkeys(ab.SIDES, measured + 12 * len(found.turns))
    assert all({a, b} == set(ab.SIDES) for a, b in zip(advanced[::2], advanced[1::2], strict=True))


def test_of_a_variant_that_spares_steps_whole_calls_are_compared(sides: Sides) -> None:
    """Of the workload's own steps; a stage is all of a call's pieces of its kind."""
    found = sides.run(variant="bf16+sdpa+deepcache:3", time_s=200.0)

    prepared = [arguments["steps"] for command, arguments in sides.head.asked if command == "prepare"]
    assert prepared == [None] * len(found.turns)
    per_call = sum(found.pieces.values())
    turns = found.turns[0].calls(per_call, found.pieces)
    assert set(turns.names) == {"call"}
    assert sum(turns.base_s) == pytest.approx(sum(found.turns[0].base_s))
    whole, steps = (found.judge_turns(p, PairedSettings()) for p in (found.pieces, {"step": 1}))
    assert whole.baseline_s > steps.baseline_s > 0.5 * whole.baseline_s


@pytest.mark.parametrize("time_s", [1.0, 30.0, 60.0, 100.0])
def test_the_time_limit_holds(time_s: float, sides: Sides) -> None:
    """One pair is measured in any case; another only if half of its time is left."""
    sides.base.noise = sides.head.noise = 0.5
    began = sides.machine.time_s

    found = sides.run(time_s=time_s, pair_s=12.0, most_pairs=50)

    least_s = 2 * START_S + 4 * 2 * CALL_S
    assert found.wall_s == sides.machine.time_s - began
    assert found.wall_s < max(time_s, 0) + 2 * least_s
    assert len(found.turns) == 1 if time_s < 20 else 1 < len(found.turns) <= time_s / 12
    assert all(sum(t.base_s) + sum(t.head_s) < 12 + 4 * 2 * CALL_S for t in found.turns)


def test_what_came_before_counts_against_the_time(sides: Sides) -> None:
    """An environment that was started to ask for its precision has used some of it."""
    sides.base.noise = sides.head.noise = 0.5
    began = sides.machine.time_s
    sides.machine.time_s += 30.0

    found = sides.run(time_s=60.0, began=began)

    assert found.wall_s == sides.machine.time_s - began
    assert 50.0 < found.wall_s < 70.0


def test_a_pause_before_each_piece_on_a_cpu_alone(sides: Sides) -> None:
    sides.base.noise = sides.head.noise = 0.0
    slept = []
    lockstep.time.sleep = slept.append  # type: ignore[assignment]

    sides.run()
    assert slept == []
    sides.base.kind = sides.head.kind = "cpu"
    sides.run()
    assert set(slept) == {lockstep.PAUSE_S}


def test_pictures_are_drawn_once_a_side(sides: Sides) -> None:
    found = sides.run(prompts=3, variant="fp32")

    assert sorted(sides.order("pictures")) == ["base", "head"]
    assert {side: Path(file).read_text() for side, file in found.pictures.items()} == {
        "base": "shapes fp32 3",
        "head": "shapes fp32 3",
    }


# -- what comes out --------------------------------------------------------------------------------


@pytest.mark.parametrize("design", ["lockstep", "alternate"])
def test_summary_is_plain_data(design: str, sides: Sides) -> None:
    """JSON and back is the same, with all raw times."""
    sides.head.version = "2.13"
    found = sides.run(design=design, most_pairs=2, time_s=500.0)

    data = json.loads(json.dumps(summary(found), allow_nan=False))

    assert (data["kind"], data["design"], data["status"]) == ("ab", design, found.verdict.status.value)
    assert data["interval"] == list(found.verdict.interval or ())
    assert [len(p["names"]) for p in data["pairs"]] == [len(t.names) for t in found.turns]
    assert [p["head_s"] for p in data["pairs"]] == [list(t.head_s) for t in found.turns]
    head = data["sides"]["head"]
    assert head["versions"]["torch"] == "2.13"
    assert head["sessions_s"] == found.sessions["head"]
    assert head["peak_memory_bytes"] == [1001, 1002]
    assert min(head["first_call_s"]) < head["median_first_call_s"] < max(head["first_call_s"])


def test_summary_of_nothing() -> None:
    data = json.loads(json.dumps(summary(Comparison(Plan())), allow_nan=False))

    assert (data["status"], data["pairs"], data["ratio"]) == ("NEW", [], None)
    assert data["sides"]["base"]["median_first_call_s"] is None


def test_same_seed_same_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def order(seed: int) -> list[str]:
        sides = Sides(tmp_path)
        clock = SimpleNamespace(monotonic=sides.machine.monotonic, sleep=sides.machine.sleep)
        monkeypatch.setattr(ab, "time", clock)
        monkeypatch.setattr(lockstep, "time", clock)
        sides.run(seed=seed)
        return sides.order("advance")

    assert order(1) == order(1) != order(2)


def test_plan_is_not_changed(sides: Sides) -> None:
    found = sides.run(seed=3)

    assert found.plan == replace(Plan(), seed=3)


def test_the_default_variant_is_native_on_the_device(sides: Sides) -> None:
    """Emulated bfloat16 would take eight times as long, and compare the emulation."""
    server: Any = sides.base
    assert default_variant(server, "cpu") == "bf16-sdpa"
    sides.base.refuses["bf16-sdpa"] = "bf16: emulated"
    assert default_variant(server, "cpu") == "fp32-sdpa"
    assert sides.base.asked == [("unsupported", {"variant": "bf16-sdpa", "device": "cpu"})] * 2
    assert sides.machine.open == []
