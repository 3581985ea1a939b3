"""Suspects, their confirmation, and the familywise error."""

import math

import pytest

from perfsuite.decision import Spending, compare, confirm, control_moved, holm, is_suspect, new
from perfsuite.records import Status, Verdict

STEADY = [[1.0, 1.01], [1.004, 1.012], [1.002, 1.01], [1.006, 1.013], [1.003, 1.011]]


def slower(factor: float, count: int) -> list[list[float]]:
    return [[factor * value for value in session] for session in STEADY[:count]]


def test_a_slow_session_is_a_suspect() -> None:
    assert is_suspect(compare(STEADY, slower(1.3, 1)))
    assert not is_suspect(compare(STEADY, slower(1.0, 1)))
    assert not is_suspect(new("no baseline"))


def test_suspicion_follows_the_p_value() -> None:
    assert is_suspect(Verdict(Status.INCONCLUSIVE, p_value=0.3), 0.3)
    assert not is_suspect(Verdict(Status.INCONCLUSIVE, p_value=0.3), 0.2)
    assert not is_suspect(Verdict(Status.OK, p_value=0.001))


def test_a_slowdown_that_comes_again_is_confirmed() -> None:
    verdict = confirm(STEADY, [1.3], slower(1.3, 4))

    assert verdict.status is Status.REGRESSED
    assert verdict.p_value is not None
    assert verdict.p_value <= 0.01
    assert verdict.detail.endswith("; confirmed by 4 fresh sessions")


def test_a_first_session_alone_alarms_nobody() -> None:
    verdict = confirm(STEADY, [9.0], slower(1.0, 4))

    assert verdict.status is Status.OK
    assert verdict.detail.endswith("; not confirmed by 4 fresh sessions")
    assert verdict == confirm(STEADY, [1.1], slower(1.0, 4))


def test_the_level_decides() -> None:
    p_value = confirm(STEADY, [1.3], slower(1.3, 4)).p_value

    assert p_value is not None
    assert confirm(STEADY, [1.3], slower(1.3, 4), alpha=p_value * 1.01).status is Status.REGRESSED
    assert confirm(STEADY, [1.3], slower(1.3, 4), alpha=p_value * 0.99).status is Status.INCONCLUSIVE


def test_sessions_that_overlap_confirm_nothing() -> None:
    """However small the p-value over all of them is."""
    fresh = [*slower(1.3, 3), [1.01, 1.012]]

    verdict = confirm(STEADY, [1.3], fresh, alpha=0.5)

    assert compare(STEADY, fresh).p_value < 0.5  # type: ignore[operator]
    assert (verdict.status, verdict.p_value) == (Status.INCONCLUSIVE, 1.0)


def test_one_odd_session_of_many_does_not_hide_a_slowdown() -> None:
    """A twentieth of the pairs may overlap: here 4 of 100."""
    stored = [*STEADY * 4, [1.5], *STEADY]

    assert confirm(stored, [1.3], slower(1.3, 4)).status is Status.REGRESSED


def test_confirm_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="first session, sample 0: nan"):
        confirm(STEADY, [math.nan], STEADY)
    with pytest.raises(ValueError, match="candidate: no sessions"):
        confirm(STEADY, [1.0], [])
    with pytest.raises(ValueError, match="alpha must lie between 0 and 1, got 1"):
        confirm(STEADY, [1.0], STEADY, alpha=1)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005], 0.05) == [True, False, False, True]
    assert holm([0.02, 0.04], 0.05) == [True, True]
    assert holm([0.03, 0.04], 0.05) == [False, False]
    assert holm([], 0.05) == []
    with pytest.raises(ValueError, match="p-value 1 must lie between 0 and 1, got nan"):
        holm([0.1, math.nan], 0.05)


def test_spending_never_exceeds_alpha_without_a_rejection() -> None:
    spending = Spending(0.01)
    levels = []
    for _ in range(500):
        levels.append(spending.level)
        assert not spending.spend(1.0)

    assert levels[:3] == pytest.approx([0.01 / 2, 0.01 / 6, 0.01 / 12])
    assert 0.0099 < sum(levels) < 0.01


def test_a_rejection_passes_its_level_on_once() -> None:
    spending = Spending(0.01)

    assert spending.spend(0.005)
    assert spending.level == pytest.approx(0.01 / 2 + 0.01 / 6)
    assert not spending.spend(0.007)
    assert spending.level == pytest.approx(0.01 / 12)


def test_spending_refuses_what_is_no_p_value() -> None:
    with pytest.raises(ValueError, match="p-value must lie between 0 and 1, got nan"):
        Spending().spend(math.nan)


def test_a_slower_machine_is_told_from_a_quiet_one() -> None:
    stored = [1.0, 1.01, 0.99, 1.005, 0.995]

    assert control_moved(stored, [1.5 * s for s in stored]) == pytest.approx(1.5, rel=0.02)
    assert control_moved(stored, stored) is None
    assert control_moved(stored, [0.5 * s for s in stored]) is None
    assert control_moved(stored, []) is None
    assert control_moved([], stored) is None
    with pytest.raises(ValueError, match="candidate session 1, sample 0: -1"):
        control_moved(stored, [1.0, -1.0])
