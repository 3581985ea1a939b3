"""Summaries to figures: one prediction interval a comparison, in log time, where a slowdown is a
shift."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING

from perfsuite.decision.summaries import quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.decision.gpus import Added, Sides
    from perfsuite.decision.parameters import DecisionSettings
    from perfsuite.decision.summaries import Summary

ENOUGH_DF = 6
"""Degrees of freedom from which on the measured spread stands alone (five sessions a side): devices of
one class differ by more than a prior knows."""
LEAST_TRIMMED = 3
"""Sessions a side from which on a slow one may be odd."""
LEAST_SD = 0.001
"""Of the log latency between sessions, however equal a few of them look."""
_LARGEST_T = 64.0
_LARGEST_EXPONENT = 700.0  # math.exp overflows at 709.8


@dataclass(frozen=True)
class Comparison:
    """The shift of one statistic from baseline to candidate, in log time, and how well it is known."""

    differences: Sequence[float]
    """Of every candidate session to every baseline session, ascending; their median is the shift."""
    error: float
    """Standard error of the shift, from the spread of the sessions."""
    margin: float
    """What a limit adds to the order of the differences, per unit of Student's t."""
    reach: float
    """How far into the differences a limit goes, in their standard deviations per unit of Student's t."""
    df: float
    gpus: Added | None = None
    """What of the error is GPUs that differ; None where they do not."""

    @property
    def shift(self) -> float:
        """The median difference (Hodges and Lehmann's estimate): a lone odd session does not move it."""
        return quantile(self.differences, 0.5)

    def lower(self, risk: float) -> float:
        """Limit below which the true shift lies with probability ``risk``."""
        return self._limit(tail_quantile(risk, self.df))

    def upper(self, risk: float) -> float:
        """Limit above which the true shift lies with probability ``risk``."""
        return self._limit(-tail_quantile(risk, self.df))

    def apart(self, least: float) -> bool:
        """Tell whether nearly every candidate session is slower than every baseline one, by over ``least``.

        Of 20 differences all, of more all but a twentieth: one odd session among many hides nothing.
        """
        return self.differences[(len(self.differences) - 1) // 20] > least

    def p_value(self, least: float) -> float:
        """Return the least risk at which the lower limit is above ``least``, by bisection."""
        from scipy.special import stdtr

        below, above = -_LARGEST_T, _LARGEST_T
        while above - below > 1e-2:
            t = (below + above) / 2
            below, above = (t, above) if self._limit(t) > least else (below, t)
        return float(stdtr(self.df, -below))

    def _limit(self, t: float) -> float:
        share = 0.5 * math.erfc(t * self.reach / math.sqrt(2))
        return linear(self.differences, share) - t * self.margin


def tail_quantile(risk: float, df: float) -> float:
    """Return what Student's t exceeds with probability ``risk``; ``df`` need not be whole."""
    from scipy.special import stdtrit  # some 50 times faster than scipy.stats.t.ppf

    return -float(stdtrit(df, risk))


def exp(log_value: float) -> float:
    """Return e to the power of a log time or log ratio, never infinite and never zero."""
    return math.exp(min(max(log_value, -_LARGEST_EXPONENT), _LARGEST_EXPONENT))


def linear(ordered: Sequence[float], share: float) -> float:
    """Return the value at a share of the way from the first to the last of ascending values."""
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (position - below) * (ordered[above] - ordered[below]))


def squares(values: Sequence[float], trimmed: bool = True) -> tuple[float, int]:
    """Return the sum of squares of one side and its degrees of freedom.

    Noise comes on top: of five sessions or more the slowest fifth is left out, and the rest scaled up
    to what it would be for normal values (by simulation).
    """
    left_out = len(values) // 5 if trimmed else 0
    kept = sorted(values)[: len(values) - left_out]
    mean = fmean(kept)
    # The variance of the kept, of unit normal ones: .66 for 5 sessions, .75 for 9, .61 for 20.
    factor = 1 - 0.2 * (5 * left_out / len(values)) ** (2 / 3) * (2.085 - 2 / len(values))
    return sum((value - mean) ** 2 for value in kept) / factor, len(kept) - 1


def between_variance(
    sides: Sequence[Sequence[float]], settings: DecisionSettings, trimmed: bool = True
) -> tuple[float, float, float]:
    """Return variance between sessions, its degrees of freedom, and the share of them that was measured.

    The posterior of a normal variance under a scaled inverse chi-squared prior (Gelman et al.,
    "Bayesian Data Analysis", 3rd ed., section 3.3): ``(df0 * sd0**2 + sum of squares) / (df0 + dof)``,
    where the prior's df0 falls to none at `ENOUGH_DF` measured ones. The sides, or their GPUs, have means of
    their own and share the variance; one session has no sum of squares.
    """
    taken = [squares(side, trimmed) for side in sides]
    dof = sum(each[1] for each in taken)
    believed = settings.prior_df * max(0.0, 1 - dof / ENOUGH_DF)
    df = believed + dof
    variance = (believed * settings.prior_sd**2 + sum(each[0] for each in taken)) / df
    return max(variance, LEAST_SD**2), df, dof / df


def compare_statistic(
    baseline: Sequence[float],
    candidate: Sequence[float],
    settings: DecisionSettings,
    least_variance: float = 0.0,
    extra_variance: float = 0.0,
    trimmed: bool = True,
    gpus: Sides | None = None,
) -> Comparison:
    """Compare one statistic of the sessions, in the log of seconds.

    A limit is ``t * sd * sqrt(1/k + 1/m)`` from the shift for k new sessions and m old ones, as of a
    prediction interval. Half of the way is gone in the ordered differences instead: the quantile that
    lies there for normal sessions. So one slow session of a side costs little. Where the spread is
    believed and not measured, the whole way is added, for the differences do not know it.

    Args:
        baseline: the statistic of each baseline session.
        candidate: the statistic of each candidate session.
        settings: the prior.
        least_variance: floor of the variance between sessions.
        extra_variance: what the candidate's fewer samples add.
        trimmed: without the slowest sessions, and halved as said; False for sessions in modes.
        gpus: which the sessions are of; None where all are of one.
    """
    import numpy as np

    # With one new session or two, nothing tells a slow session from slow code.
    trimmed = trimmed and min(len(baseline), len(candidate)) >= LEAST_TRIMMED
    groups = gpus.groups(baseline, candidate) if gpus else [baseline, candidate]
    variance, df, measured = between_variance(groups, settings, trimmed)
    share = 1 / len(baseline) + 1 / len(candidate)
    differing = gpus.added(baseline, candidate, variance, settings) if gpus else None
    if differing is not None:
        df = differing.freedom(max(variance, least_variance) * share + extra_variance, df)
        extra_variance += differing.variance
    added = 1 - measured / 2 if trimmed else 1.0
    return Comparison(
        # A list: single numbers of an array are slow to take.
        differences=np.sort(np.subtract.outer(candidate, baseline), axis=None).tolist(),
        error=math.sqrt(max(variance, least_variance) * share + extra_variance),
        margin=math.sqrt(max(added**2 * variance, least_variance) * share + extra_variance),
        # Differences of two sessions have twice the variance.
        reach=math.sqrt(share) / 2 / math.sqrt(2),
        df=df,
        gpus=differing,
    )


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
    excess = fmean(1 / s.samples for s in candidate) - fmean(1 / s.samples for s in baseline)
    spreads = [s.spread for s in (*baseline, *candidate) if s.spread is not None]
    if excess <= 0 or not spreads:
        return 0.0
    return factor * median(spreads) ** 2 * excess / len(candidate)
