"""A rung without a baseline against its least speed-up."""

import math

import pytest

from perfsuite.decision import DecisionSettings, shape
from perfsuite.records import Cause, Status


@pytest.mark.parametrize(
    ("rung", "least", "status"),
    [
        (0.5, 1.5, Status.NEW),
        (0.5, 2.0, Status.NEW),
        (0.5, 2.1, Status.NEW),
        (0.5, 2.5, Status.REGRESSED),
        (1.0, 1.5, Status.REGRESSED),
        (3.0, 0.5, Status.REGRESSED),
        (1.9, 0.5, Status.NEW),
    ],
)
def test_regressed_only_when_surely_below_the_bound(rung: float, least: float, status: Status) -> None:
    verdict = shape([rung] * 10, [1.0] * 10, least)

    assert verdict.status is status
    assert f"speed-up {1 / rung:.3g} over the reference rung" in verdict.detail
    assert f"least speed-up {least:g}" in verdict.detail


def test_figures_are_the_latency_over_the_slowest_allowed() -> None:
    verdict = shape([1.0] * 10, [1.0] * 10, 1.5)

    assert verdict.causes == (Cause.LADDER_SHAPE,)
    assert verdict.ratio == pytest.approx(1.5)
    assert verdict.interval is not None
    # t_0.975 with 18 degrees of freedom is 2.101, the floor 5 %.
    assert verdict.interval[0] == pytest.approx(1.5 * math.exp(-2.101 * 0.05), rel=1e-4)
    assert verdict.interval[1] == pytest.approx(1.5 * math.exp(2.101 * 0.05), rel=1e-4)


def test_new_has_no_figures() -> None:
    verdict = shape([0.5], [1.0], 1.5)

    assert (verdict.status, verdict.ratio, verdict.causes) == (Status.NEW, None, ())
    assert verdict.detail.startswith("no baseline of this device; ")


def test_scattered_samples_and_confidence_widen_the_interval() -> None:
    scattered = [0.5, 1.0, 2.0] * 3

    assert shape([1.0] * 9, [1.0] * 9, 1.3).status is Status.REGRESSED
    assert shape(scattered, [1.0] * 9, 1.3).status is Status.NEW
    assert shape([1.0] * 9, [1.0] * 9, 1.3, DecisionSettings(confidence=0.999999)).status is Status.NEW


def test_one_sample_a_rung_shows_gross_misses_only() -> None:
    assert shape([1.0], [1.0], 1.5).status is Status.NEW
    assert shape([1.0], [1.0], 3.0).status is Status.REGRESSED


@pytest.mark.parametrize("least", [0.0, -1.0, math.nan, math.inf])
def test_bad_bound_is_refused(least: float) -> None:
    with pytest.raises(ValueError, match="least_speedup must be positive and finite"):
        shape([1.0], [1.0], least)


def test_bad_samples_are_named() -> None:
    with pytest.raises(ValueError, match=r"^rung, sample 1: nan is not"):
        shape([1.0, math.nan], [1.0], 1.0)
    with pytest.raises(ValueError, match=r"^reference: no samples$"):
        shape([1.0], [], 1.0)
