"""A history cut into levels, with what each change brings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from perfsuite.decision.changes.noise import LEAST_SD, Noise, noise
from perfsuite.decision.changes.partition import boundaries, candidates, distances, partition
from perfsuite.decision.changes.settings import NOMINATOR
from perfsuite.records.history import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64, intp
    from numpy.typing import NDArray

    from perfsuite.decision.changes.settings import Settings
    from perfsuite.decision.parameters import Prior

CONFIDENCE = 0.95
"""Of the interval of a level, and of a change over all places that it could have been found at."""
MEDIAN_LOSS = 1.25
"""Standard error of a median in units of a mean's, of normal noise."""
_SHARE = 0.9
"""Of the nights of the past that lie nearer to their level than what is called visible."""
_RARE = 0.98
"""Of the stretches of the past that lie nearer than what is called unusual."""
_LONGEST_EXCURSION = 8
"""Nights of such a stretch, at most."""
_INFORMATION = 0.3
"""Degrees of freedom that a night brings to these distances."""
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Windows:
    """Stretches of history, one a row, cut by the cheapest partition."""

    values: NDArray[float64]
    """Logs; NaN where there is no night."""
    sd: NDArray[float64]
    """Of each night: the noise, or its own error where that is larger."""
    noise: Noise
    levels: NDArray[float64]
    began: NDArray[intp]
    """By number of nights and window: where the last level of the best partition of so many begins."""
    restarts: tuple[int, ...]

    def one(self, row: int, settings: Settings, prior: Prior) -> Cut:
        """The partition of one window."""
        at = boundaries(self.began[:, row])
        return Cut(self, row, at, settings, prior)


def cut(
    values: NDArray[float64],
    prior: Prior,
    settings: Settings,
    errors: NDArray[float64] | None = None,
    restarts: Sequence[int] = (),
) -> Windows:
    """Cut each row of logs into levels."""
    scatter = noise(values, prior)
    sd = np.broadcast_to(scatter.sd[:, None], values.shape)
    if errors is not None:
        # Not finite: unknown, so nothing is added.
        sd = np.fmax(sd, errors)
    levels = candidates(values, scatter.sd)
    began = partition(
        values, levels, sd, settings.penalty * scatter.inflation,
        least=settings.least, cap=settings.cap, restarts=restarts,
    )  # fmt: skip
    return Windows(values, sd, scatter, levels, began, tuple(restarts))


class Cut:
    """The levels of one window, and the contrasts between them."""

    def __init__(
        self, windows: Windows, row: int, starts: Sequence[int], settings: Settings, prior: Prior
    ) -> None:
        self.values = windows.values[row]
        self.sd = windows.sd[row]
        self.noise_sd = float(windows.noise.sd[row])
        self.inflation = float(windows.noise.inflation[row])
        self.autocorrelation = float(windows.noise.autocorrelation[row])
        self.starts = list(starts)
        self.restarts = windows.restarts
        self._levels = windows.levels[row]
        self._settings, self._prior = settings, prior
        self.first = int(np.isfinite(self.values).argmax())
        """The first night that there is."""

    def changes(self) -> list[int]:
        """Where a level begins that no event explains."""
        return [s for s in self.starts if s not in self.restarts and s > self.first]

    def bounds(self, start: int) -> tuple[int, int]:
        """Where the level before that one begins, and where that one ends."""
        place = self.starts.index(start)
        before = self.starts[place - 1] if place else self.first
        after = self.starts[place + 1] if place + 1 < len(self.starts) else len(self.values)
        return max(before, self.first), after

    def stretches(self) -> list[tuple[int, int]]:
        """First night and end of each level."""
        edges = [self.first, *(s for s in self.starts if s > self.first), len(self.values)]
        return list(zip(edges[:-1], edges[1:], strict=True))

    def level(self, start: int, end: int) -> float:
        """The median of a stretch, each night weighing as its own error lets it."""
        values, weights = self.values[start:end], self.sd[start:end] ** -2.0
        order = np.argsort(values)
        total = np.cumsum(weights[order])
        # The mean of the two in the middle, where they weigh the same.
        low = np.searchsorted(total, total[-1] / 2 * (1 - 1e-9))
        high = min(int(np.searchsorted(total, total[-1] / 2 * (1 + 1e-9))), len(values) - 1)
        return float(values[order[low]] + values[order[high]]) / 2

    def error(self, start: int, end: int) -> float:
        """Standard error of that level."""
        return MEDIAN_LOSS * self.inflation * float((self.sd[start:end] ** -2.0).sum() ** -0.5)

    def gain(self, before: int, start: int, end: int) -> float:
        """How much of the costs vanishes with a change there."""
        costs = distances(self.values[before:end], self._levels, self.sd[before:end], self._settings.cap)
        split = start - before
        return float(costs.sum(0).min() - costs[:split].sum(0).min() - costs[split:].sum(0).min())

    def residuals(self, end: int) -> NDArray[float64]:
        """What all nights before that one lie off their levels."""
        parts = [self.values[a:b] - self.level(a, b) for a, b in self.stretches() if b <= end]
        return np.concatenate(parts) if parts else np.empty(0)

    def reach(self, past: NDArray[float64]) -> float:
        """What one night in ten lies beyond."""
        return self._drawn(np.abs(past), _SHARE, _NORMAL.inv_cdf((1 + _SHARE) / 2))

    def excursion(self, past: NDArray[float64], nights: int) -> float:
        """What one in fifty stretches of so many nights lies beyond: this series' own chance of a change."""
        nights = min(nights, _LONGEST_EXCURSION, len(past))
        if not nights:
            return 0.0
        stretches = np.lib.stride_tricks.sliding_window_view(past, nights)
        middles = np.partition(stretches, nights // 2, axis=1)[:, nights // 2]
        normal = _NORMAL.inv_cdf((1 + _RARE) / 2) * MEDIAN_LOSS / math.sqrt(nights)
        return self._drawn(np.abs(middles), _RARE, normal)

    def _drawn(self, distances: NDArray[float64], share: float, normal: float) -> float:
        """A quantile, drawn towards what is believed of the device's class where nights are few."""
        weight = _INFORMATION * len(distances)
        own = float(np.quantile(distances, share)) if len(distances) else 0.0
        believed = self._prior.df * (normal * self._prior.sd) ** 2
        return math.sqrt((believed + weight * own**2) / (self._prior.df + weight))

    def size(self, start: int) -> float:
        """From the level before to that one, in logs."""
        before, end = self.bounds(start)
        return self.level(start, end) - self.level(before, start)

    def interval(self, low: tuple[int, int], high: tuple[int, int]) -> tuple[float, float]:
        """Of the second stretch over the first, for whichever of the places the change was found at."""
        shift = self.level(*high) - self.level(*low)
        places = max(1, len(self.values) - self.first)
        widths = _NORMAL.inv_cdf(1 - (1 - CONFIDENCE) / 2 / places)
        margin = widths * math.hypot(self.error(*low), self.error(*high))
        return math.exp(shift - margin), math.exp(shift + margin)


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
    from perfsuite.decision.changes.keeping import keep

    values = np.asarray(values, dtype=float)
    if len(nights) != len(values) or (errors is not None and len(errors) != len(values)):
        raise ValueError(f"{len(nights)} nights, {len(values)} values: give one value, and error, a night")
    if not (np.isfinite(values) & (values > 0)).all():
        raise ValueError("values must be positive and finite; exclude the others")
    if not len(values):
        return Segmentation((), (), prior.sd, 0.0)
    row = None if errors is None else np.asarray(errors, dtype=float)[None]
    whole = keep(cut(np.log(values)[None], prior, settings, row, epochs).one(0, settings, prior), settings)
    z = _NORMAL.inv_cdf((1 + CONFIDENCE) / 2)
    levels = []
    for start, end in whole.stretches():
        level, margin = whole.level(start, end), z * whole.error(start, end)
        limits = (math.exp(level - margin), math.exp(level + margin))
        levels.append(Level(nights[start], nights[end - 1], math.exp(level), limits))
    return Segmentation(tuple(levels), tuple(whole.changes()), max(whole.noise_sd, LEAST_SD), whole.autocorrelation)
