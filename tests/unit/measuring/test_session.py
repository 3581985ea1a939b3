"""Warm-up ends when calls stop getting faster, and the rounds fit the budget; time is the test's."""

from collections.abc import Iterator, Sequence

import pytest

from perfsuite.measuring import session
from perfsuite.measuring.session import Plan, is_steady, rounds_for, warm_up


@pytest.mark.parametrize(
    ("warmup_s", "steady"),
    [
        ([], False),
        ([1.0], False),
        ([1.0, 1.0], False),
        ([1.0, 1.0, 1.0], True),
        ([2.0, 1.0, 1.0], False),
        ([2.0, 1.0, 1.0, 1.0], True),
        ([1.0, 0.981, 1.0], True),
        ([1.0, 0.979, 1.0], False),
        ([1.0, 1.0, 0.979], False),
        ([1.0, 3.0, 2.0], True),
        ([3.0, 2.0, 1.0], False),
        ([3.0, 1.0, 5.0, 4.0], True),
        ([1.0, 5.0, 2.0, 2.0], True),
        ([1.0, 0.97, 0.94, 0.91], False),
    ],
)
def test_steady_once_the_minimum_holds(warmup_s: Sequence[float], steady: bool) -> None:
    """Two calls that lower the least time by no more than 2 %: slower ones are noise, faster are not."""
    assert is_steady(warmup_s, Plan()) is steady


@pytest.mark.parametrize(("gain", "calls", "steady"), [(0.1, 2, True), (0.02, 2, False), (0.02, 1, True)])
def test_rule_is_the_plans(gain: float, calls: int, steady: bool) -> None:
    """Allowed gain and number of calls are taken from the plan."""
    assert is_steady([1.0, 0.95, 0.95], Plan(steady_gain=gain, steady_calls=calls)) is steady


class Calls:
    """A call that takes these seconds on the clock of the test, one after the other."""

    def __init__(self, durations_s: Sequence[float]) -> None:
        self._durations: Iterator[float] = iter(durations_s)
        self.time = 50.0
        self.made = 0

    def __call__(self) -> None:
        self.time += next(self._durations)
        self.made += 1


@pytest.mark.parametrize(
    ("durations_s", "made", "steady"),
    [
        ([4.0, 1.0, 1.0, 1.0, 9.0], 4, True),
        ([1.0, 1.5, 1.2, 9.0], 3, True),
        ([2.0**-i for i in range(20)], 10, False),
        ([*(2.0**-i for i in range(8)), 1.0, 1.0, 1.0], 10, True),
    ],
)
def test_warm_up_calls_until_steady(
    durations_s: Sequence[float], made: int, steady: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It returns each call's seconds, stops at once when steady, and says so if it met its limit first."""
    calls = Calls(durations_s)
    monkeypatch.setattr(session, "now", lambda: calls.time)
    seconds, rule_met = warm_up(calls, Plan())
    assert seconds == pytest.approx(durations_s[:made])
    assert (calls.made, rule_met) == (made, steady)


@pytest.mark.parametrize(
    ("call_s", "rounds"),
    [(1.0, 6), (1.1, 5), (1.21, 5), (100.0, 5), (0.13, 46), (0.12, 50), (1e-6, 50), (0.7, 8)],
)
def test_rounds_fit_the_budget(call_s: float, rounds: int) -> None:
    """As many as fit into six seconds, but at least 5 and at most 50."""
    assert rounds_for(call_s, Plan()) == rounds


def test_budget_is_the_plans() -> None:
    """A larger budget means more rounds, between the same bounds."""
    rounds = [rounds_for(0.5, Plan(time_budget_s=budget)) for budget in (0.1, 3.0, 6.0, 12.0, 60.0)]
    assert rounds == [5, 6, 12, 24, 50]
