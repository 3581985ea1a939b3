"""Sessions that know their own error: what is measured in turns is compared as estimates of one value.

A ratio has no low quantile that is "what the code costs undisturbed": a disturbed denominator makes it small.
So a session of ratios is its trimmed mean, with a standard error from its own samples, and a comparison is
that of a random-effects model (DerSimonian and Laird, "Meta-analysis in clinical trials", Controlled Clinical
Trials 7 (1986)): sessions scatter about their side's value by what differs between processes, and each by its
own error on top, so that it weighs ``1 / (between + own error**2)``. A session beside a burst of load has a
large error of its own: it widens the interval and moves little, on either side.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from perfsuite.decision.comparisons import MINIMUM_EFFECT, MINIMUM_SESSIONS
from perfsuite.decision.gpus import by_gpu
from perfsuite.decision.modes import modes
from perfsuite.decision.statistics import LEAST_SD, exp, tail_quantile
from perfsuite.decision.verdicts import POWER, alarm_risk
from perfsuite.decision.wording import comparison, in_modes, percent
from perfsuite.records import Cause, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.decision.gpus import Added, Sides
    from perfsuite.decision.parameters import DecisionSettings

TRIM = 0.25
"""Share of a session's samples that is left out at either end."""
LEAST_SAMPLES = 4
"""Of a session that can tell its own error."""
_LARGEST_T = 64.0


class Estimate(NamedTuple):
    """What one session says of one value, in logs."""

    value: float
    error: float
    """Standard error within the session."""


class Shift(NamedTuple):
    """From baseline to candidate, in logs, with what is needed for its limits."""

    value: float
    error: float
    df: float
    gpus: Added | None = None
    """What of the error is GPUs that differ; None where they do not."""

    def lower(self, risk: float) -> float:
        """Limit below which the true shift lies with probability ``risk``."""
        return self.value - tail_quantile(risk, self.df) * self.error

    def upper(self, risk: float) -> float:
        """Limit above which the true shift lies with probability ``risk``."""
        return self.value + tail_quantile(risk, self.df) * self.error

    def p_value(self, least: float) -> float:
        """Return the least risk at which the lower limit is above ``least``."""
        from scipy.special import stdtr

        t = (self.value - least) / self.error
        return float(stdtr(self.df, -min(max(t, -_LARGEST_T), _LARGEST_T)))


def estimate(samples: Sequence[float], settings: DecisionSettings, name: str = "session") -> Estimate:
    """Estimate the value of one session by its trimmed mean, in logs.

    The standard error is Yuen's, by the winsorized variance ("The two-sample trimmed t for unequal population
    variances", Biometrika 61 (1974)). A session too short to tell takes what is believed of the spread
    between sessions, once more.

    Raises:
        ValueError: no samples, or one that is not positive and finite; ``name`` opens the message.
    """
    if len(samples) == 0:
        raise ValueError(f"{name}: no samples")
    for i, sample in enumerate(samples):
        if not (0 < sample < math.inf):
            raise ValueError(f"{name}, sample {i}: {sample} is not a positive, finite number")
    logs = sorted(math.log(s) for s in samples)
    out = int(TRIM * len(logs))
    kept = logs[out : len(logs) - out]
    if len(logs) < LEAST_SAMPLES:
        return Estimate(fmean(kept), settings.prior_sd)
    winsorized = [min(max(v, kept[0]), kept[-1]) for v in logs]
    middle = fmean(winsorized)
    squares = sum((v - middle) ** 2 for v in winsorized)
    return Estimate(fmean(kept), math.sqrt(squares / (len(kept) * (len(kept) - 1))))


def shift(
    baseline: Sequence[Estimate],
    candidate: Sequence[Estimate],
    settings: DecisionSettings,
    gpus: Sides | None = None,
) -> Shift:
    """Return the shift of the weighted means, with the variance between sessions of both sides.

    That variance is the posterior of `statistics.between_variance`, from what the squares have beyond the
    sessions' own errors; its prior does not fade: of ratios it is known well.
    """
    sides: Sequence[Sequence[Estimate]] = (baseline, candidate)
    groups = _of_one_gpu(sides, gpus) if gpus else sides
    excess = sum(max(0.0, _squares(side, settings) - _own(side)) for side in groups)
    df = settings.prior_df + sum(len(side) - 1 for side in groups)
    between = max((settings.prior_df * settings.prior_sd**2 + excess) / df, LEAST_SD**2)
    (old, old_variance), (fresh, fresh_variance) = (_weighted(side, between) for side in sides)
    variance = old_variance + fresh_variance
    values = [[e.value for e in side] for side in sides]
    added = gpus.added(values[0], values[1], between, settings) if gpus else None
    if added is not None:
        return Shift(fresh - old, math.sqrt(variance + added.variance), added.freedom(variance, df), added)
    return Shift(fresh - old, math.sqrt(variance), df)


def _of_one_gpu(sides: Sequence[Sequence[Estimate]], gpus: Sides) -> list[list[Estimate]]:
    """The sessions of each GPU on each side."""
    names = (gpus.baseline, gpus.candidate)
    return [group for gpu, side in zip(names, sides, strict=True) for group in by_gpu(gpu, side).values()]


def _weighted(side: Sequence[Estimate], between: float) -> tuple[float, float]:
    """Weighted mean of a side, and its variance."""
    weights = [1 / (between + e.error**2) for e in side]
    total = sum(weights)
    return sum(w * e.value for w, e in zip(weights, side, strict=True)) / total, 1 / total


def _squares(side: Sequence[Estimate], settings: DecisionSettings) -> float:
    centre, _ = _weighted(side, settings.prior_sd**2)
    return sum((e.value - centre) ** 2 for e in side)


def _own(side: Sequence[Estimate]) -> float:
    """What the sessions' own errors add to the sum of squares of a side, if nothing else differs."""
    return (len(side) - 1) / len(side) * sum(e.error**2 for e in side)


def compare_estimates(
    baseline: Sequence[Sequence[float]],
    candidate: Sequence[Sequence[float]],
    settings: DecisionSettings,
    alarm: float | None = None,
    gpus: Sides | None = None,
) -> Verdict:
    """Judge whether the candidate is slower, by sessions of ratios.

    The rule is that of `perfsuite.decision.compare`, with one look: REGRESSED, where the lower limit at the
    risk of an alarm is beyond the minimum effect and the interval is not wholly within the tolerance;
    IMPROVED likewise; OK, where the upper limit lies within the tolerance and there are three baseline
    sessions.

    Args:
        baseline: stored sessions, each of ratios that were measured in turns within one process.
        candidate: one new session or more.
        settings: tolerance, confidence, and the prior of ratios.
        alarm: greatest p-value of REGRESSED; that of `perfsuite.decision.compare` by default.
        gpus: which the sessions are of; None where all are of one.

    Raises:
        ValueError: as `estimate`, or an empty side.
    """
    alarm = alarm_risk(settings) if alarm is None else alarm
    old, fresh = _side(baseline, settings, "baseline"), _side(candidate, settings, "candidate")
    found = shift(old, fresh, settings, gpus)
    risk = (1 - settings.confidence) / 2
    status, reason = _decide(found, len(old), settings, alarm)
    split = {
        name: groups
        for name, side in (("baseline", old), ("candidate", fresh))
        if len(groups := modes([e.value for e in side])) > 1
    }
    causes = _causes(status, old, fresh, settings) + ((Cause.MULTIMODAL,) if split else ())
    causes += (Cause.OTHER_GPU,) if found.gpus is not None else ()
    verdict = Verdict(
        status=status,
        ratio=exp(found.value),
        interval=(exp(found.lower(risk)), exp(found.upper(risk))),
        confidence=settings.confidence,
        minimum_detectable_effect=_minimum_detectable_effect(found, settings, alarm),
        tolerance=settings.tolerance,
        baseline_sessions=len(old),
        candidate_sessions=len(fresh),
        baseline_s=exp(fmean(e.value for e in old)),
        causes=causes,
        p_value=found.p_value(math.log1p(MINIMUM_EFFECT)),
    )
    reasons = [reason] if reason else []
    reasons += [in_modes(name, groups) for name, groups in split.items()]
    reasons += [found.gpus.said()] if found.gpus is not None else []
    return replace(verdict, detail=comparison(verdict, "; ".join(reasons)))


def _side(sessions: Sequence[Sequence[float]], settings: DecisionSettings, side: str) -> list[Estimate]:
    if len(sessions) == 0:
        raise ValueError(f"{side}: no sessions")
    return [estimate(s, settings, f"{side} session {i}") for i, s in enumerate(sessions)]


def _decide(
    found: Shift, baseline_sessions: int, settings: DecisionSettings, alarm: float
) -> tuple[Status, str]:
    risk, accepted = (1 - settings.confidence) / 2, math.log1p(settings.tolerance)
    if found.p_value(math.log1p(MINIMUM_EFFECT)) <= alarm and found.upper(risk) > accepted:
        return Status.REGRESSED, ""
    if found.upper(alarm) < math.log1p(-MINIMUM_EFFECT):
        return Status.IMPROVED, ""
    if baseline_sessions < MINIMUM_SESSIONS:
        return Status.INCONCLUSIVE, (
            f"fewer than {MINIMUM_SESSIONS} baseline sessions show only gross changes: record more"
        )
    if found.upper(risk) <= accepted:
        return Status.OK, f"within the tolerance of {percent(settings.tolerance)}"
    if found.lower(risk) > 0:
        return Status.INCONCLUSIVE, (
            "probably slower, but too little or too uncertain for an alarm: measure again"
        )
    return Status.INCONCLUSIVE, f"too noisy to rule out a slowdown of {percent(settings.tolerance)}"


def could_settle(
    baseline: Sequence[Sequence[float]],
    candidate: Sequence[Sequence[float]],
    more: int,
    settings: DecisionSettings,
    gpus: Sides | None = None,
) -> bool:
    """Tell whether so many more candidate sessions, like those there are, would be OK.

    They would be of the GPU that the last one is of.
    """
    if len(baseline) < MINIMUM_SESSIONS:
        return False
    old, fresh = _side(baseline, settings, "baseline"), _side(candidate, settings, "candidate")
    typical = Estimate(fmean(e.value for e in fresh), min(e.error for e in fresh))
    if gpus is not None:
        gpus = replace(gpus, candidate=(*gpus.candidate, *gpus.candidate[-1:] * more))
    found = shift(old, [*fresh, *[typical] * more], settings, gpus)
    return found.upper((1 - settings.confidence) / 2) <= math.log1p(settings.tolerance)


def _minimum_detectable_effect(found: Shift, settings: DecisionSettings, alarm: float) -> float:
    """Return the slowdown that would be REGRESSED with 80 % power, as in `verdicts`."""
    alarming = math.log1p(MINIMUM_EFFECT) + tail_quantile(alarm, found.df) * found.error
    outside = (
        math.log1p(settings.tolerance) - tail_quantile((1 - settings.confidence) / 2, found.df) * found.error
    )
    return exp(max(alarming, outside) + tail_quantile(1 - POWER, found.df) * found.error) - 1


def _causes(
    status: Status, old: Sequence[Estimate], fresh: Sequence[Estimate], settings: DecisionSettings
) -> tuple[Cause, ...]:
    causes = []
    if any(e.error > settings.prior_sd for e in (*old, *fresh)):
        causes.append(Cause.NOISY_MACHINE)
    if status is Status.INCONCLUSIVE and len(old) < MINIMUM_SESSIONS:
        causes.append(Cause.FEW_SESSIONS)
    return tuple(causes)
