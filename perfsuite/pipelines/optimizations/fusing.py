"""Adapters that are added to the weights: how far each layer is from what it was, and whether it still is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations import adapters
from perfsuite.pipelines.optimizations.evidence import NotEngagedError, eager, models, some

if TYPE_CHECKING:
    from pathlib import Path

FUSED = "_perfsuite_fused"
"""Attribute of a UNet: `Fused` by layer."""
NAME = "fused"
CLOSE = 0.02
"""Of what a file adds to a layer: so far from it may be what was added, beside the weights' own rounding."""


@dataclass(frozen=True)
class Fused:
    """What fusing did to one layer."""

    moved: float
    """How far its weight is from what it was, relative."""
    whole: bool
    """Whether that is what the file adds, neither less nor more, as far as its two factors tell."""
    sum: float
    """Of the weight after it."""


def fuse(pipe: Any, path: Path) -> None:
    """Load an adapter, add it to the weights, and take its layers away. Raises `AdapterError`."""
    with eager(pipe):
        adapters.check_none(pipe, path)
        added = adapters.read(path, pipe)
        unet = models(pipe)["unet"]
        layers = dict(unet.named_modules())
        before = {name: layers[name].weight.detach().clone() for name in sorted(added)}
        adapters.load(pipe, path, NAME)
        pipe.fuse_lora(adapter_names=[NAME])
        pipe.unload_lora_weights()
    layers = dict(unet.named_modules())
    found = {name: _fused(was, layers[name].weight.detach(), added[name]) for name, was in before.items()}
    setattr(unet, FUSED, found)


def _fused(before: Any, after: Any, added: adapters.Layer) -> Fused:
    import torch
    from torch.linalg import vector_norm

    moved, norm = (after - before).float(), float(vector_norm(before.float()))
    # Where the weights are: full-size ones take long on a host.
    up, down = (part.to(moved).flatten(1) for part in (added.up, added.down))
    wanted = added.scale * (up @ down).reshape(moved.shape)
    allowed = CLOSE * float(vector_norm(wanted)) + torch.finfo(before.dtype).eps * norm
    whole = not added.plain or float(vector_norm(moved - wanted)) <= allowed
    return Fused(float(vector_norm(moved)) / (norm or 1.0), whole, checksum(after))


def checksum(weight: Any) -> float:
    """Tells whether a weight was put back, whatever type it is in now."""
    return float(weight.detach().double().abs().sum())


def check_fused(pipe: Any) -> int:
    """The number of layers that the adapter changed, and that are as it left them.

    Raises `NotEngagedError`.
    """
    unet = models(pipe)["unet"]
    fused: dict[str, Fused] = getattr(unet, FUSED, {})
    if not fused:
        raise NotEngagedError("no adapter was fused")
    still = [name for name, layer in fused.items() if layer.moved == 0.0]
    if still:
        raise NotEngagedError(
            f"the adapter changed nothing in {len(still)} of {len(fused)} layers: {some(still)}"
        )
    other = [name for name, layer in fused.items() if not layer.whole]
    if other:
        raise NotEngagedError(
            f"{len(other)} of {len(fused)} layers were changed by another amount than the adapter's file "
            f"holds: {some(other)}"
        )
    layers = dict(unet.named_modules())
    # Not of layers that were quantized, or put into another one for that.
    held = {n: getattr(layers.get(n), "weight", None) for n in fused}
    plain = {n: w for n, w in held.items() if w is not None and type(w.data).__name__ == "Tensor"}
    back = [n for n, weight in plain.items() if not math.isclose(checksum(weight), fused[n].sum)]
    if back:
        raise NotEngagedError(f"weights are not as the adapter left them: {some(back)}")
    return len(fused)
