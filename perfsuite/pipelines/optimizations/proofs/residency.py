"""Where weights are, and in which type, while they are used and while they rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.evidence import eager, models

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context

USING = ("linear", "conv2d")
"""Functions that take a layer's weight as their second argument."""


@dataclass(frozen=True)
class Residency:
    """Weights by ``device dtype``, as in ``cpu float8_e4m3fn``."""

    before: dict[str, str]
    """By qualified name, before a generation."""
    after: dict[str, str]
    used: Counter[str] = field(default_factory=Counter)
    """How often a weight of the kind was used by a product or convolution."""


def weights_at_rest(model: Any, root: str) -> dict[str, str]:
    """Where the floating weights of a model are now."""
    return {
        f"{root}.{name}": _kind(parameter)
        for name, parameter in model.named_parameters()
        if parameter.is_floating_point()
    }


def watch_weights(pipe: Any, context: Context) -> Residency:
    """Draw one picture of one step; where the denoiser's weights were before, during and after it."""
    from torch.overrides import TorchFunctionMode

    root = family_of(pipe).denoiser
    used: Counter[str] = Counter()
    inside: list[bool] = []

    class Listen(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if inside and getattr(func, "__name__", "") in USING:
                used[_kind(args[1] if len(args) > 1 else (kwargs or {})["weight"])] += 1
            return func(*args, **(kwargs or {}))

    denoiser = models(pipe)[root]
    before = weights_at_rest(denoiser, root)
    handles = [
        denoiser.register_forward_pre_hook(lambda *_: inside.append(True)),
        denoiser.register_forward_hook(lambda *_: inside.clear()),
    ]
    try:
        with eager(pipe), Listen():
            context.generate(pipe, steps=1)
    finally:
        for handle in handles:
            handle.remove()
    return Residency(before, weights_at_rest(denoiser, root), used)


def _kind(tensor: Any) -> str:
    return f"{tensor.device.type} {str(tensor.dtype).removeprefix('torch.')}"
