"""Dynamic int8 quantization with torchao: activations at run time, weights once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import Family, family_of
from perfsuite.pipelines.optimizations.evidence import NotEngagedError, eager, models, some
from perfsuite.pipelines.optimizations.inductor import INT8_FLAGS, set_flags
from perfsuite.pipelines.optimizations.projections import dead_projections
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context
    from perfsuite.records import Device

SLOWER_IN_INT8 = frozenset(
    {
        (1280, 640), (1920, 1280), (1920, 640), (2048, 1280), (2048, 2560), (2560, 1280), (256, 128),
        (2816, 1280), (320, 640), (512, 1536), (512, 256), (512, 512), (640, 1280), (640, 1920),
        (640, 320), (640, 5120), (640, 640), (960, 320), (960, 640),
    }
)  # fmt: skip
"""(in, out) features of SDXL's linear layers that the recipe found slower when quantized.

Source: github.com/huggingface/diffusion-fast, `dynamic_quant_filter_fn`.
"""


def wants_linear(module: Any) -> bool:
    """The published filter for linear layers."""
    import torch

    return (
        isinstance(module, torch.nn.Linear)
        and module.in_features > 16
        and (module.in_features, module.out_features) not in SLOWER_IN_INT8
    )


def wants_convolution(module: Any) -> bool:
    """The published filter for 1x1 convolutions, which are swapped for linear layers first."""
    import torch

    return (
        isinstance(module, torch.nn.Conv2d)
        and module.kernel_size == (1, 1)
        and 128 in (module.in_channels, module.out_channels)
    )


def is_int8(weight: Any) -> bool:
    """True for a torchao tensor that holds int8 values."""
    import torch

    values = getattr(weight, "qdata", None)
    return values is not None and values.dtype == torch.int8


def is_dynamic_int8(weight: Any) -> bool:
    """True for int8 weights whose layer quantizes its activations too, at run time."""
    return is_int8(weight) and getattr(weight, "act_quant_kwargs", None) is not None


TENSORS = 2
"""Version of torchao's int8 configurations: that of Int8Tensor, which 0.17 makes only if asked to."""


def both(family: Family) -> tuple[str, ...]:
    """Denoiser and decoder."""
    return family.models


Roots = Callable[[Family], tuple[str, ...]]
"""Of a family, the models whose layers are quantized."""


def targets(pipe: Any, wants: Callable[[Any], bool], roots: Roots = both) -> dict[str, Any]:
    """The layers to quantize: those of `roots` that the filter takes, less those that fusing left unused."""
    dead, within = dead_projections(pipe), roots(family_of(pipe))
    return {
        f"{root}.{name}": module
        for root, model in models(pipe).items()
        if root in within
        for name, module in model.named_modules()
        if wants(module) and f"{root}.{name}" not in dead
    }


def quantize(pipe: Any, config: Any, wants: Callable[[Any], bool], roots: Roots = both) -> None:
    """Quantize `targets` with a torchao configuration."""
    from torchao.quantization import quantize_

    chosen = targets(pipe, wants, roots)
    for root, model in models(pipe).items():
        quantize_(model, config, lambda module, name, root=root: f"{root}.{name}" in chosen)


def check_quantized(
    pipe: Any, wants: Callable[[Any], bool], holds: Callable[[Any], bool], roots: Roots = both
) -> int:
    """The number of `targets`, all of which hold weights as they must and no unused layer does.

    Raises `NotEngagedError`.
    """
    chosen = targets(pipe, wants, roots)
    plain = [name for name, module in chosen.items() if not holds(module.weight)]
    if plain or not chosen:
        raise NotEngagedError(f"{len(plain)} of {len(chosen)} linear layers not quantized: {some(plain)}")
    dead = dead_projections(pipe)
    wasted = [
        f"{root}.{name}"
        for root, model in models(pipe).items()
        for name, module in model.named_modules()
        if f"{root}.{name}" in dead and holds(module.weight)
    ]
    if wasted:
        raise NotEngagedError(f"layers that nothing calls were quantized: {some(wasted)}")
    return len(chosen)


def _apply(pipe: Any, context: Context) -> None:
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, swap_conv2d_1x1_to_linear

    set_flags(INT8_FLAGS, context)
    # Left to itself `quantize_` changes Inductor's global configuration.
    config = Int8DynamicActivationInt8WeightConfig(set_inductor_config=False, version=TENSORS)
    with eager(pipe):
        for model in models(pipe).values():
            swap_conv2d_1x1_to_linear(model, lambda module, name: wants_convolution(module))
        quantize(pipe, config, wants_linear)


def _verify(pipe: Any, context: Context) -> str:
    left = [
        f"{root}.{name}"
        for root, model in models(pipe).items()
        for name, module in model.named_modules()
        if wants_convolution(module)
    ]
    if left:
        raise NotEngagedError(f"1x1 convolutions not swapped for linear layers: {some(left)}")
    count = check_quantized(pipe, wants_linear, is_dynamic_int8)
    return f"{count} linear layers hold int8 weights"


def _supports(device: Device) -> str | None:
    if device.kind == "cuda" and float(device.details.get("capability", "9.0")) < 8.0:
        return f"int8 needs compute capability 8.0, {device.name} has {device.details['capability']}"
    return None


INT8 = Optimization(
    name="int8",
    summary="dynamic int8 quantization of linear layers and 1x1 convolutions (torchao)",
    apply=_apply,
    verify=_verify,
    supports=_supports,
    phase=3,
    conflicts=("int8-weights", "fp8"),
    error_factor=3.0,
    layer_error=0.04,
    settings=tuple(f"inductor.{flag}" for flag in INT8_FLAGS),
)
