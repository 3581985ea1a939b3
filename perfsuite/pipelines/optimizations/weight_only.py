"""Weight-only int8 quantization with torchao: products stay in the pipeline's own precision.

It saves memory and its traffic, not arithmetic; without compilation each call writes the weights out
first, so expect it to be slower than plain weights there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations.evidence import eager
from perfsuite.pipelines.optimizations.quantization import TENSORS, check_quantized, is_int8, quantize
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines.families import Family
    from perfsuite.pipelines.technique import Context


def denoiser(family: Family) -> tuple[str, ...]:
    """Not the VAE: its four linear layers are nothing to save at, and compiled for a CPU they fail, as
    Inductor gives their transposed input to a kernel that takes none (`_weight_int8pack_mm`)."""
    return (family.denoiser,)


def wants_linear(module: Any) -> bool:
    """Every linear layer: the recipe's list is of shapes that quantizing activations made slower."""
    import torch

    return isinstance(module, torch.nn.Linear)


def is_weight_only(weight: Any) -> bool:
    """True for int8 weights whose layer takes its activations as they are."""
    return is_int8(weight) and getattr(weight, "act_quant_kwargs", None) is None


def _apply(pipe: Any, context: Context) -> None:
    from torchao.quantization import Int8WeightOnlyConfig

    with eager(pipe):
        config = Int8WeightOnlyConfig(set_inductor_config=False, version=TENSORS)
        quantize(pipe, config, wants_linear, denoiser)


def _verify(pipe: Any, context: Context) -> str:
    count = check_quantized(pipe, wants_linear, is_weight_only, denoiser)
    return f"{count} linear layers hold int8 weights and take plain activations"


INT8_WEIGHTS = Optimization(
    name="int8-weights",
    summary="int8 weights in the UNet's linear layers, activations as they are (torchao, weight-only)",
    apply=_apply,
    verify=_verify,
    phase=3,
    conflicts=("int8", "fp8"),
    # Measured on the small model, bf16: UNet and VAE needed 1.11 times the honest error at most (all of
    # 1.25), the real run's latents 1.35; layers added at most 0.008, to which int8's margin is given.
    error_factor=1.2,
    layer_error=0.015,
)
