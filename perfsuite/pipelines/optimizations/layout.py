"""Memory layout of convolutions: channels last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations.evidence import NotEngagedError, models, some
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context, Variant


COMPILED = ("compile", "compile-regional", "dynamic", "aoti")
"""Techniques that lay out weights themselves, as the published recipe does."""


def lays_out(variant: Variant) -> bool:
    """Whether a variant's pictures pass in channels_last: what is compiled does, too."""
    return any(name in variant for name in ("channels-last", *COMPILED))


def apply_channels_last(pipe: Any, context: Context) -> None:
    """Lay out the weights of UNet and VAE with channels innermost."""
    import torch

    for model in models(pipe).values():
        model.to(memory_format=torch.channels_last)


def verify_channels_last(pipe: Any, context: Context) -> str:
    """Every convolution weight whose layout can differ is channels-last."""
    import torch

    weights = {
        f"{root}.{name}": parameter
        for root, model in models(pipe).items()
        for name, parameter in model.named_parameters()
        # One input channel or a 1x1 kernel: both layouts are the same memory.
        if parameter.dim() == 4 and parameter.shape[1] > 1 and parameter.shape[2:].numel() > 1
    }
    wrong = [
        name
        for name, weight in weights.items()
        if not weight.is_contiguous(memory_format=torch.channels_last)
    ]
    if wrong or not weights:
        raise NotEngagedError(
            f"{len(wrong)} of {len(weights)} convolution weights are not channels_last: {some(wrong)}"
        )
    return f"{len(weights)} convolution weights channels_last"


CHANNELS_LAST = Optimization(
    name="channels-last",
    summary="channels_last weights in UNet and VAE",
    apply=apply_channels_last,
    verify=verify_channels_last,
    phase=2,
    # They include it; naming both would make two names for one.
    conflicts=COMPILED,
)
