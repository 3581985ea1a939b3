"""torch.compile with dynamic shapes: one graph of the UNet for every size and batch."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines import models as known_models
from perfsuite.pipelines.optimizations.compilation import (
    check_calls,
    check_settings,
    mode_for,
    supports_compiling,
)
from perfsuite.pipelines.optimizations.evidence import NotEngagedError
from perfsuite.pipelines.optimizations.inductor import COMPILE_FLAGS, COMPILE_SETTINGS, set_flags
from perfsuite.pipelines.optimizations.layout import apply_channels_last
from perfsuite.pipelines.optimizations.proofs.recompiling import check_compiles_nothing
from perfsuite.pipelines.promises import Card
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.pipelines.technique import Context, Variant
    from perfsuite.records import Workload

GROWN = ((1.0, 1.0), (1.5, 1.0), (1.5, 2.0))
"""Width and height of the sizes that are tried, in those of the workload."""
STEP = 64
"""Pixels."""


def _apply(pipe: Any, context: Context) -> None:
    import torch

    apply_channels_last(pipe, context)
    set_flags(COMPILE_FLAGS, context)
    # Else a square picture makes one number of width and height, and the next size compiles anew.
    torch.fx.experimental._config.use_duck_shape = False
    mode = mode_for(context.device).removesuffix("-no-cudagraphs")
    # A CUDA graph is recorded for each size anew: what one graph is to save, it would cost.
    mode = f"{mode}-no-cudagraphs" if mode == "max-autotune" else mode
    pipe.unet = torch.compile(pipe.unet, mode=mode, fullgraph=True, dynamic=True)


def script(pipe: Any, context: Context) -> dict[str, Callable[[], object]]:
    """Calls of three sizes, with one picture and with two, for which nothing may be compiled."""
    calls: dict[str, Callable[[], object]] = {}
    workload = context.workload
    for batch in (workload.batch, workload.batch + 1):
        for wide, high in GROWN:
            width, height = grown_side(workload.width, wide), grown_side(workload.height, high)
            grown = replace(workload, batch=batch, width=width, height=height)
            changed = replace(context, workload=grown)
            calls[f"{width}x{height}, batch {batch},"] = partial(changed.generate, pipe, steps=2)
    return calls


def grown_side(side: int, times: float) -> int:
    """About so many times a side, in steps that every UNet takes; larger also of a small one."""
    return side if times == 1 else max(int(side * times) // STEP * STEP, side + STEP)


def _verify(pipe: Any, context: Context) -> str:
    if not hasattr(pipe.unet, "_orig_mod"):
        raise NotEngagedError("pipe.unet is not a compiled module")
    layout = check_settings(pipe, context)
    check_calls(pipe, context)
    calls = script(pipe, context)
    check_compiles_nothing(calls)
    return f"{context.graphs} graph compiled; {len(calls)} sizes and batches compiled nothing more; {layout}"


def _fits(workload: Workload, variant: Variant) -> str | None:
    drawn = variant.drawn(workload)
    if known_models.family(workload.model).samples(drawn) == 1:
        return (
            "torch makes no size of 1 dynamic, so a UNet that is given one row compiles anew for two; take a "
            "guidance above 1, or a batch of two"
        )
    return None


DYNAMIC = Optimization(
    name="dynamic",
    summary="torch.compile of the UNet with dynamic shapes, channels_last: one graph for all sizes",
    apply=_apply,
    verify=_verify,
    supports=supports_compiling,
    phase=4,
    # A callback that halves the batch keeps one picture's rows, and the proof draws two.
    conflicts=("channels-last", "compile", "compile-regional", "deepcache", "layerwise-fp8", "cfg-cutoff"),
    fits=_fits,
    compiles=True,
    settings=(*COMPILE_SETTINGS, "fx.use_duck_shape"),
    card=Card(
        where="every UNet; kernels for any size are slower than for one",
        proof="0 compilations over three sizes and two batches after the first call",
    ),
)
