"""Figures of which a session has one, by what is stored, by a budget, and beside other processes."""

import numpy as np
import pytest

from perfsuite.decision.amounts import PEAK, START, beside_others, by_budget, judge_amount
from perfsuite.decision.session_amounts import show_bytes, show_seconds
from perfsuite.records import Cause, Status

MIB = 1 << 20


def test_less_is_ok_and_more_is_not() -> None:
    stored = [200.0 * MIB, 205.0 * MIB, 198.0 * MIB]
    statuses = [judge_amount(stored, [x * 200.0 * MIB], PEAK["cpu"], show_bytes).status for x in (0.5, 1, 2)]
    assert statuses == [Status.OK, Status.OK, Status.REGRESSED]


def test_a_difference_that_nobody_would_act_on_is_none() -> None:
    """Twice as long, and a tenth of a second."""
    assert judge_amount([0.1] * 5, [0.3], START, show_seconds).status is Status.OK
    assert judge_amount([1.0] * 5, [3.0], START, show_seconds).status is Status.REGRESSED


def test_a_start_of_a_fifth_more_is_found_by_three_sessions_a_side() -> None:
    """With the spread that is believed of processes beside nobody."""
    rng = np.random.default_rng(7)
    found = 0
    for _ in range(100):
        stored, fresh = 40.0 * np.exp(0.02 * rng.standard_normal((2, 3)))
        verdict = judge_amount(list(stored), [1.2 * s for s in fresh], START, show_seconds)
        found += verdict.status is Status.REGRESSED
    assert found >= 80


def test_an_unchanged_start_does_not_alarm() -> None:
    rng = np.random.default_rng(8)
    alarms = 0
    for _ in range(200):
        stored, fresh = 40.0 * np.exp(0.06 * rng.standard_normal((2, 3)))
        alarms += judge_amount(list(stored), list(fresh), START, show_seconds).status is Status.REGRESSED
    assert alarms <= 2


@pytest.mark.parametrize(("value", "status"), [(59.0, Status.NEW), (61.0, Status.REGRESSED)])
def test_a_budget_holds_where_nothing_is_stored(value: float, status: Status) -> None:
    found = by_budget(value, 60.0, "a minute", show_seconds)
    assert (found.status, "the budget is 60.0 s: a minute" in found.detail) == (status, True)


def test_beside_others_nothing_alarms() -> None:
    found = beside_others(by_budget(61.0, 60.0, "a minute", show_seconds))
    assert (found.status, found.causes) == (Status.INCONCLUSIVE, (Cause.OTHER_PROCESS,))
    fine = by_budget(1.0, 60.0, "a minute", show_seconds)
    assert beside_others(fine) == fine
