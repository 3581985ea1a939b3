"""Sessions to figures: one summary a session, and one prediction interval a look at them.

Everything is in log time, where a slowdown is a shift and equal ratios weigh alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray

    from perfsuite.decision.settings import DecisionSettings

LOW_QUANTILE = 0.1
_LARGEST_EXPONENT = 700.0  # math.exp overflows at 709.8


@dataclass(frozen=True)
class Summary:
    """One session, in the log of seconds."""

    low: float
    """The 10 % quantile: what the code costs when little disturbs it."""
    middle: float
    """The median."""
    slow: float
    """Mean of the slowest quarter of the samples."""
    spread: float | None
    """Standard deviation between the samples; None for a single one."""
    count: int


@dataclass(frozen=True)
class Look:
    """The shift of one statistic from baseline to candidate, in log time, and how well it is known."""

    shift: float
    error: float
    """Standard error, of the baseline's mean and of the candidate together."""
    df: float

    def lower(self, risk: float) -> float:
        """Limit below which the true shift lies with probability ``risk``."""
        return self.shift - tail_quantile(risk, self.df) * self.error

    def upper(self, risk: float) -> float:
        """Limit above which the true shift lies with probability ``risk``."""
        return self.shift + tail_quantile(risk, self.df) * self.error


def tail_quantile(risk: float, df: float) -> float:
    """Return what Student's t exceeds with probability ``risk``; ``df`` need not be whole."""
    from scipy.special import stdtrit  # some 50 times faster than scipy.stats.t.ppf

    return -float(stdtrit(df, risk))


def exp(log_value: float) -> float:
    """Return e to the power of a log time or log ratio, never infinite and never zero."""
    return math.exp(min(max(log_value, -_LARGEST_EXPONENT), _LARGEST_EXPONENT))


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
    return [summarize(session, f"{side} session {i}") for i, session in enumerate(sessions)]


def summarize(latency_s: Sequence[float], name: str) -> Summary:
    """Summarize one session of latencies in seconds.

    Raises:
        ValueError: as in `summarize_side`; ``name`` opens the message.
    """
    import numpy as np

    samples: NDArray[float64] = np.asarray(latency_s, dtype=float)
    if samples.ndim != 1:
        raise ValueError(f"{name}: expected a flat sequence of seconds, got {samples.ndim} dimensions")
    if samples.size == 0:
        raise ValueError(f"{name}: no samples")
    bad = np.flatnonzero(~(np.isfinite(samples) & (samples > 0)))
    if bad.size:
        where = int(bad[0])
        value = float(samples[where])
        raise ValueError(f"{name}, sample {where}: {value} is not a positive, finite number of seconds")
    logs = np.sort(np.log(samples))
    slowest = -(-logs.size // 4)
    return Summary(
        low=quantile(logs, LOW_QUANTILE),
        middle=quantile(logs, 0.5),
        slow=float(logs[-slowest:].mean()),
        spread=float(logs.std(ddof=1)) if logs.size > 1 else None,
        count=logs.size,
    )


def quantile(ordered: NDArray[float64], probability: float) -> float:
    """Return a quantile of ascending values that is about median-unbiased for any distribution.

    Type 8 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American Statistician
    50 (1996): sessions of unlike length stay comparable. By hand because `numpy.quantile` takes most
    of a comparison's time for short sessions.
    """
    position = (len(ordered) + 1 / 3) * probability + 1 / 3 - 1
    position = min(max(position, 0.0), len(ordered) - 1.0)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (position - below) * (ordered[above] - ordered[below]))


def between_variance(sides: Sequence[Sequence[float]], settings: DecisionSettings) -> tuple[float, float]:
    """Return variance between sessions and its degrees of freedom, shrunk to the prior.

    The posterior of a normal variance under a scaled inverse chi-squared prior (Gelman et al.,
    "Bayesian Data Analysis", 3rd ed., section 3.3): ``(df0 * sd0**2 + sum of squares) / (df0 + dof)``.
    The sides have means of their own and share the variance; one session has no sum of squares.
    """
    squares = sum((value - mean) ** 2 for side in sides for mean in [fmean(side)] for value in side)
    dof = sum(len(side) - 1 for side in sides)
    df = settings.prior_df + dof
    return (settings.prior_df * settings.prior_sd**2 + squares) / df, df


def look(
    baseline: Sequence[float],
    candidate: Sequence[float],
    settings: DecisionSettings,
    least_variance: float = 0.0,
    extra_variance: float = 0.0,
) -> Look:
    """Compare one statistic of the sessions, in the log of seconds.

    The prediction interval of the mean of k new sessions given m old ones: the error is the standard
    deviation between sessions times ``sqrt(1/k + 1/m)``, its quantiles are Student's.

    Args:
        baseline: the statistic of each baseline session.
        candidate: the statistic of each candidate session.
        settings: the prior.
        least_variance: floor of the variance between sessions.
        extra_variance: what the candidate's fewer samples add.
    """
    variance, df = between_variance([baseline, candidate], settings)
    share = 1 / len(baseline) + 1 / len(candidate)
    error = math.sqrt(max(variance, least_variance) * share + extra_variance)
    return Look(fmean(candidate) - fmean(baseline), error, df)


def clock_variance(sessions: Sequence[Summary], resolution_s: float) -> float:
    """Return the variance that rounding to the clock's steps adds to the log of a latency.

    A rounding error is uniform over one step, whose variance is ``step**2 / 12``; a latency is taken
    to be one step at least.
    """
    typical_s = exp(fmean(s.middle for s in sessions))
    return min(resolution_s / typical_s, 1.0) ** 2 / 12


def fewer_samples_variance(baseline: Sequence[Summary], candidate: Sequence[Summary], factor: float) -> float:
    """Return what a candidate with fewer samples a session varies more than the baseline does.

    The variance between baseline sessions holds the sampling error of their own length; a shorter
    candidate session adds ``factor * spread**2 * (1/n_candidate - 1/n_baseline)``.

    Args:
        baseline: its sessions.
        candidate: its sessions.
        factor: large-sample variance of the statistic for unit normal samples, times their number.
    """
    excess = fmean(1 / s.count for s in candidate) - fmean(1 / s.count for s in baseline)
    spreads = [s.spread for s in (*baseline, *candidate) if s.spread is not None]
    if excess <= 0 or not spreads:
        return 0.0
    return factor * median(spreads) ** 2 * excess / len(candidate)
