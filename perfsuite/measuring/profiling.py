"""How many kernels one call launches on a GPU, and for what part of it the GPU is busy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.measuring.clock import now
from perfsuite.records import Profile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from perfsuite.pipelines import Prepared


def profile(prepared: Prepared) -> Profile | None:
    """Profile one call, with torch's profiler; None on a CPU, which runs what the host runs.

    The profiler slows the host, so the wall clock is that of a call without it, made before.
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
        if event.device_type.name == "CUDA"
    ]
    return Profile(kernels=len(spans), busy_s=min(covered(spans), wall_s), wall_s=wall_s)


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Length of the union of intervals: streams run side by side."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
