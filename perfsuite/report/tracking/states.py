"""States as the pages show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.records import State
from perfsuite.report.html.words import Badge
from perfsuite.tracking.grouping import GRAVEST, is_worse, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from perfsuite.records import Change, ChangeGroup

_LOOKS = {
    State.CONFIRMED: ("bad", "✗", "shown by an A/B of both nights, or counted; it wants a person"),
    State.BISECTING: ("bad", "÷", "its night and package are being searched for"),
    State.FOUND: ("bad", "◎", "the package and its two versions are known; it wants a decision"),
    State.NOMINATED: ("unsure", "?", "history alone suggests it; an A/B will decide"),
    State.UNCONFIRMED: ("unsure", "?", "the A/B could not tell, or could not be run; it is tried again"),
    State.ACKNOWLEDGED: ("plain", "✓", "somebody knows, and works on it"),
    State.IGNORED: ("plain", "\N{EN DASH}", "left alone until a date or a version"),
    State.DRIFTED: ("plain", "~", "the A/B shows no difference: the machine moved, not the code"),
    State.ACCEPTED: ("fine", "✓", "the new level is the one to be held"),
    State.FIXED: ("good", "✓", "somebody says so; it opens again where the level is not back"),
    State.RECOVERED: ("good", "✓", "the level is back, by itself"),
}  # fmt: skip
INTRO = (
    "History alone nominates a change of a measured figure, and an A/B of the environments of both nights "
    "decides whether it is one. Counts need no statistics: any difference is a change. The line of a level "
    "is what the rule makes of its nights; a vertical line through a point is that point's own 95 % "
    "interval. Points without weight are hollow, and the reason stands in the table. A known event (driver, "
    "machine, protocol) begins a new level by itself, and is no change."
)
BETTER = "better"
"""Stands before the state of a change for the better, of which nobody is told."""


def badge(state: State, *, worse: bool = True) -> Badge:
    """How a state is shown."""
    tone, sign, _ = _LOOKS[state]
    return Badge(state.value, tone, sign) if worse else Badge(state.value, "good", "+", BETTER)


def of_group(group: ChangeGroup) -> Badge:
    """That of a group as a whole."""
    return badge(state_of(group), worse=is_worse(group))


def gravest(changes: Iterable[Change]) -> Change | None:
    """Of the changes for the worse, the one that a series is in first of all; None where there is none."""
    return min((c for c in changes if c.worse), key=lambda c: GRAVEST.index(c.state), default=None)


def glossary() -> list[tuple[Badge, str]]:
    """Every state with its meaning."""
    return [(badge(state), meaning) for state, (_, _, meaning) in _LOOKS.items()]
