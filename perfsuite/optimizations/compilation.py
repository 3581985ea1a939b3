"""torch.compile of UNet and VAE decoder, with channels_last and the published Inductor flags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.optimizations.evidence import NotEngagedError
from perfsuite.optimizations.inductor import COMPILE_FLAGS, set_flags, wrong_flags
from perfsuite.optimizations.layout import apply_channels_last, verify_channels_last
from perfsuite.records import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines import Context
    from perfsuite.records import Device


def mode_for(device: Device) -> str:
    """``max-autotune`` on CUDA, as published.

    On a CPU it would time C++ templates of every matrix product, many minutes for a few per cent.
    """
    return "max-autotune" if device.kind == "cuda" else "default"


def _apply(pipe: Any, context: Context) -> None:
    import torch

    apply_channels_last(pipe, context)
    set_flags(COMPILE_FLAGS, context)
    mode = mode_for(context.device)
    pipe.unet = torch.compile(pipe.unet, mode=mode, fullgraph=True)
    pipe.vae.decode = torch.compile(pipe.vae.decode, mode=mode, fullgraph=True)


def _graphs() -> int:
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])


def _verify(pipe: Any, context: Context) -> str:
    """The first call compiles; a second one may only run what is compiled, with no graph break."""
    import torch
    from torch._dynamo.utils import counters

    if not hasattr(pipe.unet, "_orig_mod"):
        raise NotEngagedError("pipe.unet is not a compiled module")
    if not hasattr(pipe.vae.decode, "_torchdynamo_orig_callable"):
        raise NotEngagedError("pipe.vae.decode is not compiled")
    if torch._dynamo.config.disable:
        raise NotEngagedError("compilation is switched off: is TORCH_COMPILE_DISABLE set?")
    wrong = wrong_flags(COMPILE_FLAGS)
    if wrong:
        raise NotEngagedError(f"Inductor flags lost: {', '.join(wrong)}")
    layout = verify_channels_last(pipe, context)
    before = _graphs()
    context.first_call(pipe)
    made = _graphs() - before
    if made == 0 and context.graphs == 0:
        raise NotEngagedError("the first call compiled nothing")
    context.graphs += made
    if counters["graph_break"]:
        raise NotEngagedError(f"graph breaks: {'; '.join(counters['graph_break'])}")
    try:
        with torch.compiler.set_stance("fail_on_recompile"):
            context.generate(pipe, steps=2)
    except RuntimeError as error:
        raise NotEngagedError(f"a second call would compile again: {error}") from error
    return f"{context.graphs} graphs compiled ({mode_for(context.device)}), no graph break, {layout}"


def _supports(device: Device) -> str | None:
    if device.kind != "cpu":
        return None
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        return f"torch.compile on a CPU needs a C++ compiler: {str(error).strip().splitlines()[0]}"
    return None


COMPILE = Optimization(
    name="compile",
    summary="torch.compile of UNet and VAE decoder, channels_last, published Inductor flags",
    apply=_apply,
    verify=_verify,
    supports=_supports,
    phase=4,
    conflicts=("channels-last",),
)
