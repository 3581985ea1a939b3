"""How large a change is, which way it goes, and when its level is back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Level, Nomination, Point, Series

RECOVERY_NIGHTS = 3
"""Nights that a noisy series must have been back for."""


def size(before: float, after: float) -> float:
    """Signed: of the logarithms, or of the values themselves where one has none."""
    if before > 0 and after > 0:
        return math.log(after / before)
    return after - before


def is_worse(series: Series, nomination: Nomination) -> bool:
    """Whether the nomination is a change for the worse."""
    return (nomination.after > nomination.before) != series.higher_is_better


def is_up(nomination: Nomination) -> bool:
    """Whether the figure grew."""
    return nomination.after > nomination.before


def tolerance(nomination: Nomination) -> float:
    """How much of a change may remain when its level counts as back.

    What the change's own interval cannot tell from nothing, and never half of the change.
    """
    whole = abs(size(nomination.before, nomination.after))
    if nomination.interval is None or nomination.interval[0] <= 0:
        return whole / 4
    low, high = nomination.interval
    return min(whole / 2, size(low, high) / 2)


def is_level(nomination: Nomination, value: float, allowed: float) -> bool:
    """Whether `value` is no longer beyond the level before the change, by more than `allowed`."""
    remains = size(nomination.before, value)
    return (remains if is_up(nomination) else -remains) <= allowed


def exact_is_back(nomination: Nomination, points: Sequence[Point]) -> bool:
    """Whether any night since was as good as the last before the change."""
    return any(is_level(nomination, p.value, 0.0) for p in points if p.night > nomination.first_bad)


def noisy_is_back(
    nomination: Nomination, levels: Sequence[Level], points: Sequence[Point], epochs: Sequence[str]
) -> bool | None:
    """Whether any level since is as good as that before the change; None where a new epoch hides it."""
    after = [epoch for epoch in epochs if epoch > nomination.first_bad]
    end = min(after, default=None)
    allowed = tolerance(nomination)
    for level in levels:
        if level.first < nomination.first_bad or (end is not None and level.first >= end):
            continue
        nights = {p.night for p in points if level.first <= p.night <= level.last}
        if len(nights) >= RECOVERY_NIGHTS and is_level(nomination, level.value, allowed):
            return True
    return False if end is None else None


def has_vanished(nomination: Nomination, levels: Sequence[Level]) -> bool:
    """Whether one level now spans both sides, and is no worse than the one before was: there was no step."""
    allowed = tolerance(nomination)
    return any(
        spans(level, nomination) and is_level(nomination, level.value, allowed) for level in levels
    )  # fmt: skip


def spans(level: Level, nomination: Nomination) -> bool:
    """Whether both sides of a step lie in one level."""
    return level.first <= nomination.last_good and nomination.first_bad <= level.last


def judged(points: Sequence[Point]) -> list[Point]:
    """The points that have weight, by night."""
    return sorted((p for p in points if not p.excluded and math.isfinite(p.value)), key=lambda p: p.night)
