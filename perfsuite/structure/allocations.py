"""The most memory that torch's allocator gave out at once, in each stage of a call.

Not the process's resident set, which holds what the system's own allocator keeps: what torch asked for is
the same in every run.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from perfsuite.device.memory import graphs_bytes
from perfsuite.pipelines.families import family_of
from perfsuite.structure.missing import NoCounterError, needed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from perfsuite.pipelines.technique import Context

STAGES = ("text encoders", "denoising", "VAE")
_MARK = "perfsuite stage: "


def peak_bytes(pipe: Any, context: Context) -> dict[str, int]:
    """Bytes beyond the state before the call, one call of a single step, the pipeline as it is built.

    CUDA: by torch's own peak. CPU: by the allocations that torch's profiler sees.

    Raises:
        NoCounterError: this torch's profiler tells of no allocations, or CUDA graphs run.
    """
    collecting = gc.isenabled()
    gc.disable()  # what lies in cycles would be freed at some moment of the call
    try:
        return _on_cuda(pipe, context) if context.device.kind == "cuda" else _on_cpu(pipe, context)
    finally:
        if collecting:
            gc.enable()


def _generate(pipe: Any, context: Context, mark: Callable[[str], None]) -> None:
    """One call that calls `mark` at the end of each stage with its name."""
    family = family_of(pipe)
    encode = getattr(pipe, "encode_prompt", None)

    def encode_prompt(*args: Any, **options: Any) -> Any:
        assert encode is not None
        result = encode(*args, **options)
        mark(STAGES[0])
        return result

    if encode is not None:
        pipe.encode_prompt = encode_prompt
    try:
        context.generate(pipe, steps=1, **family.on_step(lambda: mark(STAGES[1])))
    finally:
        vars(pipe).pop("encode_prompt", None)
    mark(STAGES[2])


def _on_cuda(pipe: Any, context: Context) -> dict[str, int]:
    import torch

    if graphs_bytes():
        raise NoCounterError("a CUDA graph has its memory beforehand, and allocates nothing in a call")
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    found: dict[str, int] = {}

    def mark(stage: str) -> None:
        torch.cuda.synchronize()
        found[stage] = torch.cuda.max_memory_allocated() - before
        torch.cuda.reset_peak_memory_stats()

    _generate(pipe, context, mark)
    return found


def _on_cpu(pipe: Any, context: Context) -> dict[str, int]:
    with needed("allocations"):
        from torch.profiler import ProfilerActivity, profile, record_function

    def mark(stage: str) -> None:
        with record_function(_MARK + stage):
            pass

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        _generate(pipe, context, mark)
    with needed("allocations"):
        events = recorded.profiler.kineto_results.events()
        seen = [
            (event.start_ns(), event.name(), event.nbytes())
            for event in events
            if event.name() == "[memory]" or event.name().startswith(_MARK)
        ]
    del recorded
    return peaks(seen)


def peaks(events: Iterable[tuple[int, str, int]]) -> dict[str, int]:
    """Greatest sum of allocations so far in each stage, from (time, name, bytes) in any order.

    A stage ends at the event that carries its name.
    """
    found: dict[str, int] = {}
    total = highest = 0
    for _, name, size in sorted(events, key=lambda event: event[0]):
        if name.startswith(_MARK):
            found[name.removeprefix(_MARK)] = highest
            highest = total
        else:
            total += size
            highest = max(highest, total)
    return found
