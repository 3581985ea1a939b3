"""Sessions are added until the verdict stands."""

import pytest

from perfsuite.decision import compare, sequential, wants_more
from perfsuite.records import Status

NOISY = [[1.0], [1.1], [1.05], [1.15], [1.02]]


def slower(factor: float, sessions: list[list[float]]) -> list[list[float]]:
    return [[factor * value for value in session] for session in sessions]


def test_fewer_than_the_least_always_want_more() -> None:
    assert wants_more([], [], most=5)
    assert wants_more([[1.0]] * 2, [[9.0]] * 2, most=5)
    assert not wants_more([[1.0]] * 2, [[9.0]] * 2, most=2, least=2)


def test_decided_stops_and_undecided_goes_on() -> None:
    assert not wants_more(NOISY[:3], slower(3.0, NOISY[:3]), most=5)  # REGRESSED
    assert wants_more(NOISY[:3], slower(1.15, NOISY[:3]), most=5)
    assert not wants_more(NOISY[:3], slower(1.15, NOISY[:3]), most=3)


def test_futile_stops() -> None:
    now = sequential.verdict(NOISY[:3], NOISY[:3], most=5)

    assert now.status is Status.INCONCLUSIVE
    assert not wants_more(NOISY[:3], NOISY[:3], most=5)


def test_early_looks_are_stricter_and_the_last_is_that_of_compare() -> None:
    candidate = slower(1.3, NOISY)
    early = next(
        factor / 1000
        for factor in range(1000, 3000, 5)
        if compare(NOISY[:3], slower(factor / 1000, NOISY[:3])).status is Status.REGRESSED
    )

    assert sequential.verdict(NOISY[:3], slower(early, NOISY[:3]), most=5).status is Status.INCONCLUSIVE
    assert sequential.verdict(NOISY, candidate, most=5) == compare(NOISY, candidate)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="need 1 <= least <= most, got least 3 and most 2"):
        wants_more(NOISY, NOISY, most=2)
    with pytest.raises(ValueError, match="most must be at least 1"):
        sequential.verdict(NOISY, NOISY, most=0)
    with pytest.raises(ValueError, match="candidate: no sessions"):
        sequential.verdict(NOISY, [], most=5)
