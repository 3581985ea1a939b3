"""Changes of what is counted: any difference is one, on the night that it appears."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from perfsuite.decision.changes.settings import RULE
from perfsuite.records.history import Nomination, Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records.history import Point, Series


def exact_changes(series: Series, points: Sequence[Point]) -> list[Nomination]:
    """Return every difference between neighbouring nights that count; the last run of a night speaks for it.

    Raises:
        ValueError: the series is not exact.
    """
    if series.kind != "exact":
        raise ValueError(f"{series.name} is {series.kind}: only what is counted changes exactly")
    nights = {p.night: p.value for p in points if not p.excluded and math.isfinite(p.value)}
    return [
        Nomination(Shape.EXACT, last, first, old, new, None, math.inf, RULE)
        for (last, old), (first, new) in pairwise(sorted(nights.items()))
        if old != new
    ]
