"""Which kernels a call of the UNet ran, by the names that the profiler sees."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations.evidence import NotEngagedError, eager, first_call, models

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context

ATTENTION = "aten::_scaled_dot_product_"
"""Begins the names of the operators that `scaled_dot_product_attention` chooses from."""


def kernels_of_unet(pipe: Any, context: Context) -> Counter[str]:
    """Operators, and on a GPU its kernels, of one eager call of the UNet, by name."""
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU]
    if context.device.kind == "cuda":
        activities.append(ProfilerActivity.CUDA)
    unet, found = models(pipe)["unet"], Counter[str]()
    open_profiles: list[Any] = []

    def entering(module: Any, args: Any) -> None:
        if not found and not open_profiles:
            open_profiles.append(profile(activities=activities).__enter__())

    def leaving(module: Any, args: Any, output: Any) -> None:
        while open_profiles:
            profiled = open_profiles.pop()
            profiled.__exit__(None, None, None)
            found.update(event.name() for event in profiled.profiler.kineto_results.events())

    handles = [unet.register_forward_pre_hook(entering), unet.register_forward_hook(leaving)]
    try:
        with eager(pipe):
            context.generate(pipe, steps=1)
    finally:
        for handle in handles:
            handle.remove()
        for profiled in open_profiles:  # the call failed inside
            profiled.__exit__(None, None, None)
    return found


def kernels_of_call(pipe: Any, context: Context) -> Counter[str]:
    """Operators of one call of the UNet as it is, compiled or not: a hook on it would have it compile."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    with eager(pipe):
        args, kwargs = first_call(pipe, context)
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU]) as profiled:
        pipe.unet(*args, **kwargs)
    return Counter(event.name() for event in profiled.profiler.kineto_results.events())


def check_attention(found: Counter[str], wanted: dict[str, int]) -> None:
    """Raise `NotEngagedError` unless attention ran these operators, each so often, and no other."""
    chosen = {name: count for name, count in found.items() if name.startswith(ATTENTION)}
    if chosen != wanted:
        said, expected = (
            ", ".join(f"{count} {name}" for name, count in sorted(each.items())) or "none"
            for each in (chosen, wanted)
        )
        raise NotEngagedError(f"attention kernels of one UNet call: {said}; wanted {expected}")
