"""Whole histories at once: which of the changes that people marked a rule finds, and what it finds beside them.

A place that a rule names is right if at least three annotators marked a change within 5 points of it, false if
nobody did; marks of one or two do not count. A change that at least three marked is found if the rule names a
place within 5 points of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.decision.changes.keeping import keep
from perfsuite.decision.changes.segments import cut
from perfsuite.decision.changes.settings import RETROSPECTIVE
from perfsuite.decision.histories.labelled import AGREED, TOLERANCE
from perfsuite.decision.histories.streaming import PRIOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.decision.changes.settings import Settings
    from perfsuite.decision.histories.labelled import History


@dataclass(frozen=True)
class Recalled:
    """What a rule did in one whole history."""

    history: History
    found: int
    """Of the changes."""
    right: int
    unsure: int
    """Places that one or two annotators marked."""
    false: int


def look_back(history: History, settings: Settings = RETROSPECTIVE) -> list[int]:
    """What this suite's rule names: `perfsuite.decision.changes.changes`."""
    whole = cut(history.logs[None], PRIOR, settings).one(0, settings, PRIOR)
    return keep(whole, settings).changes()


def judge(history: History, named: Sequence[int]) -> Recalled:
    """Count what a rule found, and what it named in vain."""
    marks = [history.marked(place) for place in named]
    found = sum(any(abs(place - change) <= TOLERANCE for place in named) for change in history.changes)
    right, false = sum(m >= AGREED for m in marks), sum(m == 0 for m in marks)
    return Recalled(history, found, right, len(marks) - right - false, false)
