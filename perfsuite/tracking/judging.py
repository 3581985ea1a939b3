"""What one A/B says of a metric: whole calls, one kind of piece, memory, the first call."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from perfsuite.decision.amounts import PEAK, START, judge_amount
from perfsuite.decision.paired import compare_turns
from perfsuite.decision.session_amounts import show_bytes, show_seconds

if TYPE_CHECKING:
    from perfsuite.decision.paired import PairedSettings
    from perfsuite.records import Verdict
    from perfsuite.workers.ab import Comparison

LATENCY = re.compile(r"latency|relative latency|latency in fixed work|latency relative to .+")
_STAGES = {"stage: step": "step", "stage: VAE": "vae", "stage: text encoders": "text"}
_AMOUNTS = re.compile(r"(peak memory|first call)(, first in its process)?")


def is_timed(metric: str) -> bool:
    """Whether an A/B can say anything of a metric."""
    return bool(LATENCY.fullmatch(metric) or metric in _STAGES or _AMOUNTS.fullmatch(metric))


def of_metric(found: Comparison, metric: str, settings: PairedSettings) -> Verdict | None:
    """The verdict on one metric; None where this comparison did not measure it."""
    if LATENCY.fullmatch(metric):
        return found.verdict
    if metric in _STAGES:
        return compare_turns(found.turns, {_STAGES[metric]: 1}, settings) if found.turns else None
    base, head = found.facts["base"], found.facts["head"]
    if metric.startswith("peak memory"):
        peaks = [list(map(float, side.peak_memory_bytes)) for side in (base, head)]
        return judge_amount(*peaks, PEAK[found.device_kind], show_bytes) if all(peaks) else None
    if metric.startswith("first call"):
        times = base.first_call_s, head.first_call_s
        return judge_amount(*times, START, show_seconds) if all(times) else None
    return None
