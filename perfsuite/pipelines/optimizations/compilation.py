"""torch.compile of denoiser and VAE decoder, with channels_last and the published Inductor flags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.evidence import NotEngagedError, compiled_parts_of
from perfsuite.pipelines.optimizations.inductor import (
    COMPILE_FLAGS,
    COMPILE_SETTINGS,
    set_flags,
    wrong_flags,
)
from perfsuite.pipelines.optimizations.layout import apply_channels_last, verify_channels_last
from perfsuite.pipelines.optimizations.precision import is_upcast
from perfsuite.pipelines.technique import Optimization
from perfsuite.pipelines.watching.stepwise import stepwise_of

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context
    from perfsuite.records import Device


def mode_for(device: Device) -> str:
    """``max-autotune`` on CUDA, as published.

    On a CPU it would time C++ templates of every matrix product, many minutes for a few per cent.
    """
    return "max-autotune" if device.kind == "cuda" else "default"


def decoder_mode_for(pipe: Any, device: Device) -> str:
    """The mode of the VAE's decoder: without CUDA graphs where its weights are cast on every call.

    A graph is recorded for weights at their addresses, and a cast makes new ones: it would be recorded
    anew on each call.
    """
    mode = mode_for(device)
    return f"{mode}-no-cudagraphs" if mode == "max-autotune" and is_upcast(pipe) else mode


def _apply(pipe: Any, context: Context) -> None:
    import torch

    apply_channels_last(pipe, context)
    set_flags(COMPILE_FLAGS, context)
    mode = mode_for(context.device)
    _compile_denoiser(pipe, mode)
    decoder_mode = decoder_mode_for(pipe, context.device)
    if decoder_mode != mode:
        context.note(f"the VAE is compiled with {decoder_mode}: it is up-cast on every call")
    decoder = getattr(pipe, family_of(pipe).decoder)
    decoder.decode = torch.compile(decoder.decode, mode=decoder_mode, fullgraph=True)


def _compile_denoiser(pipe: Any, mode: str) -> None:
    """The whole denoiser, or each function that stands for it."""
    import torch

    name = family_of(pipe).denoiser
    denoiser = getattr(pipe, name)
    stepwise = stepwise_of(denoiser)
    if stepwise is None:
        setattr(pipe, name, torch.compile(denoiser, mode=mode, fullgraph=True))
        return
    for part in stepwise.parts:
        setattr(stepwise, part, torch.compile(getattr(stepwise, part), mode=mode, fullgraph=True))


def check_settings(pipe: Any, context: Context) -> str:
    """Compilation is not switched off, Inductor's flags and the layout are as wanted; the layout in words.

    Raises `NotEngagedError`.
    """
    import torch

    if torch._dynamo.config.disable:
        raise NotEngagedError("compilation is switched off: is TORCH_COMPILE_DISABLE set?")
    wrong = wrong_flags(COMPILE_FLAGS)
    if wrong:
        raise NotEngagedError(f"Inductor flags lost: {', '.join(wrong)}")
    return verify_channels_last(pipe, context)


def check_calls(pipe: Any, context: Context) -> None:
    """The first call compiles; a second one may only run what is compiled, with no graph break.

    Raises `NotEngagedError`.
    """
    import torch
    from torch._dynamo.exc import Unsupported

    try:
        context.first_call(pipe)
    except Unsupported as error:
        raise NotEngagedError(f"graph break: {error}") from error
    compiled = context.compiled
    if compiled is not None:
        if compiled.made is not None and context.graphs == 0:
            raise NotEngagedError("the first call compiled nothing")
        if compiled.breaks:
            raise NotEngagedError(f"graph breaks: {'; '.join(compiled.breaks)}")
    try:
        with torch.compiler.set_stance("fail_on_recompile"):
            context.generate(pipe, steps=2)
    except RuntimeError as error:
        if "fail_on_recompile" not in str(error):
            raise  # out of memory, a lost device: not for the proof to explain
        raise NotEngagedError(f"a second call would compile again: {error}") from error


def _verify(pipe: Any, context: Context) -> str:
    family = family_of(pipe)
    denoiser = getattr(pipe, family.denoiser)
    stepwise = stepwise_of(denoiser)
    if stepwise is None and not hasattr(denoiser, "_orig_mod"):
        raise NotEngagedError(f"pipe.{family.denoiser} is not a compiled module")
    if stepwise is not None and compiled_parts_of(denoiser) < len(stepwise.parts):
        raise NotEngagedError(f"not all of {' and '.join(stepwise.parts)} are compiled")
    if not hasattr(getattr(pipe, family.decoder).decode, "_torchdynamo_orig_callable"):
        raise NotEngagedError(f"pipe.{family.decoder}.decode is not compiled")
    layout = check_settings(pipe, context)
    check_calls(pipe, context)
    return f"{context.graphs} graphs compiled ({mode_for(context.device)}), no graph break, {layout}"


def supports_compiling(device: Device) -> str | None:
    """Why Inductor cannot compile for the device, None if it can."""
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
    supports=supports_compiling,
    phase=4,
    conflicts=("channels-last", "compile-regional", "dynamic"),
    compiles=True,
    settings=COMPILE_SETTINGS,
)
