"""What a comparison of latencies, or of counts, came to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Ge


class Status(StrEnum):
    """The closed set of verdicts on latencies and counts."""

    OK = "OK"
    """The whole interval of the change lies within the tolerance."""
    IMPROVED = "IMPROVED"
    REGRESSED = "REGRESSED"
    INCONCLUSIVE = "INCONCLUSIVE"
    """Too noisy, or too few sessions, to tell."""
    NEW = "NEW"
    """There is no baseline."""
    INCOMPATIBLE = "INCOMPATIBLE"
    """The baseline was measured with another protocol."""
    LESS_JUDGED = "LESS_JUDGED"
    """There is a baseline, nobody left the variant out, and it was not judged."""
    NOT_JUDGED = "NOT_JUDGED"
    """It was to be judged, and could not be."""


UNJUDGED = (Status.LESS_JUDGED, Status.NOT_JUDGED)
"""Verdicts of what was not even measured, or compared with nothing."""


class Cause(StrEnum):
    """What rides along with a verdict and explains it."""

    ENVIRONMENT = "ENVIRONMENT"
    """The machine, or what the environment tells its libraries, is not what it was."""
    NOISY_MACHINE = "NOISY_MACHINE"
    FEW_SESSIONS = "FEW_SESSIONS"
    LADDER_SHAPE = "LADDER_SHAPE"
    """Judged by the speed-up over another rung, for want of a baseline of this device."""
    NOT_STEADY = "NOT_STEADY"
    """The warm-up ended at its limit, not by its rule."""
    MULTIMODAL = "MULTIMODAL"
    """The sessions of a side fall in separate modes."""
    SLOW_TAIL = "SLOW_TAIL"
    """Only the slowest quarter of the calls slowed down."""
    THROTTLED = "THROTTLED"
    """The device lowered its clocks for heat or power."""
    OTHER_PROCESS = "OTHER_PROCESS"
    """Another process used the device."""
    HOST_BOUND = "HOST_BOUND"
    """The device waited for the host."""
    REFERENCE_MOVED = "REFERENCE_MOVED"
    """What the variant is compared with has moved, not the variant: record the baselines anew."""
    EVERYTHING_SLOWER = "EVERYTHING_SLOWER"
    """Reference and variant slowed down alike: the machine, or what both are made of."""
    DRIFT = "DRIFT"
    """Slower than the sessions that were recorded first, not than the recent ones."""
    OTHER_WEIGHTS = "OTHER_WEIGHTS"
    """The baseline is of weights from elsewhere: neither may take the other's place."""
    UNFIT_SESSION = "UNFIT_SESSION"
    """The new session, or every stored one, was disturbed and has no weight."""
    OTHER_GPU = "OTHER_GPU"
    """The stored sessions are not all of this GPU: what GPUs of one model differ by is in the interval."""


@dataclass(frozen=True)
class Verdict:
    """Status, and the figures that it rests on."""

    status: Status
    ratio: float | None = None
    """Candidate over baseline; above 1 is slower."""
    interval: tuple[float, float] | None = None
    """Interval of the ratio."""
    confidence: float | None = None
    """Two-sided coverage of the interval, for instance 0.95."""
    minimum_detectable_effect: float | None = None
    """Slowdown that would be found with 80 % power, as a fraction (0.1 is 10 % slower)."""
    tolerance: float | None = None
    """Slowdown that is accepted, as a fraction."""
    baseline_sessions: int = 0
    candidate_sessions: int = 0
    baseline_s: float | None = None
    """Typical latency of the baseline."""
    causes: tuple[Cause, ...] = ()
    detail: str = ""
    """One line for a person: what was compared, and why the verdict is not another."""
    p_value: Annotated[float, Ge(0)] | None = None
    """One-sided, of the deciding look; the null hypothesis is no slowdown beyond the minimum effect."""
    basis: str = "seconds"
    """What was compared: ``seconds``, or ``relative to`` a variant."""
