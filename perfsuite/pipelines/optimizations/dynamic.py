"""torch.compile with dynamic shapes: one graph of the UNet for every size and batch."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines import models as known_models
from perfsuite.pipelines.families import family_of
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
PLACES = 8
"""A picture grows by so many places of the UNet's finest level, or a multiple: what is odd where the UNet
halves it stays odd."""


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
    workload, step = context.workload, PLACES * family_of(pipe).multiple
    for batch in (workload.batch, workload.batch + 1):
        for wide, high in GROWN:
            width, height = grown_side(workload.width, wide, step), grown_side(workload.height, high, step)
            grown = replace(workload, batch=batch, width=width, height=height)
            calls[f"{width}x{height}, batch {batch},"] = partial(_draw, pipe, context, grown)
    return calls


def _draw(pipe: Any, context: Context, workload: Workload) -> object:
    return replace(context, workload=workload).generate(pipe, steps=2)


def grown_side(side: int, times: float, step: int) -> int:
    """About so many times a side, further by whole steps: by one at least where it is to grow."""
    return side if times == 1 else side + step * max(1, int(side * (times - 1)) // step)


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
        measured="0.92x of bf16-sdpa-compile (n=9)",
    ),
)
