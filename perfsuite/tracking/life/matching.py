"""Which nomination of tonight is which known change: one step is one change, however often it is seen."""

from __future__ import annotations

from bisect import bisect_left
from datetime import date
from typing import TYPE_CHECKING

from perfsuite.records import OPEN, UNDECIDED, Shape, State
from perfsuite.tracking.life import sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Change, Nomination

SLACK = 5
"""Nights with a figure by which a step may seem to move: its first nights hardly tell where it is."""
GROWTH = 2.0
"""A step that is so many times that which a person, or an A/B, has settled is another."""
RETURNS_DAYS = 30
"""Days since its recovery in which a change that comes again is the same."""


def matched(
    changes: Sequence[Change], nominations: Sequence[Nomination], nights: Sequence[str]
) -> tuple[dict[str, Nomination], list[Nomination]]:
    """The nomination of each change that has one, by its id, and the others: slow ones last, else by night.

    The nearest find each other first, and each only once: two steps near each other stay two.
    """
    distances = sorted(
        (distance, change.nomination.shape is not nomination.shape, i, j)
        for i, change in enumerate(changes)
        for j, nomination in enumerate(nominations)
        if (distance := _distance(change, nomination, nights)) is not None
    )
    of_change: dict[int, int] = {}
    for *_, i, j in distances:
        if i not in of_change and j not in of_change.values():
            of_change[i] = j
    rest = [n for j, n in enumerate(nominations) if j not in of_change.values()]
    pairs = {changes[i].id: nominations[j] for i, j in of_change.items()}
    return pairs, sorted(rest, key=lambda n: (n.shape is Shape.DRIFT, n.first_bad, n.last_good))


def _distance(change: Change, seen: Nomination, nights: Sequence[str]) -> int | None:
    """Nights between the two; None where they cannot be one step."""
    known = change.nomination
    if not _alike(change, seen):
        return None
    if overlap(known, seen):
        return 0
    if Shape.STEP is not known.shape or Shape.STEP is not seen.shape:
        return None
    first, second = sorted((known, seen), key=lambda n: n.first_bad)
    between = bisect_left(nights, second.last_good) - bisect_left(nights, first.first_bad) + 1
    return between if between <= SLACK else None


def _alike(change: Change, seen: Nomination) -> bool:
    """The same way, and no more than was settled."""
    settled = change.state not in (*UNDECIDED, *OPEN)
    grown = abs(_size(seen)) > GROWTH * abs(_size(change.nomination))
    return sizes.is_up(change.nomination) == sizes.is_up(seen) and not (settled and grown)


def covers(change: Change, seen: Nomination) -> bool:
    """Whether a slow change is what is known already as a step of the same nights."""
    known = change.state is not State.RECOVERED and _alike(change, seen)
    return seen.shape is Shape.DRIFT and known and overlap(change.nomination, seen)


def _size(nomination: Nomination) -> float:
    return sizes.size(nomination.before, nomination.after)


def overlap(one: Nomination, other: Nomination) -> bool:
    """Whether a night lies in both intervals, which begin after the last good night."""
    if one.first_bad == other.first_bad:
        return True  # also where two runs of one night differ, and the interval is empty
    return max(one.last_good, other.last_good) < min(one.first_bad, other.first_bad)


def returns(change: Change, seen: Nomination) -> bool:
    """Whether a new step is the return of a change that had recovered: soon, and of its size."""
    known = change.nomination
    if change.state is not State.RECOVERED or sizes.is_up(known) != sizes.is_up(seen):
        return False
    if seen.last_good < known.first_bad:
        return False
    days = (date.fromisoformat(seen.first_bad) - date.fromisoformat(change.since)).days
    like = abs(_size(known)) / GROWTH <= abs(_size(seen)) <= abs(_size(known)) * GROWTH
    return days <= RETURNS_DAYS and like
