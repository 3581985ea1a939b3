"""The gate: sessions to verdict.

Three looks at the sessions are taken. The **low quantile** is the main one: it is the least disturbed.
The **median** may raise the alarm too, with a fifth of the risk, and must lie within the tolerance for
OK. The **slowest quarter** never raises an alarm, being too noisy, but withholds OK and IMPROVED.

The rule, with r the one-sided risk of the interval (0.025 at a confidence of 0.95):

1. REGRESSED: the ratio is above ``1 + tolerance``, and its lower limit at the risk of an alarm, a fifth
   of r, is above ``1 + MINIMUM_EFFECT``. The stricter limit keeps false alarms below one in 200 even
   where noise dwarfs the minimum effect; sessions with heavy tails come to about one in 100.
2. IMPROVED: the upper limits at that same risk are below ``1 - MINIMUM_EFFECT``.
3. OK: the upper limits at r lie within the tolerance, and there are three baseline sessions or more.
   A change that is certainly slower, but certainly by less than the tolerance, is OK: that much is
   accepted. There is no lower limit, because what is too fast is no slowdown.
4. INCONCLUSIVE: all else, also an interval wholly above 1 that reaches beyond the tolerance while the
   ratio does not, and one that is too close to 1 for an alarm.

So a slowdown beyond the tolerance is called OK with probability r at most, where the prior holds.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import fmean, median, stdev
from typing import TYPE_CHECKING

from perfsuite.decision.settings import DecisionSettings
from perfsuite.decision.statistics import (
    Look,
    Summary,
    clock_variance,
    exp,
    fewer_samples_variance,
    look,
    summarize_side,
    tail_quantile,
)
from perfsuite.decision.wording import change, comparison, percent
from perfsuite.records import Cause, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MINIMUM_EFFECT = 0.01
"""Smaller changes than this are nobody's concern, however certain."""
MINIMUM_SESSIONS = 3
"""With fewer baseline sessions the spread is nearly all prior, and OK is not given."""
ALARM_SHARE = 0.2
"""Risk of an alarm as a share of the interval's one-sided risk, and the median's as a share of that."""
POWER = 0.8
"""Of the minimum detectable effect."""
NOISY = 2.0
"""Standard deviation between or within sessions, in units of the prior's, that is called noisy."""


def compare(
    baseline: Sequence[Sequence[float]],
    candidate: Sequence[Sequence[float]],
    settings: DecisionSettings | None = None,
) -> Verdict:
    """Judge whether the candidate is slower than the baseline.

    Args:
        baseline: stored sessions, each the latencies of one process in seconds.
        candidate: one new session or more, likewise.
        settings: tolerance, confidence and prior; `DecisionSettings.for_device` fits a device class.

    Returns:
        The verdict, with ratio and interval of the look that decided (see the module), never NaN.

    Raises:
        ValueError: an empty side or session, or a sample that is not positive and finite.
    """
    settings = settings or DecisionSettings()
    old, fresh = summarize_side(baseline, "baseline"), summarize_side(candidate, "candidate")
    low, middle, slow = _looks(old, fresh, settings)
    status, by, reason = _decide(low, middle, slow, len(old), settings)
    risk = _risk(settings)
    verdict = Verdict(
        status=status,
        ratio=exp(by.shift),
        interval=(exp(by.lower(risk)), exp(by.upper(risk))),
        confidence=settings.confidence,
        minimum_detectable_effect=_minimum_detectable_effect(low, settings),
        tolerance=settings.tolerance,
        baseline_sessions=len(old),
        candidate_sessions=len(fresh),
        baseline_s=exp(fmean(s.middle for s in old)),
        causes=_causes(status, old, fresh, settings),
    )
    return replace(verdict, detail=comparison(verdict, reason))


def new(detail: str, candidate_sessions: int = 1) -> Verdict:
    """Make the verdict for a benchmark that has no baseline; ``detail`` says what to do about it."""
    return Verdict(status=Status.NEW, candidate_sessions=candidate_sessions, detail=detail)


def incompatible(detail: str, baseline_sessions: int = 0, candidate_sessions: int = 1) -> Verdict:
    """Make the verdict for a baseline of another device or protocol; ``detail`` says what differs."""
    return Verdict(
        status=Status.INCOMPATIBLE,
        baseline_sessions=baseline_sessions,
        candidate_sessions=candidate_sessions,
        detail=detail,
    )


def _risk(settings: DecisionSettings) -> float:
    return (1 - settings.confidence) / 2


def _looks(old: list[Summary], fresh: list[Summary], settings: DecisionSettings) -> tuple[Look, Look, Look]:
    """Compare low quantile, median and slowest quarter."""
    floor = clock_variance([*old, *fresh], settings.clock_resolution_s)

    def take(of: Callable[[Summary], float], factor: float) -> Look:
        extra = fewer_samples_variance(old, fresh, factor)
        return look([of(s) for s in old], [of(s) for s in fresh], settings, floor, extra)

    # Large-sample variances for unit normal samples: q (1 - q) / density**2 for a quantile; for the
    # slowest quarter that of a tail mean.
    return (
        take(lambda s: s.low, 2.92),
        take(lambda s: s.middle, math.pi / 2),
        take(lambda s: s.slow, 2.03),
    )


def _decide(
    low: Look, middle: Look, slow: Look, baseline_sessions: int, settings: DecisionSettings
) -> tuple[Status, Look, str]:
    """Apply the rule of the module; return also the look that decided, and a reason."""
    risk = _risk(settings)
    alarm = risk * ALARM_SHARE
    accepted = math.log1p(settings.tolerance)
    if _alarms(low, alarm, accepted):
        return Status.REGRESSED, low, ""
    if _alarms(middle, alarm * ALARM_SHARE, accepted):
        return Status.REGRESSED, middle, "the median slowed down, the fastest calls less"
    slower = max(low, middle, key=lambda each: each.upper(risk))
    faster = all(each.upper(alarm) < math.log1p(-MINIMUM_EFFECT) for each in (low, middle))
    within = baseline_sessions >= MINIMUM_SESSIONS and slower.upper(risk) <= accepted
    if not (faster or within):
        return Status.INCONCLUSIVE, slower, _why_inconclusive(slower, baseline_sessions, settings)
    # One standard error, not the whole interval: that would withhold half of the true OKs.
    if slow.shift + slow.error > accepted:
        return (
            Status.INCONCLUSIVE,
            slower,
            f"but the slowest quarter of the calls is {change(exp(slow.shift))}",
        )
    if faster:
        return Status.IMPROVED, slower, ""
    return Status.OK, slower, f"within the tolerance of {percent(settings.tolerance)}"


def _alarms(of: Look, risk: float, accepted: float) -> bool:
    return of.shift > accepted and of.lower(risk) > math.log1p(MINIMUM_EFFECT)


def _why_inconclusive(of: Look, baseline_sessions: int, settings: DecisionSettings) -> str:
    if baseline_sessions < MINIMUM_SESSIONS:
        return f"fewer than {MINIMUM_SESSIONS} baseline sessions show only gross changes: record more"
    if of.lower(_risk(settings)) > 0:
        return "probably slower, but too little or too uncertain for an alarm: measure again"
    return f"too noisy to rule out a slowdown of {percent(settings.tolerance)}"


def _minimum_detectable_effect(of: Look, settings: DecisionSettings) -> float:
    """Return the slowdown, as a fraction, that would be REGRESSED with 80 % power.

    The alarm sounds beyond ``c = max(log(1 + MINIMUM_EFFECT) + t * error, log(1 + tolerance))``, with t
    the quantile at the risk of an alarm; a true shift of ``c + t_0.8 * error`` gets there in 80 % of
    cases. This is the usual ``(t_alpha + t_power) * error`` instead of a noncentral t; in simulations
    the power is 77 to 88 % where sessions scatter as the prior believes, and more where they scatter less.
    """
    margin = tail_quantile(_risk(settings) * ALARM_SHARE, of.df) * of.error
    threshold = max(math.log1p(MINIMUM_EFFECT) + margin, math.log1p(settings.tolerance))
    return exp(threshold + tail_quantile(1 - POWER, of.df) * of.error) - 1


def _causes(
    status: Status, old: list[Summary], fresh: list[Summary], settings: DecisionSettings
) -> tuple[Cause, ...]:
    causes = []
    if any(_is_noisy(side, NOISY * settings.prior_sd) for side in (old, fresh)):
        causes.append(Cause.NOISY_MACHINE)
    if status is Status.INCONCLUSIVE and len(old) < MINIMUM_SESSIONS:
        causes.append(Cause.FEW_SESSIONS)
    return tuple(causes)


def _is_noisy(side: list[Summary], limit: float) -> bool:
    """Tell whether the log latencies of one side spread beyond the limit, between or within sessions."""
    spreads = [s.spread for s in side if s.spread is not None]
    within = median(spreads) if spreads else 0.0
    between = stdev(s.middle for s in side) if len(side) >= MINIMUM_SESSIONS else 0.0
    return max(within, between) > limit
