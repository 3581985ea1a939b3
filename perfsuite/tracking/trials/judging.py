"""What one A/B says of a metric: whole calls, one kind of piece, memory, the first call."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from perfsuite.decision.amounts import PEAK, START, judge_amount
from perfsuite.decision.paired import PairedSettings
from perfsuite.decision.session_amounts import show_bytes, show_seconds
from perfsuite.store.history.metrics import family_of

if TYPE_CHECKING:
    from perfsuite.records import Series, Verdict
    from perfsuite.workers.ab import Comparison

LATENCY = re.compile(r"latency|relative latency|latency in fixed work|latency relative to .+")
_STAGES = {"stage: step": "step", "stage: VAE": "vae", "stage: text encoders": "text"}
_AMOUNTS = re.compile(r"(peak memory|first call)(, first in its process)?")


RISK = 0.025
"""Of calling slower what is slower by just the least effect, over all questions of a night."""


def settings_for(ratio: float, share: int = 1) -> PairedSettings:
    """What counts as slower where a slowdown of this ratio is looked for: more than half of it would not.

    Args:
        ratio: after over before.
        share: so many questions are asked at once, and share the risk.
    """
    size = max(ratio, 1 / ratio) if 0 < ratio < math.inf else 2.0
    tolerance = min(0.02, max(0.006, math.sqrt(size) - 1))
    return PairedSettings(tolerance=tolerance, minimum_effect=min(0.005, tolerance / 4), risk=RISK / share)


def is_size(metric: str) -> bool:
    """Whether it is counted, and yet a little different with any torch."""
    return metric == "generated code" or metric.startswith("peak of allocations: ")


def is_timed(metric: str) -> bool:
    """Whether an A/B can say anything of a metric."""
    return bool(LATENCY.fullmatch(metric) or metric in _STAGES or _AMOUNTS.fullmatch(metric))


def can_be_asked(series: Series) -> bool:
    """Whether two environments can be compared in this figure; what runs alone judge cannot."""
    return is_timed(series.metric) or is_size(series.metric) or family_of(series.metric) is not None


def of_metric(found: Comparison, metric: str, settings: PairedSettings) -> Verdict | None:
    """The verdict on one metric; None where this comparison did not measure it."""
    if LATENCY.fullmatch(metric):
        return found.verdict
    if metric in _STAGES:
        return found.judge_turns({_STAGES[metric]: 1}, settings) if found.turns else None
    base, head = found.facts["base"], found.facts["head"]
    if metric.startswith("peak memory"):
        before, after = (list(map(float, side.peak_memory_bytes)) for side in (base, head))
        enough = before and after
        return judge_amount(before, after, PEAK[found.device_kind], show_bytes) if enough else None
    if metric.startswith("first call"):
        then, now = base.first_call_s, head.first_call_s
        return judge_amount(then, now, START, show_seconds) if then and now else None
    return None
