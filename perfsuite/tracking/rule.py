"""What an evaluation asks of a rule on history."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import TYPE_CHECKING, Protocol

from perfsuite.records import SeriesKind, Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.decision.parameters import Prior
    from perfsuite.records import Level, NightRun, Nomination, Point, Series


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


class Standard:
    """`perfsuite.decision.changes`, which is imported when the first series is judged."""

    def __init__(self, runs: Sequence[NightRun]) -> None:
        """Know from the runs which devices are GPUs: what is believed of their noise differs."""
        self._gpus = {run.device for run in runs if "cuda" in run.environment.surroundings}

    def nominations(
        self, series: Series, points: Sequence[Point], epochs: Sequence[str], accepted: Sequence[str]
    ) -> list[Nomination]:
        from perfsuite.decision import changes

        if series.kind is SeriesKind.EXACT:
            return changes.exact_changes(series, points)
        prior = self._prior(series)
        found = changes.nominate(series, points, epochs, (), prior)
        if accepted:
            # Which step is an accepted one is told by its size too, in `matching`; drift begins anew there.
            since = changes.nominate(series, points, epochs, accepted, prior)
            found = [n for n in found if n.shape is Shape.STEP]
            found += [n for n in since if n.shape is Shape.DRIFT]
        return found

    def levels(self, series: Series, points: Sequence[Point], epochs: Sequence[str]) -> tuple[Level, ...]:
        import numpy as np

        from perfsuite.decision import changes

        fit = [point for point in points if point.value > 0]
        nights = [point.night for point in fit]
        values = np.array([point.value for point in fit])
        errors = np.array([math.nan if point.error is None else point.error for point in fit])
        begins = sorted({bisect_left(nights, epoch) for epoch in epochs} - {0, len(nights)})
        return changes.segment(nights, values, errors, begins, self._prior(series)).levels

    def _prior(self, series: Series) -> Prior:
        from perfsuite.decision import changes

        return changes.prior_of("cuda" if series.device in self._gpus else "cpu", series.metric)
