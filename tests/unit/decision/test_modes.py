"""Sessions in separate modes."""

import math

import pytest

from perfsuite.decision import compare
from perfsuite.decision.modes import modes
from perfsuite.records import Cause

FAST = [1.0, 1.001, 1.002]
SLOW = [1.1, 1.101, 1.102]


def test_two_modes_are_parted_fastest_first() -> None:
    assert modes([*SLOW, *FAST]) == [FAST, SLOW]


@pytest.mark.parametrize(
    "logs",
    [
        [0.0],
        FAST,
        [*FAST, 1.1, 1.1],
        [0.0, 0.001, 0.002, 0.003, 0.004, 0.9],
        [0.0] * 3 + [0.009] * 3,
        [0.0, 0.1, 0.2, 0.4, 0.5, 0.6],
    ],
    ids=["one", "three", "few in a mode", "one odd", "closer than matters", "gap of two sd"],
)
def test_no_modes(logs: list[float]) -> None:
    assert modes(logs) == [sorted(logs)]


def test_modes_are_named_and_widen_the_interval() -> None:
    baseline = [[value] for value in (*FAST, *SLOW)]

    verdict = compare(baseline, [[1.05]] * 5)
    single = compare([[1.05 + (i - 2.5) / 50] for i in range(6)], [[1.05]] * 5)

    assert Cause.MULTIMODAL in verdict.causes
    assert Cause.MULTIMODAL not in single.causes
    assert "baseline sessions fall in modes: 3 near 1.001 s and 3 near 1.101 s" in verdict.detail
    assert verdict.interval is not None
    assert single.interval is not None
    assert math.log(verdict.interval[1] / verdict.interval[0]) > math.log(
        single.interval[1] / single.interval[0]
    )
