"""What a history suggests: steps, and slow drift, each as two nights for an A/B to decide between."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from perfsuite.decision.changes.keeping import keep, visible
from perfsuite.decision.changes.segments import cut
from perfsuite.decision.changes.settings import NOMINATOR, RETROSPECTIVE, RULE
from perfsuite.records.history import Nomination, Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray

    from perfsuite.decision.changes.segments import Cut
    from perfsuite.decision.changes.settings import Settings
    from perfsuite.decision.parameters import Prior
    from perfsuite.records.history import Point, Series

RECENT = 60
"""Nights after which a step is no longer nominated: package indexes keep so many, and an A/B needs both sides."""
DRIFT_NIGHTS = 5
"""Of the levels that drift is told between."""
DRIFT_PENALTY = 2.0
"""How much more must be gained than by a step: the best of several levels is the best by luck as well."""
NEAR = 5
"""Nights by which a rule may misplace a change."""


def nominate(
    series: Series,
    points: Sequence[Point],
    epochs: Sequence[str],
    accepted: Sequence[str],
    prior: Prior,
    settings: Settings = NOMINATOR,
) -> list[Nomination]:
    """Return what is worth an A/B on the latest night: recent steps, and drift since the last accepted level.

    Args:
        series: noisy.
        points: in order of time; excluded ones and those that are not positive and finite have no weight.
        epochs: first nights of epochs: a new level there needs no A/B.
        accepted: first nights of levels that were accepted.
        prior: of the spread between nights.
        settings: how much a change must bring.
    """
    fit = fit_points(points)[-settings.window :] if settings.window else fit_points(points)
    if not fit:
        return []
    nights = [p.night for p in fit]
    whole = _whole(fit, epochs, prior, settings)
    base = max((_place(nights, night) for night in accepted), default=0)
    found = found_in(whole, base, settings, higher_is_better=series.higher_is_better)
    near = [_place(nights, night) for night in accepted]
    return [
        _nomination(whole, nights, shape, low, high)
        for shape, low, high in found
        if shape is Shape.DRIFT or all(abs(high[0] - place) > NEAR for place in near)
    ]


def changes(
    series: Series,
    points: Sequence[Point],
    epochs: Sequence[str],
    prior: Prior,
    settings: Settings = RETROSPECTIVE,
) -> list[Nomination]:
    """Return the steps that a person would see in the whole history.

    Args:
        series: noisy.
        points: as for `nominate`.
        epochs: first nights of epochs.
        prior: of the spread between nights.
        settings: how much a change must bring.
    """
    fit = fit_points(points)
    if not fit:
        return []
    nights = [p.night for p in fit]
    whole = keep(_whole(fit, epochs, prior, settings), settings)
    found = []
    for start in whole.changes():
        before, end = whole.bounds(start)
        found.append(_nomination(whole, nights, Shape.STEP, (before, start), (start, end)))
    return found


def fit_points(points: Sequence[Point]) -> list[Point]:
    """Those that have weight, by night."""
    fit = [p for p in points if not p.excluded and math.isfinite(p.value) and p.value > 0]
    return sorted(fit, key=lambda p: p.night)


Stretch = tuple[int, int]
"""First night and end."""


def found_in(
    whole: Cut, base: int, settings: Settings, *, higher_is_better: bool
) -> list[tuple[Shape, Stretch, Stretch]]:
    """Return each nomination as its shape, the level before and the level after."""
    steps = [s for s in whole.changes() if visible(whole, s, settings)]
    found: list[tuple[Shape, Stretch, Stretch]] = []
    for start in steps:
        if len(whole.values) - start > RECENT:
            continue
        before, end = whole.bounds(start)
        found.append((Shape.STEP, (before, start), (start, end)))
    drift = _drift(whole, steps, base, settings, higher_is_better=higher_is_better)
    return found if drift is None else [*found, (Shape.DRIFT, *drift)]


def _drift(
    whole: Cut, steps: Sequence[int], base: int, settings: Settings, *, higher_is_better: bool
) -> tuple[Stretch, Stretch] | None:
    """Return the best level since the base, and the latest, where that is worse by more than the steps between."""
    base = max([base, *(r for r in whole.restarts if r < len(whole.values))], default=0)
    stretches = [s for s in whole.stretches() if s[1] - s[0] >= DRIFT_NIGHTS and s[0] >= base]
    if len(stretches) < 2 or stretches[-1][1] < len(whole.values):
        return None
    *earlier, latest = stretches
    sign = -1.0 if higher_is_better else 1.0
    best = min(earlier, key=lambda stretch: sign * whole.level(*stretch))
    between = sum(max(sign * whole.size(s), 0.0) for s in steps if best[1] <= s <= latest[0])
    worse = sign * (whole.level(*latest) - whole.level(*best)) - between
    error = math.hypot(whole.error(*best), whole.error(*latest))
    clear = (worse / error) ** 2 >= DRIFT_PENALTY * settings.penalty
    large = worse >= settings.visible * whole.reach(whole.residuals(latest[0]))
    return (best, latest) if worse > 0 and clear and large else None


def _nomination(whole: Cut, nights: Sequence[str], shape: Shape, low: Stretch, high: Stretch) -> Nomination:
    first = nights[high[0]]
    # Of two runs in one night the change may lie between: the night before is the last that is surely good.
    last = next((n for n in reversed(nights[: low[1]]) if n < first), nights[low[0]])
    shift, error = whole.level(*high) - whole.level(*low), math.hypot(whole.error(*low), whole.error(*high))
    return Nomination(
        shape, last, first, math.exp(whole.level(*low)), math.exp(whole.level(*high)),
        whole.interval(low, high), abs(shift) / error, RULE,
    )  # fmt: skip


def _whole(fit: Sequence[Point], epochs: Sequence[str], prior: Prior, settings: Settings) -> Cut:
    values: NDArray[float64] = np.log([p.value for p in fit])
    errors = np.array([math.nan if p.error is None else p.error for p in fit])
    nights = [p.night for p in fit]
    restarts = sorted({_place(nights, night) for night in epochs} - {0, len(nights)})
    return cut(values[None], prior, settings, errors[None], restarts).one(0, settings, prior)


def _place(nights: Sequence[str], night: str) -> int:
    """Of the first night from that one on."""
    return next((i for i, n in enumerate(nights) if n >= night), len(nights))
