"""What is to be told between two evaluations: entry, a better answer, recovery; nothing twice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from perfsuite.records import OPEN, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from perfsuite.records import Change

MOST_RETURNS = 3
"""Of one change; what comes and goes more often is shown, and nobody is told."""
_TOLD = (*OPEN, State.ACKNOWLEDGED, State.FIXED)
"""States that somebody was told of, and did not ask to be left alone with."""


class News(StrEnum):
    """What happened to a change."""

    ENTRY = "new"
    RETURN = "returned"
    ANSWER = "found"
    RECOVERY = "recovered"


@dataclass(frozen=True)
class Notice:
    """One thing to be told."""

    news: News
    change: Change


def notices(old: Iterable[Change], new: Iterable[Change]) -> tuple[Notice, ...]:
    """What happened between two evaluations, in the order of the new changes.

    Of improvements, of what is undecided and of what the machine did nobody is told.
    """
    before = {change.id: change for change in old}
    found = []
    for change in new:
        news = _news(before.get(change.id), change)
        if news is not None and change.worse and change.times_reopened <= MOST_RETURNS:
            found.append(Notice(news, change))
    return tuple(found)


def _news(old: Change | None, new: Change) -> News | None:
    told = old is not None and old.state in OPEN
    # A return that was confirmed in between is news, though both evaluations saw it open.
    again = old is not None and new.times_reopened > old.times_reopened
    if new.state in OPEN and (again or not told):
        return News.RETURN if new.times_reopened else News.ENTRY
    if new.state is State.FOUND and old is not None and (old.state, old.culprit) != (new.state, new.culprit):
        return News.ANSWER
    if new.state is State.RECOVERED and old is not None and old.state in _TOLD:
        return News.RECOVERY
    return None
