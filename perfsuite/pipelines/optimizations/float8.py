"""Dynamic float8 quantization with torchao: e4m3 weights and, at run time, activations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations.evidence import NotEngagedError, eager, some
from perfsuite.pipelines.optimizations.quantization import check_quantized, quantize, targets
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context
    from perfsuite.records import Device

MULTIPLE = 16
"""Of in and out features; torchao leaves other layers as they are without a word."""


LEAST = 1e-12
"""Least maximum of a row of activations. Without it torchao divides a row of zeros by zero: SDXL's
embeddings of the empty negative prompt are such rows, and every picture would be NaN."""


def _is_linear(module: Any) -> bool:
    import torch

    return isinstance(module, torch.nn.Linear)


def wants_linear(module: Any) -> bool:
    """Every linear layer whose features are such that the scaled product takes it."""
    return _is_linear(module) and module.in_features % MULTIPLE == 0 and module.out_features % MULTIPLE == 0


def is_float8(weight: Any) -> bool:
    """True for float8 weights whose layer quantizes its activations too, at run time."""
    import torch

    values = getattr(weight, "qdata", None)
    kinds = (torch.float8_e4m3fn, torch.float8_e4m3fnuz)
    return values is not None and values.dtype in kinds and weight.act_quant_kwargs is not None


def _apply(pipe: Any, context: Context) -> None:
    from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, PerRow

    # A scale for each row is nearer to float32 than one for all; torchao has it for bfloat16 alone, and
    # takes a 128x128 weight with one scale for something else.
    config = Float8DynamicActivationFloat8WeightConfig(
        granularity=PerRow(), activation_value_lb=LEAST, set_inductor_config=False
    )
    with eager(pipe):
        quantize(pipe, config, wants_linear)


def _verify(pipe: Any, context: Context) -> str:
    count = check_quantized(pipe, wants_linear, is_float8)
    chosen = targets(pipe, wants_linear)
    empty = [name for name, module in chosen.items() if not bool((module.weight.scale > 0).all())]
    if empty:
        raise NotEngagedError(f"weights with a row of zeros, whose float8 form is NaN: {some(empty)}")
    unbounded = [n for n, m in chosen.items() if not m.weight.act_quant_kwargs.hp_value_lb]
    if unbounded:
        raise NotEngagedError(f"layers in which a row of zeros becomes NaN: {some(unbounded)}")
    left = len(targets(pipe, _is_linear)) - count
    return f"{count} linear layers hold float8 weights, {left} left out for their shape"


def _supports(device: Device) -> str | None:
    if device.kind != "cuda":
        return "torchao's float8 products need a GPU: CUDA with compute capability 8.9"
    if float(device.details.get("capability", "9.0")) < 8.9:
        return f"float8 needs compute capability 8.9, {device.name} has {device.details['capability']}"
    return None


FP8 = Optimization(
    name="fp8",
    summary="dynamic float8 (e4m3) quantization of linear layers (torchao)",
    apply=_apply,
    verify=_verify,
    supports=_supports,
    phase=3,
    requires=("bf16",),
    conflicts=("int8", "int8-weights"),
    # Measured on the small model, with the weights and products made on a CPU: UNet and VAE needed 2.6 times
    # the honest error at most (all of 3.75), after guidance 2.9, the real run's latents 4.1; layers and what
    # holds them added at most 0.048, to which int8's margin is given.
    error_factor=3.0,
    layer_error=0.08,
)
