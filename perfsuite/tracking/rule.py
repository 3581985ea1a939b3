"""What an evaluation asks of a rule on history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Level, Nomination, Point, Series


class Rule(Protocol):
    """Judges one series; nights are ISO dates, and points without weight are left out before."""

    def nominations(
        self, series: Series, points: Sequence[Point], epochs: Sequence[str], accepted: Sequence[str]
    ) -> list[Nomination]:
        """Changes that are worth an A/B after the latest of the points.

        Args:
            series: that is judged.
            points: in the order of nights.
            epochs: first nights of epochs.
            accepted: first nights of levels that later nights are compared with.
        """

    def levels(self, series: Series, points: Sequence[Point], epochs: Sequence[str]) -> tuple[Level, ...]:
        """The stretches of nights at one level."""
