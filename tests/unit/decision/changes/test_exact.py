"""What is counted changes on the night that it differs."""

import math

import pytest

from perfsuite.decision.changes import exact_changes
from perfsuite.records.history import Point, Series, SeriesKind, Shape

COUNTED = Series("cpu", "shapes", "1", "bf16", "operators", "count", SeriesKind.EXACT)


def counted(*values: float) -> list[Point]:
    return [Point(f"2026-11-{i + 1:02}", f"run{i}", value) for i, value in enumerate(values)]


def test_any_difference() -> None:
    """Each, with its two nights."""
    found = exact_changes(COUNTED, counted(5, 5, 6, 6, 5))
    assert [(n.last_good, n.first_bad, n.before, n.after) for n in found] == [
        ("2026-11-02", "2026-11-03", 5, 6),
        ("2026-11-04", "2026-11-05", 6, 5),
    ]
    assert {(n.shape, n.statistic, n.interval) for n in found} == {(Shape.EXACT, math.inf, None)}


@pytest.mark.parametrize("values", [(), (3,), (3, 3, 3)])
def test_none(values: tuple[float, ...]) -> None:
    """No points, one, or all alike."""
    assert exact_changes(COUNTED, counted(*values)) == []


def test_nothing_appears_from_a_night_without_weight() -> None:
    """NaN and excluded nights are passed over; the change lies between those that count."""
    points = [*counted(5, math.nan), Point("2026-11-03", "r", 9, excluded="disturbed"), Point("2026-11-04", "s", 6)]
    (found,) = exact_changes(COUNTED, points)
    assert (found.last_good, found.first_bad) == ("2026-11-01", "2026-11-04")


def test_the_last_run_of_a_night_speaks_for_it() -> None:
    """Two runs in a night are no change by themselves."""
    points = [*counted(5, 6), Point("2026-11-02", "again", 5)]
    assert exact_changes(COUNTED, points) == []


def test_a_noisy_series_is_refused() -> None:
    """It needs statistics."""
    noisy = Series("cpu", "shapes", "1", "bf16", "latency", "s", SeriesKind.NOISY)
    with pytest.raises(ValueError, match="only what is counted"):
        exact_changes(noisy, [])
