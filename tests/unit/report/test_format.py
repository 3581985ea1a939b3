"""Figures carry their unit and no more digits than they deserve."""

from collections.abc import Sequence

import pytest

from perfsuite.report import format as show


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.00123, "1.23 ms"),
        (0.83, "830 ms"),
        (0.99949, "999 ms"),
        (0.99951, "1 s"),
        (1.0, "1 s"),
        (1.249, "1.25 s"),
        (94.04, "94 s"),
        (99.99, "100 s"),
        (1234.5, "1234 s"),
    ],
)
def test_seconds(value: float | None, text: str) -> None:
    """Three digits, milliseconds below a second, and never an exponent."""
    assert show.seconds(value) == text


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        ([1.0], "n=1"),
        ([2.0, 2.0], "±0.0 %"),
        ([1.0, 2.0, 3.0, 4.0, 5.0], "±33.3 %"),
        ([0.99, 1.0, 1.0, 1.0, 1.01], "±0.0 %"),
        ([0.98, 0.99, 1.0, 1.01, 99.0], "±1.0 %"),
    ],
)
def test_spread(samples: Sequence[float], text: str) -> None:
    """Half the quartiles' distance over the median: one outlier does not show."""
    assert show.spread(samples) == text


@pytest.mark.parametrize(
    ("ratio", "text"), [(None, "-"), (1.042, "+4.2 %"), (1.0, "+0.0 %"), (0.5, "-50.0 %"), (2.5, "+150.0 %")]
)
def test_change(ratio: float | None, text: str) -> None:
    """Above 1 is slower and carries a plus."""
    assert show.change(ratio) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "-"),
        (0, "0 MiB"),
        (1400 * 2**20, "1400 MiB"),
        (10 * 2**30 - 2**20, "10239 MiB"),
        (10 * 2**30, "10.0 GiB"),
        (80 * 2**30, "80.0 GiB"),
    ],
)
def test_memory(size: int | None, text: str) -> None:
    """Binary units, and GiB only where MiB would be five digits."""
    assert show.memory(size) == text


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0.98765, "0.9877"), (1.0, "1.0000")])
def test_similarity(value: float | None, text: str) -> None:
    """Four decimals: honest variants differ in the third."""
    assert show.similarity(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(7.9e14, "790 TFLOP/s"), (9.996e11, "1 TFLOP/s"), (6.54321e10, "65.4 GFLOP/s"), (5.0, "5 FLOP/s")],
)
def test_rate(value: float, text: str) -> None:
    assert show.rate(value, "FLOP/s") == text
