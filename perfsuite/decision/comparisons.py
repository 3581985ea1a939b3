"""The three comparisons of the sessions of both sides that a verdict is made of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from perfsuite.decision.statistics import (
    Comparison,
    clock_variance,
    compare_statistic,
    fewer_samples_variance,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.decision.gpus import Sides
    from perfsuite.decision.parameters import DecisionSettings
    from perfsuite.decision.summaries import Summary

MINIMUM_EFFECT = 0.01
"""Smaller changes than this are nobody's concern, however certain."""
MINIMUM_SESSIONS = 3
"""With fewer baseline sessions the spread is nearly all prior, and OK is not given."""
OTHER_LOOKS_SHARE = 0.2
"""Risk of the median's alarm, and of the tail's, as a share of the low quantile's."""
TAIL_SAMPLES = 8
"""With fewer samples in a session the slowest quarter is one odd call."""


class Comparisons(NamedTuple):
    """Low quantile, median and slowest quarter, and which of them may raise an alarm."""

    low: Comparison
    middle: Comparison
    slow: Comparison
    tail_counts: bool
    """Whether the slowest quarter may raise an alarm."""
    apart: bool
    """Whether sessions that overlap raise none."""

    def p_values(self) -> tuple[float, float, float]:
        """P-values of a slowdown beyond the minimum effect, weighed by their shares of the risk."""
        least = math.log1p(MINIMUM_EFFECT)

        def weighed(of: Comparison, share: float, counts: bool = True) -> float:
            counts = counts and (not self.apart or of.apart(least))
            return of.p_value(least) / share if counts else 1.0

        return (
            weighed(self.low, 1.0),
            weighed(self.middle, OTHER_LOOKS_SHARE),
            weighed(self.slow, OTHER_LOOKS_SHARE, self.tail_counts),
        )


def take(
    old: list[Summary],
    fresh: list[Summary],
    settings: DecisionSettings,
    *,
    trimmed: bool,
    apart: bool,
    gpus: Sides | None = None,
) -> Comparisons:
    """Compare low quantile, median and slowest quarter."""
    floor = clock_variance([*old, *fresh], settings.clock_resolution_s)

    def of_all(of: Callable[[Summary], float], factor: float) -> Comparison:
        extra = fewer_samples_variance(old, fresh, factor)
        return compare_statistic(
            [of(s) for s in old], [of(s) for s in fresh], settings, floor, extra, trimmed, gpus
        )

    # Large-sample variances for unit normal samples: q (1 - q) / density**2 for a quantile; for the
    # slowest quarter that of a tail mean.
    return Comparisons(
        of_all(lambda s: s.low, 2.92),
        of_all(lambda s: s.middle, math.pi / 2),
        of_all(lambda s: s.slow, 2.03),
        tail_counts=min(len(old), len(fresh)) >= MINIMUM_SESSIONS
        and min(s.samples for s in (*old, *fresh)) >= TAIL_SAMPLES,
        apart=apart,
    )
