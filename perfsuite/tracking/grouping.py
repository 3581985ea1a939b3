"""Changes whose intervals of nights overlap are one thing to look at, headed by what they share."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import compress
from typing import TYPE_CHECKING

from perfsuite.records import OPEN, UNDECIDED, ChangeGroup, SeriesKind, Shape, State
from perfsuite.tracking.headlines import Place, headline, place_of
from perfsuite.tracking.life import sizes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from perfsuite.records import Change, Series

GRAVEST = (
    State.FOUND, State.BISECTING, State.CONFIRMED, State.NOMINATED, State.UNCONFIRMED, State.ACKNOWLEDGED,
    State.FIXED, State.IGNORED, State.DRIFTED, State.ACCEPTED, State.RECOVERED,
)  # fmt: skip
"""A group is in the first of these that any of its changes for the worse is in."""
_ORDER = (OPEN, UNDECIDED, (State.ACKNOWLEDGED,))
"""Groups in the first of these come first."""


def groups(changes: Iterable[Change], series: Sequence[Series]) -> tuple[ChangeGroup, ...]:
    """All changes in groups: those that want a person first, the latest first.

    Args:
        changes: open and closed.
        series: all that are followed, which tell whether a change is of all variants or of some.
    """
    slow = [c for c in changes if c.nomination.shape is Shape.DRIFT]
    quick = [c for c in changes if c.nomination.shape is not Shape.DRIFT]
    # What creeps for a month meets every step of that month, and explains none.
    followed = {place_of(each) for each in series}
    found = [_group(members, followed) for kind in (quick, slow) for members in _overlapping(kind)]
    found.sort(key=lambda group: (group.first_bad, group.id), reverse=True)
    return tuple(sorted(found, key=_place))


def _overlapping(changes: Sequence[Change]) -> list[list[Change]]:
    """The fewest sets whose members all share a night: no chain of overlaps joins what is weeks apart.

    What is measured may seem to come a night late.
    """
    rest = sorted(changes, key=lambda c: (c.nomination.first_bad, c.nomination.last_good, c.id))
    found = []
    while rest:
        night = rest[0].nomination.first_bad
        shares = [_begins(c) < night or c.nomination.first_bad == night for c in rest]
        found.append(list(compress(rest, shares)))
        rest = [c for c, shared in zip(rest, shares, strict=True) if not shared]
    return found


def _begins(change: Change) -> str:
    """The night after which it may have come."""
    last_good = change.nomination.last_good
    if change.series.kind is SeriesKind.EXACT:
        return last_good
    return (date.fromisoformat(last_good) - timedelta(days=1)).isoformat()


def _group(members: Sequence[Change], followed: Collection[Place]) -> ChangeGroup:
    earliest = min(members, key=lambda c: (c.nominated, c.nomination.first_bad, c.id))
    ordered = sorted(
        members, key=lambda c: (c.series.kind is not SeriesKind.EXACT, not c.worse, -_size(c), c.id)
    )
    return ChangeGroup(earliest.id, headline(ordered, followed), tuple(ordered))


def _size(change: Change) -> float:
    return abs(sizes.size(change.nomination.before, change.nomination.after))


def _place(group: ChangeGroup) -> int:
    if not is_worse(group):
        return len(_ORDER)
    return next((i for i, states in enumerate(_ORDER) if state_of(group) in states), len(_ORDER))


def state_of(group: ChangeGroup) -> State:
    """The state of the group as a whole."""
    told = [change for change in group.changes if change.worse] or group.changes
    return min((change.state for change in told), key=GRAVEST.index)


def is_worse(group: ChangeGroup) -> bool:
    """Whether anything in it is a change for the worse."""
    return any(change.worse for change in group.changes)


def is_open(group: ChangeGroup) -> bool:
    """Whether it wants a person."""
    return is_worse(group) and state_of(group) in OPEN


def is_undecided(group: ChangeGroup) -> bool:
    """Whether it wants an A/B, and may then want a person."""
    return is_worse(group) and state_of(group) in UNDECIDED
