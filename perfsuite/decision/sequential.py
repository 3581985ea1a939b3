"""Few sessions first, more only where they can change the verdict.

A group-sequential test: sessions are added one a side in turn, and each look but the last is stricter.
The greatest p-value for an alarm at a look with n of at most N sessions is ``(n / N)**6`` of the fixed
design's, so that the early looks add little to its false alarms (.42 % instead of .28 % of unchanged JVM
benchmarks).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.decision.parameters import DecisionSettings
from perfsuite.decision.verdicts import alarm_risk, judge
from perfsuite.records import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Verdict

FUTILE = 0.2
"""P-value above which no more sessions are asked for: few slowdowns look like that after three."""


def wants_more(
    baseline: Sequence[Sequence[float]],
    candidate: Sequence[Sequence[float]],
    settings: DecisionSettings | None = None,
    *,
    most: int,
    least: int = 3,
) -> bool:
    """Tell whether another session a side is worth its time.

    Args:
        baseline: sessions so far, each the latencies of one process in seconds.
        candidate: likewise.
        settings: as for `perfsuite.decision.compare`.
        most: sessions a side at which to stop in any case.
        least: sessions a side before the first look.

    Raises:
        ValueError: ``least`` below 1 or above ``most``, or as `perfsuite.decision.compare`.
    """
    if not 1 <= least <= most:
        raise ValueError(f"need 1 <= least <= most, got least {least} and most {most}")
    sessions = min(len(baseline), len(candidate))
    if sessions < least or sessions >= most:
        return sessions < least
    now = verdict(baseline, candidate, settings, most=most)
    return now.status is Status.INCONCLUSIVE and now.p_value is not None and now.p_value <= FUTILE


def verdict(
    baseline: Sequence[Sequence[float]],
    candidate: Sequence[Sequence[float]],
    settings: DecisionSettings | None = None,
    *,
    most: int,
) -> Verdict:
    """Compare at the level of this look, also after the last one; arguments as in `wants_more`.

    Raises:
        ValueError: ``most`` below 1, or as `perfsuite.decision.compare`.
    """
    if most < 1:
        raise ValueError(f"most must be at least 1, got {most}")
    settings = settings or DecisionSettings()
    share = min(1.0, min(len(baseline), len(candidate)) / most) ** 6
    # An empty side has no level; judge refuses it by name.
    return judge(baseline, candidate, settings, alarm_risk(settings) * (share or 1.0))
