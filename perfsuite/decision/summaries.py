"""Sessions to figures: one summary a session, in log time, where equal ratios weigh alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray

LOW_QUANTILE = 0.1


class Summary(NamedTuple):
    """One session, in the log of seconds."""

    low: float
    """The 10 % quantile: what the code costs when little disturbs it."""
    middle: float
    """The median."""
    slow: float
    """Mean of the slowest quarter of the samples."""
    spread: float | None
    """Standard deviation between the samples; None for a single one."""
    samples: int
    """How many."""


def summarize_side(sessions: Sequence[Sequence[float]], side: str) -> list[Summary]:
    """Summarize each session of one side.

    Args:
        sessions: latencies in seconds.
        side: its name in messages, ``baseline`` or ``candidate``.

    Raises:
        ValueError: no session, an empty one, or a sample that is not positive and finite; the message
            names side, session, sample and value.
    """
    if len(sessions) == 0:
        raise ValueError(f"{side}: no sessions")
    return _summarize(sessions, [f"{side} session {i}" for i in range(len(sessions))])


def summarize(latency_s: Sequence[float], name: str) -> Summary:
    """Summarize one session of latencies in seconds.

    Raises:
        ValueError: as in `summarize_side`; ``name`` opens the message.
    """
    return _summarize([latency_s], [name])[0]


def _summarize(sessions: Sequence[Sequence[float]], names: Sequence[str]) -> list[Summary]:
    """Summarize sessions of one length at once: numpy's calls, not its sums, would take the time."""
    import numpy as np

    by_length: dict[int, list[int]] = {}
    arrays: list[NDArray[float64]] = []
    for i, session in enumerate(sessions):
        samples = np.asarray(session, dtype=float)
        if samples.ndim != 1:
            raise ValueError(
                f"{names[i]}: expected a flat sequence of seconds, got {samples.ndim} dimensions"
            )
        if samples.size == 0:
            raise ValueError(f"{names[i]}: no samples")
        arrays.append(samples)
        by_length.setdefault(samples.size, []).append(i)
    found: dict[int, Summary] = {}
    for places in by_length.values():
        table = np.array([arrays[i] for i in places])
        if not (table.min() > 0 and table.max() < math.inf):  # NaN is neither
            _refuse(arrays, names)
        found.update(zip(places, _summarize_table(np.log(table)), strict=True))
    return [found[i] for i in range(len(arrays))]


def _summarize_table(logs: NDArray[float64]) -> list[Summary]:
    """Summarize one session a row; the rows are sorted in place."""
    import numpy as np

    logs.sort(axis=1)
    count = logs.shape[1]
    slowest = -(-count // 4)
    spread: list[float | None] = [None] * len(logs)
    if count > 1:
        # Plain sums: mean() and std() take several times as long.
        apart = logs - logs.sum(axis=1, keepdims=True) / count
        spread = np.sqrt((apart * apart).sum(axis=1) / (count - 1)).tolist()
    columns = (
        _row_quantile(logs, LOW_QUANTILE),
        _row_quantile(logs, 0.5),
        (logs[:, -slowest:].sum(axis=1) / slowest).tolist(),
        spread,
    )
    return [Summary(*row, count) for row in zip(*columns, strict=True)]


def _refuse(arrays: Sequence[NDArray[float64]], names: Sequence[str]) -> None:
    """Raise for the first sample that is not positive and finite."""
    import numpy as np

    for name, samples in zip(names, arrays, strict=True):
        bad = np.flatnonzero(~(np.isfinite(samples) & (samples > 0)))
        if bad.size:
            value = float(samples[bad[0]])
            raise ValueError(f"{name}, sample {bad[0]}: {value} is not a positive, finite number of seconds")


def quantile(ordered: Sequence[float], probability: float) -> float:
    """Return a quantile of ascending values that is about median-unbiased for any distribution.

    Type 8 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American Statistician
    50 (1996): sessions of unlike length stay comparable. By hand because `numpy.quantile` takes most
    of a comparison's time for short sessions.
    """
    below, above, share = _place(len(ordered), probability)
    return float(ordered[below] + share * (ordered[above] - ordered[below]))


def _row_quantile(ordered: NDArray[float64], probability: float) -> list[float]:
    """Do what `quantile` does, for every row."""
    below, above, share = _place(ordered.shape[1], probability)
    found: list[float] = (ordered[:, below] + share * (ordered[:, above] - ordered[:, below])).tolist()
    return found


def _place(count: int, probability: float) -> tuple[int, int, float]:
    """Return the two places among ``count`` that a quantile lies between, and how far on the way."""
    position = (count + 1 / 3) * probability + 1 / 3 - 1
    position = min(max(position, 0.0), count - 1.0)
    below = int(position)
    return below, min(below + 1, count - 1), position - below
