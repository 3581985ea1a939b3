"""A history as levels, for whoever shows it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from perfsuite.decision.changes.keeping import keep
from perfsuite.decision.changes.noise import LEAST_SD
from perfsuite.decision.changes.segments import CONFIDENCE, cut
from perfsuite.decision.changes.settings import NOMINATOR
from perfsuite.records.history import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray

    from perfsuite.decision.changes.settings import Settings
    from perfsuite.decision.parameters import Prior


@dataclass(frozen=True)
class Segmentation:
    """A history as levels."""

    levels: tuple[Level, ...]
    boundaries: tuple[int, ...]
    """Nights, by place, that begin a level which no event explains."""
    noise: float
    """Standard deviation of a night about its level, in logs."""
    autocorrelation: float


def segment(
    nights: Sequence[str],
    values: NDArray[float64],
    errors: NDArray[float64] | None,
    epochs: Sequence[int],
    prior: Prior,
    settings: Settings = NOMINATOR,
) -> Segmentation:
    """Cut a history into levels.

    Args:
        nights: of the values, in order of time.
        values: positive and finite, in the series' unit.
        errors: standard error of each value's logarithm; NaN where unknown.
        epochs: places that begin an epoch.
        prior: of the spread between nights.
        settings: how much a change must bring.

    Raises:
        ValueError: a value that is not positive and finite, or lengths that differ.
    """
    values = np.asarray(values, dtype=float)
    if len(nights) != len(values) or (errors is not None and len(errors) != len(values)):
        raise ValueError(f"{len(nights)} nights, {len(values)} values: give one value, and error, a night")
    if not (np.isfinite(values) & (values > 0)).all():
        raise ValueError("values must be positive and finite; exclude the others")
    if not len(values):
        return Segmentation((), (), prior.sd, 0.0)
    row = None if errors is None else np.asarray(errors, dtype=float)[None]
    whole = keep(cut(np.log(values)[None], prior, settings, row, epochs).one(0, settings, prior), settings)
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    levels = []
    for start, end in whole.stretches():
        level, margin = whole.level(start, end), z * whole.error(start, end)
        limits = (math.exp(level - margin), math.exp(level + margin))
        levels.append(Level(nights[start], nights[end - 1], math.exp(level), limits))
    return Segmentation(
        tuple(levels), tuple(whole.changes()), max(whole.noise_sd, LEAST_SD), whole.autocorrelation
    )
