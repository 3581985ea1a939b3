"""The shape of the ladder: what holds a device that has no baseline of its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from perfsuite.decision.parameters import DecisionSettings
from perfsuite.decision.statistics import Comparison, exp
from perfsuite.decision.summaries import summarize
from perfsuite.decision.verdicts import new
from perfsuite.records import Cause, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

WITHIN_PROCESS_FLOOR = 0.05
"""Least standard error of the log ratio of two rungs in one process. Such ratios of unlike code moved by
3.2 % (sd) between fresh processes of a shared 2-core machine, which one process cannot show."""


def shape(
    rung_s: Sequence[float],
    reference_s: Sequence[float],
    least_speedup: float,
    settings: DecisionSettings | None = None,
) -> Verdict:
    """Hold a rung without a baseline to a least speed-up over another rung of the same process.

    The speed-up is the ratio of the medians. Its error holds the samples' spread (the variance of a
    median of n is about ``pi / 2 * spread**2 / n``) and `WITHIN_PROCESS_FLOOR`.

    Args:
        rung_s: latencies of the rung, in seconds.
        reference_s: latencies of the rung it should beat, in seconds.
        least_speedup: reference over rung, at least.
        settings: the confidence; nothing else is used.

    Returns:
        REGRESSED with `Cause.LADDER_SHAPE` if the whole interval of the speed-up lies below the bound
        (the ratio is then the latency over the slowest one allowed, so above 1), else NEW.

    Raises:
        ValueError: a session without samples, a sample or a bound that is not positive and finite.
    """
    settings = settings or DecisionSettings()
    if not 0 < least_speedup < math.inf:
        raise ValueError(f"least_speedup must be positive and finite, got {least_speedup!r}")
    speedup = _speedup(rung_s, reference_s)
    risk = (1 - settings.confidence) / 2
    lower, upper = speedup.lower(risk), speedup.upper(risk)
    bound = math.log(least_speedup)
    figures = (
        f"speed-up {exp(speedup.shift):.3g} over the reference rung "
        f"({settings.confidence * 100:g} % interval {exp(lower):.3g} to {exp(upper):.3g}), "
        f"least speed-up {least_speedup:g}"
    )
    if upper >= bound:
        return new(f"no baseline of this device; {figures}")
    return Verdict(
        status=Status.REGRESSED,
        ratio=exp(bound - speedup.shift),
        interval=(exp(bound - upper), exp(bound - lower)),
        confidence=settings.confidence,
        candidate_sessions=1,
        causes=(Cause.LADDER_SHAPE,),
        detail=f"slower than the ladder's shape allows, and no baseline of this device; {figures}",
    )


def _speedup(rung_s: Sequence[float], reference_s: Sequence[float]) -> Comparison:
    rung, reference = summarize(rung_s, "rung"), summarize(reference_s, "reference")
    sampling = sum(math.pi / 2 * (s.spread or 0.0) ** 2 / s.samples for s in (rung, reference))
    error = math.sqrt(WITHIN_PROCESS_FLOOR**2 + sampling)
    return Comparison(
        differences=[reference.middle - rung.middle],
        error=error,
        margin=error,
        reach=0.0,
        df=max(rung.samples + reference.samples - 2, 1),
    )
