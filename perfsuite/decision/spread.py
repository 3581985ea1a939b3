"""How far the sessions of one variant lie apart, and what a gate of one more finds by that."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite import decision
from perfsuite.decision.estimates import compare_estimates
from perfsuite.decision.modes import modes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfsuite.records import Entry, Verdict


@dataclass(frozen=True)
class Spread:
    """What the stored sessions of one variant say about the gate that it will have."""

    variant: str
    sessions: int
    median_s: float
    between: float | None
    """Standard deviation of the log of the sessions' medians; None for one session."""
    within: float | None
    """Median over the sessions of the standard deviation of the log latency."""
    modes_s: tuple[float, ...]
    """Typical latency of each mode, where the sessions fall in several."""
    effect: float | None
    """Slowdown that one new session would be REGRESSED for with 80 % power, in seconds."""
    relative_effect: float | None
    """The same for latency relative to the reference variant; None where it was not measured."""


def spread(entry: Entry, device_kind: str) -> Spread:
    """What the stored sessions of one variant say."""
    middles = [statistics.median(s.latency_s) for s in entry.sessions]
    logs = [math.log(m) for m in middles]
    within = [
        statistics.stdev(math.log(x) for x in s.latency_s) for s in entry.sessions if len(s.latency_s) > 1
    ]
    relative = [s.relative.ratio for s in entry.sessions if s.relative is not None]
    groups = modes(logs)
    return Spread(
        entry.variant,
        len(middles),
        statistics.median(middles),
        statistics.stdev(logs) if len(logs) > 1 else None,
        statistics.median(within) if within else None,
        tuple(math.exp(statistics.fmean(g)) for g in groups) if len(groups) > 1 else (),
        _effect([s.latency_s for s in entry.sessions], device_kind, decision.compare),
        _effect(relative, f"{device_kind}-relative", compare_estimates) if relative else None,
    )


def _effect(sessions: Sequence[Sequence[float]], prior: str, compare: Callable[..., Verdict]) -> float | None:
    settings = decision.DecisionSettings.for_device(prior)
    return compare(sessions, sessions[-1:], settings).minimum_detectable_effect
