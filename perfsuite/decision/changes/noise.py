"""How far nights scatter about their level, and how much neighbours resemble each other.

Both come from differences between neighbours: a change of level touches one difference of each kind, so the
spread carries over it, and medians of them do not see it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from perfsuite.decision.changes.settings import AUTOCORRELATION, AUTOCORRELATION_NIGHTS

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from perfsuite.decision.parameters import Prior

_TO_SD = 1.4826
"""A normal variable's standard deviation in units of its median distance from zero."""
_INFORMATION = 0.3
"""Degrees of freedom that one night brings to a variance by medians of differences."""
_UNSURE = 0.25
"""What the autocorrelation of 60 independent nights is estimated as, at worst (two standard errors)."""
_MOST = 0.8
"""Autocorrelation beyond which nothing can be told from noise."""
LEAST_SD = 1e-6
"""In logs; what does not scatter at all would make every difference infinitely clear."""


class Noise(NamedTuple):
    """Of each window: one value a row."""

    sd: NDArray[float64]
    """Standard deviation of a night about its level, in logs."""
    autocorrelation: NDArray[float64]
    """Between neighbouring nights; never below zero."""

    @property
    def inflation(self) -> NDArray[float64]:
        """By how much autocorrelation widens the mean of many nights, beyond what its estimate may err by."""
        alike = np.maximum(self.autocorrelation - _UNSURE, 0.0)
        return np.sqrt((1 + alike) / (1 - alike))


def noise(values: NDArray[float64], prior: Prior) -> Noise:
    """Estimate the noise of each row of logs, drawn towards what is believed of the device's class.

    Args:
        values: one window a row; NaN where there is no night.
        prior: of the spread between nights.
    """
    nights = np.isfinite(values).sum(axis=1)
    steps = _variance(values, 1)
    believed = prior.sd**2 * (1 - AUTOCORRELATION)
    near = (prior.df * believed + _INFORMATION * nights * steps) / (prior.df + _INFORMATION * nights)
    measured = np.clip(_variance(values, 2) / np.maximum(steps, LEAST_SD**2) - 1, -_MOST, _MOST)
    alike = (AUTOCORRELATION_NIGHTS * AUTOCORRELATION + nights * measured) / (AUTOCORRELATION_NIGHTS + nights)
    alike = np.clip(alike, 0.0, _MOST)
    return Noise(np.maximum(np.sqrt(near / (1 - alike)), LEAST_SD), alike)


def _variance(values: NDArray[float64], lag: int) -> NDArray[float64]:
    """Half the squared typical difference of nights so far apart: the variogram, by medians."""
    if values.shape[1] <= lag:
        return np.zeros(len(values))
    apart = np.abs(values[:, lag:] - values[:, :-lag])
    return (_TO_SD * median(apart)) ** 2 / 2


def median(rows: NDArray[float64]) -> NDArray[float64]:
    """Median of what is finite in each row; 0 where nothing is."""
    ordered = np.sort(rows, axis=1)  # NaN last
    count = np.isfinite(rows).sum(axis=1)
    row = np.arange(len(rows))
    middle = (ordered[row, np.maximum(count - 1, 0) // 2] + ordered[row, np.minimum(count // 2, rows.shape[1] - 1)]) / 2
    return np.where(count > 0, middle, 0.0)
