"""One figure beside latency that may get worse, and the verdict on it."""

from __future__ import annotations

from dataclasses import dataclass

from perfsuite.records.verdict import Verdict


@dataclass(frozen=True)
class Quantity:
    """A figure of one session, judged."""

    name: str
    """For instance ``peak memory`` or ``compile, cold``."""
    unit: str
    """``s``, ``bytes``, ``bytes a call``, or ``a call`` of what is counted."""
    value: float
    verdict: Verdict
    """Its ratio is over the baseline, where there is one."""
    budget: float | None = None
    """What holds it where there is no baseline."""
