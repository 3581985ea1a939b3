"""Replays count right: on traces whose truth is known, every share can be told beforehand."""

from typing import Any

import numpy as np
import pytest

from perfsuite.decision import replaying as evaluation
from perfsuite.decision.evaluation import choose_rules, evaluate
from perfsuite.decision.replaying import Cell, draw, inject, parse_design, replay, share
from perfsuite.decision.rules import Rule
from perfsuite.decision.suites import replay_suites
from perfsuite.decision.traces import Traces, TracesError
from perfsuite.records import Status

QUIET = ["perfsuite", "Welch on minima", "nvbench"]


def traces(noise: float = 0.0, benchmarks: int = 4, processes: int = 10, samples: int = 12) -> Traces:
    """Independent noise of that standard deviation, between processes as within them."""
    rng = np.random.default_rng(5)
    between = rng.standard_normal((benchmarks, processes, 1))
    within = rng.standard_normal((benchmarks, processes, samples))
    names = tuple(f"b{i}" for i in range(benchmarks))
    return Traces(0.1 * np.exp(noise * (between + within)), names, names, "synthetic")


def only(cells: Any, **wanted: Any) -> Cell:
    (found,) = [c for c in cells if all(getattr(c, k) == v for k, v in wanted.items())]
    return found


def never(line: str) -> None:
    """No progress shown."""


def test_no_noise_is_no_riddle() -> None:
    """Power 1, no false alarm, nothing inconclusive or the wrong way; for every shape that moves all."""
    found = evaluate(traces(), "all", QUIET, ["5x4"], repeats=2)
    for rule in QUIET:
        assert only(found.cells, rule=rule, shape="constant", effect=0.0).regressed.value == 0
        assert only(found.cells, rule=rule, shape="constant", effect=0.0).inconclusive.value == 0
        assert only(found.cells, rule=rule, shape="constant", effect=0.10).regressed.value == 1
        assert all(c.wrong.value == 0 for c in found.cells if c.rule == rule)
    assert {c.shape for c in found.cells} == {"constant", "half", "tail"}
    assert found.left_out == {}


def test_noise_makes_fixed_thresholds_cry_wolf() -> None:
    """30 % of noise: a mean 5 % away is common; the interval's lower limit shows that it is not chance."""
    found = evaluate(traces(0.3, benchmarks=20), "all", ["pytest-benchmark mean:5%"], ["5x4"], repeats=3)
    cell = only(found.cells, shape="constant", effect=0.0)
    assert cell.regressed.value > 0.2
    assert cell.regressed.lower > 0.1
    assert only(found.cells, shape="constant", effect=-0.05).wrong.value > 0.05


def always(status: Status) -> Rule:
    return Rule(str(status), "", "", lambda baseline, candidate: status)


@pytest.mark.parametrize(
    ("status", "slower", "faster"),
    [(Status.REGRESSED, 0, 1), (Status.IMPROVED, 1, 0), (Status.OK, 0, 0), (Status.INCONCLUSIVE, 0, 0)],
)
def test_shares_of_a_rule_that_does_not_look(status: Status, slower: int, faster: int) -> None:
    """Each status goes to its share, and the wrong way is the one against the effect."""
    cells = replay(traces(), [always(status)], parse_design("2x3"), 2, 1, never)
    for cell in cells:
        assert cell.regressed.value == (status is Status.REGRESSED)
        assert cell.inconclusive.value == (status is Status.INCONCLUSIVE)
        assert cell.wrong.value == (slower if cell.effect > 0 else faster if cell.effect < 0 else 0)
        assert (cell.benchmarks, cell.trials, cell.sessions) == (4, 8, 4)
    assert replay(traces(), [always(status)], parse_design("1v3"), 1, 1, never)[0].sessions == 1


def test_draws_are_distinct_processes_in_order_of_time() -> None:
    """No process on both sides, and consecutive samples of each."""
    values = np.arange(2 * 10 * 12, dtype=float).reshape(2, 10, 12) + 1.0
    drawn = draw(Traces(values, ("a", "b"), ("", ""), "t"), 1, 10, 4, np.random.default_rng(0))
    assert drawn.shape == (10, 4)
    assert sorted(int((row[0] - 1) // 12) for row in drawn) == list(range(10, 20))
    assert (np.diff(drawn, axis=1) == 1).all()
    assert len({int(row[0] - 1) % 12 for row in drawn}) > 1


def test_the_same_seed_gives_the_same_figures() -> None:
    """And another one others."""
    noisy = traces(0.05)
    one, same, other = (
        replay(noisy, [choose_rules(["google-benchmark"])[0][0]], parse_design("5x4"), 3, seed, never)
        for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_shapes() -> None:
    """Every sample, half of each session's, or the slowest quarter four times as much."""
    rng = np.random.default_rng(0)
    sessions = np.array([[1.0, 4.0, 3.0, 2.0], [5.0, 6.0, 8.0, 7.0]])
    assert inject(sessions, "tail", 0.0, rng) is sessions
    assert np.allclose(inject(sessions, "constant", -0.1, rng), 0.9 * sessions)
    half = inject(sessions, "half", 0.1, rng) / sessions
    assert np.allclose(np.sort(half, axis=1), [[1.0, 1.0, 1.1, 1.1]] * 2)
    tail = inject(sessions, "tail", 0.1, rng) / sessions
    assert np.allclose(tail, [[1.0, 1.4, 1.0, 1.0], [1.0, 1.0, 1.4, 1.0]])
    with pytest.raises(ValueError, match="unknown shape 'bump': give constant, half, tail"):
        inject(sessions, "bump", 0.1, rng)


def test_intervals_draw_whole_benchmarks() -> None:
    """One benchmark that always alarms is one observation, however often it is replayed."""
    few = share(np.array([1.0] + [0.0] * 9))
    assert (few.value, few.lower) == (0.1, 0.0)
    assert 0.2 <= few.upper <= 0.4
    many = share(np.array([1.0] * 100 + [0.0] * 900))
    assert 0.08 < many.lower < 0.1 < many.upper < 0.12


def test_intervals_of_none_and_all() -> None:
    """Exact binomial: 0 of 10 leaves up to 30.8 %."""
    assert share(np.zeros(10)) == pytest.approx((0.0, 0.0, 0.3085), abs=1e-4)
    assert share(np.ones(10)) == pytest.approx((1.0, 0.6915, 1.0), abs=1e-4)


def test_sequential_measures_more_only_where_it_is_unsure() -> None:
    """Three sessions a side are enough without noise; with it, up to five."""
    quiet = evaluate(traces(), "all", ["perfsuite"], ["sequential"], repeats=1)
    noisy = evaluate(traces(0.05), "all", ["perfsuite", "nvbench"], ["sequential"], repeats=1)
    assert {c.rule for c in noisy.cells} == {"perfsuite"}
    assert only(quiet.cells, effect=0.10).sessions == 6
    assert 6 < only(noisy.cells, effect=0.05).sessions <= 10


def test_unchanged_suites_without_noise() -> None:
    """No alarm in any, and the slowed benchmark is named; all four of them make the suite."""
    found = evaluate(traces(), "all", ["perfsuite", "nvbench"], ["suite"], repeats=1)
    assert [(c.rule, c.effect, c.alarms.value, c.size) for c in found.suites if c.effect != 0.05] == [
        ("perfsuite", 0.0, 0.0, 4), ("perfsuite", 0.10, 1.0, 4),
        ("nvbench", 0.0, 0.0, 4), ("nvbench", 0.10, 1.0, 4),
    ]  # fmt: skip


def test_alarms_add_up_over_a_suite() -> None:
    """A rule with one false alarm in four has 1 - .75**n in suites of n."""
    rng = np.random.default_rng(2)
    rule = Rule(
        "coin", "", "", lambda baseline, candidate: Status.REGRESSED if rng.random() < 0.25 else Status.OK
    )
    (none, *_) = replay_suites(traces(benchmarks=8), [rule], parse_design("suite"), 60, 1, never)
    assert none.alarms.value == pytest.approx(1 - 0.75**8, abs=0.08)
    assert none.alarms.lower <= none.alarms.value <= none.alarms.upper
    assert none.sessions == 5


@pytest.mark.parametrize("name", ["5", "x4", "0x4", "1v", "1v0", "5x4 ", "suites", ""])
def test_unknown_design(name: str) -> None:
    with pytest.raises(ValueError, match="unknown design"):
        parse_design(name)


def test_designs() -> None:
    """What the names stand for."""
    assert (parse_design("3x6").baseline, parse_design("3x6").samples) == (3, 6)
    stored = parse_design("1v20", samples=7)
    assert (stored.baseline, stored.candidate, stored.samples) == (20, 1, 7)


def test_too_few_processes() -> None:
    """An error where the design was asked for; left out, with the reason, where it was not."""
    few = traces(processes=7)
    with pytest.raises(TracesError, match="design 1v10 needs 11 processes of every benchmark, found 7"):
        evaluate(few, "all", ["nvbench"], ["1v10"])
    with pytest.raises(TracesError, match="design 5x4 needs 10 processes"):
        evaluate(few, "all", ["nvbench"])
    found = evaluate(few, "all", ["nvbench"], sessions=2, repeats=1)
    assert {"1v10", "1v20"} <= found.left_out.keys()
    assert "needs 11 processes" in found.left_out["1v10"]
    assert {c.design for c in found.cells} == {"2x4", "1v5"}


def test_absent_rules_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are judged all the same."""
    monkeypatch.setattr(Rule, "absent", lambda self: "gone" if self.name == "asv" else None)
    found = evaluate(traces(), "all", ["asv", "nvbench"], ["2x4"], repeats=1)
    assert found.left_out == {"asv": "gone"}
    assert {c.rule for c in found.cells} == {"nvbench"}


def test_unknown_rule() -> None:
    with pytest.raises(ValueError, match="unknown rule 'asw': give one of 'perfsuite', "):
        choose_rules(["asw"])


def test_all_effects_are_injected() -> None:
    """Those that the specification names, and speed-ups."""
    cells = replay(traces(), [always(Status.OK)], parse_design("2x3"), 1, 1, never)
    assert [c.effect for c in cells if c.shape == "constant"] == [0, 0.01, 0.02, 0.03, 0.05, 0.1, -0.05, -0.1]
    assert [c.effect for c in cells if c.shape == "tail"] == [0.01, 0.02, 0.03, 0.05, 0.1]
    assert evaluation.EFFECTS == (0, 0.01, 0.02, 0.03, 0.05, 0.1)
