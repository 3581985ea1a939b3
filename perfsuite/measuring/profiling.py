"""How many kernels one call launches on a GPU, and for what part of it the GPU is busy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from perfsuite.device.clock import now
from perfsuite.records import Hot, Profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from perfsuite.pipelines import Prepared


def profile(prepared: Prepared) -> Profile | None:
    """Profile one call, with torch's profiler; None on a CPU, which runs what the host runs, and where the
    profiler saw no kernel (another one holds the GPU's counters).

    The profiler slows the host, so the wall clock is that of a call without it, made before. On a GPU it also
    slows all that the process launches after (CUPTI stays attached, pytorch#144455): nothing is to be timed
    in this process any more.
    """
    if prepared.context.device.kind != "cuda":
        return None
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    start = now()
    prepared.generate()
    wall_s = now() - start
    with record(activities=[ProfilerActivity.CUDA]) as recorded:
        prepared.generate()
        now()
    spans = [
        (event.time_range.start / 1e6, event.time_range.end / 1e6)
        for event in recorded.events()
        if event.device_type.name == "CUDA" and not getattr(event, "is_user_annotation", False)
    ]
    if not spans:
        return None
    return Profile(kernels=len(spans), busy_s=min(covered(spans), wall_s), wall_s=wall_s)


HOTTEST = 200
"""Names that are kept, more than eager calls have: what is cut off cannot be compared."""
OTHERS = "(all others)"
HOT_STEPS = 2
"""Denoising steps of the profiled call: torch's profiler is slow to read many events."""


def hot(prepared: Prepared) -> dict[str, Hot]:
    """Calls and own time of each operator in one short call with torch's profiler; on CUDA of each kernel.

    The profiler slows the host, so on a CPU small operators look dearer than they are.
    """
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    cuda = prepared.context.device.kind == "cuda"
    activities = [ProfilerActivity.CUDA] if cuda else [ProfilerActivity.CPU]
    with record(activities=activities) as recorded:
        prepared.context.generate(prepared.pipe, steps=HOT_STEPS)
        now()
    found: dict[str, Hot] = {}
    for row in recorded.key_averages():
        time_us = row.self_device_time_total if cuda else row.self_cpu_time_total
        if (row.device_type.name == "CUDA") is cuda:
            # Compiled code is named by a key of its cache.
            name = re.sub(r"^## Call CompiledFxGraph .*", "compiled code", row.key)
            known = found.get(name, Hot(0, 0.0))
            found[name] = Hot(known.calls + row.count, known.self_s + time_us / 1e6)
    return hottest(found)


def hottest(found: Mapping[str, Hot], most: int = HOTTEST) -> dict[str, Hot]:
    """The names that take most time, and all others as one."""
    ordered = sorted(found.items(), key=lambda pair: -pair[1].self_s)
    kept, rest = dict(ordered[:most]), [each for _, each in ordered[most:]]
    if rest:
        kept[OTHERS] = Hot(sum(r.calls for r in rest), sum(r.self_s for r in rest))
    return kept


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Length of the union of intervals: streams run side by side."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
