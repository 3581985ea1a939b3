"""The gate: sessions to verdict.

Three statistics of the sessions are compared. The **low quantile** is the main one: it is the least
disturbed. The **median** and the mean of the **slowest quarter** may raise the alarm too, each with a fifth
of the risk; the latter only with `comparisons.TAIL_SAMPLES` a session and `comparisons.MINIMUM_SESSIONS` a
side, else it merely withholds OK and IMPROVED.

The rule, with r the one-sided risk of the interval (0.025 at a confidence of 0.95):

1. REGRESSED: the p-value is at most `ALARM_SHARE` of r, that is, the lower limit at that risk is above
   ``1 + MINIMUM_EFFECT``; and the interval is not wholly within the tolerance. The p-value is the least
   of the comparisons', those of median and tail times five.
2. IMPROVED: the upper limits at the risk of an alarm are below ``1 - MINIMUM_EFFECT``.
3. OK: the upper limits at r lie within the tolerance, and there are three baseline sessions or more.
   A change that is certainly slower, but certainly by less than the tolerance, is OK: that much is
   accepted. There is no lower limit, because what is too fast is no slowdown.
4. INCONCLUSIVE: all else.

So a slowdown beyond the tolerance is called OK with probability r at most, where the spread is known.

One new session against a dozen stored ones has a wider interval than normal noise needs (it covers 98.7 %
instead of 95 %). Real processes have odd sessions: with one against five, 2.3 % of unchanged JVM benchmarks
alarm even so, and a narrower interval would alarm for more. Hence `perfsuite.decision.confirm`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import fmean, median
from typing import TYPE_CHECKING

from perfsuite.decision.comparisons import MINIMUM_EFFECT, MINIMUM_SESSIONS, Comparisons, take
from perfsuite.decision.modes import modes
from perfsuite.decision.parameters import DecisionSettings
from perfsuite.decision.statistics import Comparison, exp, tail_quantile
from perfsuite.decision.summaries import Summary, summarize_side
from perfsuite.decision.wording import change, comparison, in_modes, percent
from perfsuite.records import Cause, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.decision.gpus import Sides

ALARM_SHARE = 0.48
"""Risk of an alarm as a share of the interval's one-sided risk: the most that keeps the false alarms on the
traces' tuning half, five sessions a side, below 0.3 %."""
POWER = 0.8
"""Of the minimum detectable effect."""
NOISY = 2.0
"""Standard deviation between or within sessions, in units of the prior's, that is called noisy."""


def compare(
    baseline: Sequence[Sequence[float]],
    candidate: Sequence[Sequence[float]],
    settings: DecisionSettings | None = None,
    gpus: Sides | None = None,
) -> Verdict:
    """Judge whether the candidate is slower than the baseline.

    Args:
        baseline: stored sessions, each the latencies of one process in seconds.
        candidate: one new session or more, likewise.
        settings: tolerance, confidence and prior; `DecisionSettings.for_device` fits a device class.
        gpus: which the sessions are of; None where all are of one.

    Returns:
        The verdict, with ratio and interval of the comparison that decided (see the module), never NaN.

    Raises:
        ValueError: an empty side or session, or a sample that is not positive and finite.
    """
    settings = settings or DecisionSettings()
    return judge(baseline, candidate, settings, alarm_risk(settings), gpus=gpus)


def alarm_risk(settings: DecisionSettings) -> float:
    """Return the greatest p-value that `compare` calls REGRESSED."""
    return _risk(settings) * ALARM_SHARE


def judge(
    baseline: Sequence[Sequence[float]],
    candidate: Sequence[Sequence[float]],
    settings: DecisionSettings,
    alarm: float,
    *,
    apart: bool = False,
    gpus: Sides | None = None,
) -> Verdict:
    """Do what `compare` does, with another greatest p-value for REGRESSED.

    Args:
        baseline: as there.
        candidate: as there.
        settings: as there.
        alarm: the greatest p-value.
        apart: a comparison raises an alarm only if its sessions do not overlap (`Comparison.apart`); else
            its p-value is 1.
        gpus: as there.
    """
    old, fresh = summarize_side(baseline, "baseline"), summarize_side(candidate, "candidate")
    found = {
        name: split
        for name, side in (("baseline", old), ("candidate", fresh))
        if len(split := modes([s.low for s in side])) > 1
    }
    compared = take(old, fresh, settings, trimmed=not found, apart=apart, gpus=gpus)
    status, by, reason = _decide(compared, len(old), settings, alarm)
    risk = _risk(settings)
    causes = _causes(status, old, fresh, settings)
    if found:
        causes = (*causes, Cause.MULTIMODAL)
    if status is Status.REGRESSED and by is compared.slow:
        causes = (*causes, Cause.SLOW_TAIL)
    if by.gpus is not None:
        causes = (*causes, Cause.OTHER_GPU)
    verdict = Verdict(
        status=status,
        ratio=exp(by.shift),
        interval=(exp(by.lower(risk)), exp(by.upper(risk))),
        confidence=settings.confidence,
        minimum_detectable_effect=_minimum_detectable_effect(compared.low, settings, alarm),
        tolerance=settings.tolerance,
        baseline_sessions=len(old),
        candidate_sessions=len(fresh),
        baseline_s=exp(fmean(s.middle for s in old)),
        causes=causes,
        p_value=min(1.0, *compared.p_values()),
    )
    reasons = [reason] if reason else []
    reasons += [in_modes(name, split) for name, split in found.items()]
    reasons += [by.gpus.said()] if by.gpus is not None else []
    return replace(verdict, detail=comparison(verdict, "; ".join(reasons)))


def new(detail: str, candidate_sessions: int = 1) -> Verdict:
    """Make the verdict for a benchmark that has no baseline; ``detail`` says what to do about it."""
    return Verdict(status=Status.NEW, candidate_sessions=candidate_sessions, detail=detail)


def incompatible(
    detail: str, baseline_sessions: int = 0, candidate_sessions: int = 1, *, other_weights: bool = False
) -> Verdict:
    """Make the verdict for a baseline of another device or protocol; ``detail`` says what differs."""
    return Verdict(
        status=Status.INCOMPATIBLE,
        baseline_sessions=baseline_sessions,
        candidate_sessions=candidate_sessions,
        causes=(Cause.OTHER_WEIGHTS,) if other_weights else (),
        detail=detail,
    )


def unjudged(status: Status, detail: str, baseline_sessions: int = 0) -> Verdict:
    """Make the verdict for what was not judged though it was to be; ``detail`` says why not."""
    return Verdict(status=status, baseline_sessions=baseline_sessions, candidate_sessions=0, detail=detail)


def _risk(settings: DecisionSettings) -> float:
    return (1 - settings.confidence) / 2


def _decide(
    compared: Comparisons, baseline_sessions: int, settings: DecisionSettings, alarm: float
) -> tuple[Status, Comparison, str]:
    """Apply the rule of the module; return also the comparison that decided, and a reason."""
    low, middle, slow, *_ = compared
    risk = _risk(settings)
    accepted = math.log1p(settings.tolerance)
    reasons = (
        "",
        "the median slowed down, the fastest calls less",
        "the slowest quarter of the calls slowed down",
    )
    for of, p_value, why in zip((low, middle, slow), compared.p_values(), reasons, strict=True):
        if p_value <= alarm and of.upper(risk) > accepted:
            return Status.REGRESSED, of, why
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


def _why_inconclusive(of: Comparison, baseline_sessions: int, settings: DecisionSettings) -> str:
    if baseline_sessions < MINIMUM_SESSIONS:
        return f"fewer than {MINIMUM_SESSIONS} baseline sessions show only gross changes: record more"
    if of.lower(_risk(settings)) > 0:
        return "probably slower, but too little or too uncertain for an alarm: measure again"
    return f"too noisy to rule out a slowdown of {percent(settings.tolerance)}"


def _minimum_detectable_effect(of: Comparison, settings: DecisionSettings, alarm: float) -> float:
    """Return the slowdown, as a fraction, that would be REGRESSED with 80 % power.

    The alarm sounds once the shift is as far above ``log(1 + MINIMUM_EFFECT)`` as it now is above its
    lower limit, and the upper limit is beyond the tolerance; a true shift ``t_0.8 * error`` larger gets
    there in 80 % of cases. This is the usual ``(t_alpha + t_power) * error`` and no noncentral t.
    """
    alarming = math.log1p(MINIMUM_EFFECT) + of.shift - of.lower(alarm)
    outside = math.log1p(settings.tolerance) - of.upper(_risk(settings)) + of.shift
    return exp(max(alarming, outside) + tail_quantile(1 - POWER, of.df) * of.error) - 1


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
    if len(side) < MINIMUM_SESSIONS:
        return within > limit
    centre = fmean(s.middle for s in side)
    # statistics.stdev computes in fractions, which takes a tenth of a comparison.
    between = math.sqrt(sum((s.middle - centre) ** 2 for s in side) / (len(side) - 1))
    return max(within, between) > limit
