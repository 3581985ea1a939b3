"""Where the levels of a history begin: the cheapest partition, by a dynamic programme over levels.

Each night costs its squared distance from its level in units of the noise, at most the cap squared: a spike
costs no more than that wherever the level is, and so moves nothing (Fearnhead and Rigaill, "Changepoint
detection in the presence of outliers", Journal of the American Statistical Association 114 (2019)). A change
costs the penalty. The levels to choose from are running medians of the history itself, so a step of the
programme is a handful of operations on one small array, for many windows at once.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64, intp
    from numpy.typing import NDArray

_RUNNING = 5
"""Nights of a running median."""
_NEWEST = 4
"""Latest nights whose own values and means of two are levels too: a new level may be so short."""
_FINENESS = 4.0
"""Levels to a standard deviation."""
_MOST_LEVELS = 192


def distances(
    values: NDArray[float64], levels: NDArray[float64], sd: NDArray[float64], cap: float
) -> NDArray[float64]:
    """Cost of each night (row of windows) at each level; nothing where there is no night."""
    costs = np.minimum(((values[..., None] - levels) / sd[..., None]) ** 2, cap**2)
    costs[np.isnan(values)] = 0.0
    return costs


def candidates(values: NDArray[float64], sd: NDArray[float64]) -> NDArray[float64]:
    """Levels to choose from, of each window: sorted, none twice but at the end."""
    tail = values[:, -_NEWEST:]
    found = [tail, (tail[:, 1:] + tail[:, :-1]) / 2, values[:, :2]]
    if values.shape[1] >= _RUNNING:
        views = np.lib.stride_tricks.sliding_window_view(values, _RUNNING, axis=1)
        found.append(np.partition(views, _RUNNING // 2, axis=2)[..., _RUNNING // 2])
    ordered = np.sort(np.concatenate(found, axis=1), axis=1)
    coarse = np.floor(ordered * (_FINENESS / sd[:, None]))
    distinct = np.isfinite(ordered)
    distinct[:, 1:] &= coarse[:, 1:] != coarse[:, :-1]
    count = distinct.sum(axis=1)
    first = np.argsort(~distinct, axis=1, kind="stable")
    size = min(max(int(count.max()), 1), _MOST_LEVELS)
    # Evenly among them where there are too many; the last again where there are too few.
    pick = np.arange(size)[None, :] * np.maximum(count / size, 1.0)[:, None]
    pick = np.minimum(pick.astype(int), np.maximum(count - 1, 0)[:, None])
    return np.take_along_axis(ordered, np.take_along_axis(first, pick, axis=1), axis=1)


def partition(
    values: NDArray[float64],
    levels: NDArray[float64],
    sd: NDArray[float64],
    penalty: NDArray[float64],
    *,
    least: int,
    cap: float,
    restarts: Sequence[int] = (),
) -> NDArray[intp]:
    """Return, for each number of nights and window, where the last level of the cheapest partition begins.

    Args:
        values: logs, one window a row; NaN where there is no night.
        levels: of each window, from `candidates`.
        sd: standard deviation of a night; of each window, or of each night in it.
        penalty: of a change, of each window.
        least: nights of a level.
        cap: distance beyond which a night counts no more, in standard deviations.
        restarts: nights that begin an epoch: a new level for nothing.
    """
    windows, nights = values.shape
    sd = np.broadcast_to(sd[:, None] if sd.ndim == 1 else sd, values.shape)
    cheapest = np.zeros((nights + 1, windows))
    cheapest[0] = -penalty
    began = np.zeros((nights + 1, windows), dtype=np.intp)
    cost = np.zeros(levels.shape)
    start = np.zeros(levels.shape, dtype=np.intp)
    row = np.arange(windows)
    recent: deque[NDArray[float64]] = deque(maxlen=least)
    for night in range(nights):
        if night in restarts and night:
            cost = np.broadcast_to(cheapest[night][:, None], levels.shape).copy()
            start[:] = night
            recent.clear()
        costs = distances(values[:, night], levels, sd[:, night], cap)
        recent.append(costs)
        cost += costs
        first = night + 1 - least
        if len(recent) == least and first > 0:
            anew = sum(recent) + (cheapest[first] + penalty)[:, None]
            better = anew < cost
            np.copyto(cost, anew, where=better)
            start[better] = first
        best = cost.argmin(axis=1)
        cheapest[night + 1] = cost[row, best]
        began[night + 1] = start[row, best]
    return began


def boundaries(began: NDArray[intp]) -> list[int]:
    """Where levels begin in one window, without its first night; ``began`` by number of nights."""
    found = []
    at = int(began[-1])
    while at > 0:
        found.append(at)
        at = int(began[at])
    return found[::-1]
