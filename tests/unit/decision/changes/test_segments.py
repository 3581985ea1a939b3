"""A history as levels."""

import time

import numpy as np
import pytest

from perfsuite.decision.changes import RETROSPECTIVE, Prior, segment

PRIOR = Prior(sd=0.02, df=3)


def nights(count: int) -> list[str]:
    return [f"{i:04}" for i in range(count)]


def test_levels() -> None:
    """Three, with an interval each that holds the truth."""
    rng = np.random.default_rng(0)
    truth = np.repeat([1.0, 1.2, 1.1], [40, 30, 50])
    found = segment(nights(120), truth * np.exp(rng.normal(0, 0.01, 120)), None, (), PRIOR)
    assert found.boundaries == (40, 70)
    assert [(level.first, level.last) for level in found.levels] == [
        ("0000", "0039"), ("0040", "0069"), ("0070", "0119"),
    ]  # fmt: skip
    for level, value in zip(found.levels, (1.0, 1.2, 1.1), strict=True):
        assert level.interval is not None
        assert level.interval[0] < value < level.interval[1]
    assert found.noise == pytest.approx(0.01, rel=0.3)


def test_an_epoch_is_a_level_and_no_boundary() -> None:
    """Even where the level stays the same."""
    rng = np.random.default_rng(1)
    found = segment(nights(60), np.exp(rng.normal(0, 0.01, 60)), None, (25,), PRIOR)
    assert found.boundaries == ()
    assert [level.first for level in found.levels] == ["0000", "0025"]


def test_autocorrelation_is_seen() -> None:
    """Neighbours alike: a number near the true one, and never below zero."""
    rng = np.random.default_rng(2)
    alike = rng.normal(0, 0.01, 400)
    for i in range(1, 400):
        alike[i] += 0.6 * alike[i - 1]
    found = segment(nights(400), np.exp(alike), None, (), PRIOR)
    assert 0.35 < found.autocorrelation < 0.8
    turns = segment(nights(60), np.exp(np.tile([0.0, 0.02], 30)), None, (), PRIOR)
    assert turns.autocorrelation == 0


def test_bad_values_are_refused() -> None:
    """By name of what is wrong."""
    with pytest.raises(ValueError, match="positive and finite"):
        segment(nights(2), np.array([1.0, np.nan]), None, (), PRIOR)
    with pytest.raises(ValueError, match="2 nights, 1 values"):
        segment(nights(2), np.array([1.0]), None, (), PRIOR)
    assert segment([], np.array([]), None, (), PRIOR).levels == ()


def test_eight_hundred_nights_take_milliseconds() -> None:
    """Looking back over the longest history; the limit is ten times what it takes."""
    rng = np.random.default_rng(3)
    values = np.exp(rng.normal(0, 0.01, 800) + np.repeat([0, 0.1, 0.05, 0.2], 200))
    began = time.process_time()
    found = segment(nights(800), values, None, (), PRIOR, RETROSPECTIVE)
    assert time.process_time() - began < 0.5
    assert found.boundaries == (200, 400, 600)
