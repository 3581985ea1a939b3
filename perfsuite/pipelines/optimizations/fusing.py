"""Adapters that are added to the weights: how far each layer is from what it was, and whether it still is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations import adapters
from perfsuite.pipelines.optimizations.evidence import NotEngagedError, eager, models, some

if TYPE_CHECKING:
    from pathlib import Path

FUSED = "_perfsuite_fused"
"""Attribute of a UNet: by layer, how far its weight is from what it was, and its sum after fusing."""
NAME = "fused"


def fuse(pipe: Any, path: Path) -> None:
    """Load an adapter, add it to the weights, and take its layers away. Raises `AdapterError`."""
    import torch

    with eager(pipe):
        names = adapters.read(path, pipe)
        unet = models(pipe)["unet"]
        layers = dict(unet.named_modules())
        before = {name: layers[name].weight.detach().clone() for name in names}
        adapters.load(pipe, path, NAME)
        pipe.fuse_lora(adapter_names=[NAME])
        pipe.unload_lora_weights()
    layers = dict(unet.named_modules())
    after = {name: layers[name].weight.detach() for name in names}
    norms = {name: float(torch.linalg.vector_norm(weight.float())) for name, weight in before.items()}
    moved = {n: float(torch.linalg.vector_norm((after[n] - before[n]).float())) / norms[n] for n in names}
    setattr(unet, FUSED, {name: (moved[name], checksum(after[name])) for name in sorted(names)})


def checksum(weight: Any) -> float:
    """Tells whether a weight was put back, whatever type it is in now."""
    return float(weight.detach().double().abs().sum())


def check_fused(pipe: Any) -> int:
    """The number of layers that the adapter changed, and that are as it left them.

    Raises `NotEngagedError`.
    """
    unet = models(pipe)["unet"]
    fused: dict[str, tuple[float, float]] = getattr(unet, FUSED, {})
    if not fused:
        raise NotEngagedError("no adapter was fused")
    still = [name for name, (moved, _) in fused.items() if moved == 0.0]
    if still:
        raise NotEngagedError(
            f"the adapter changed nothing in {len(still)} of {len(fused)} layers: {some(still)}"
        )
    layers = dict(unet.named_modules())
    plain = {
        n: m.weight for n, m in layers.items() if n in fused and type(m.weight.data).__name__ == "Tensor"
    }
    back = [n for n, weight in plain.items() if abs(checksum(weight) / fused[n][1] - 1) > 1e-9]
    if back:
        raise NotEngagedError(f"weights are not as the adapter left them: {some(back)}")
    return len(fused)
