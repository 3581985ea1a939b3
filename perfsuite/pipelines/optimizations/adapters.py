"""LoRA adapters: where they are, that they are safetensors for this UNet, and what they change in it."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.models import shapes
from perfsuite.pipelines.optimizations.evidence import models, some

if TYPE_CHECKING:
    from pathlib import Path

    from perfsuite.records import Device, Workload

ADAPTERS: dict[tuple[str, str], Path] = {
    (name, "shapes"): shapes.ADAPTERS / f"{name}.safetensors" for name in ("lcm-lora", "lora-a", "lora-b")
}
"""By name and model."""


class AdapterError(RuntimeError):
    """An adapter that cannot be used; the message names the file, what is wrong with it, and the remedy."""


def without_peft(device: Device) -> str | None:
    """Why no adapter can be loaded here, None if one can: diffusers loads them by peft."""
    if importlib.util.find_spec("peft") is None:
        return "LoRA adapters need peft, which is not installed: pip install 'perfsuite[lora]'"
    return None


def no_adapter(name: str, workload: Workload) -> str | None:
    """Why there is none of this name for the workload's model, None if there is."""
    if (name, workload.model) not in ADAPTERS:
        return f"there is no adapter {name} for the model {workload.model} of {workload.name}"
    path = ADAPTERS[name, workload.model]
    return None if path.is_file() else f"its adapter {path} is not there; train it, or name another"


def read(path: Path, pipe: Any) -> dict[str, Any]:
    """The tensors of an adapter file, which fit this pipeline's UNet.

    Raises `AdapterError`: no file, no safetensors, damaged, nothing in it for this UNet, or of another shape.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix != ".safetensors":
        raise AdapterError(
            f"{path}: an adapter is a .safetensors file; others may run code when they are read"
        )
    try:
        tensors: dict[str, Any] = load_file(path)
    except FileNotFoundError as error:
        raise AdapterError(f"{path}: there is no such file; train it, or name another") from error
    except (OSError, SafetensorError) as error:
        raise AdapterError(f"{path}: the adapter is damaged ({error}); fetch or train it anew") from error
    former = [key for key in tensors if ".lora.down." in key or ".lora.up." in key]
    if former:
        raise AdapterError(
            f"{path}: {some(former)} are in diffusers' former notation, which is left out without an error "
            "beside lora_A and lora_B; rename lora.down to lora_A and lora.up to lora_B"
        )
    layers = dict(models(pipe)["unet"].named_modules())
    downs = {target_of(key): tensor for key, tensor in tensors.items() if ".lora_A." in key}
    found = {name: tensor for name, tensor in downs.items() if hasattr(layers.get(name), "weight")}
    if not found:
        raise AdapterError(f"{path}: it targets no layer of this UNet; name an adapter of this architecture")
    other = [n for n, down in found.items() if down.shape[1] != layers[n].weight.shape[1]]
    if other or len(found) < len(downs):
        gone = [name for name in downs if name not in found]
        raise AdapterError(
            f"{path}: of another architecture: {some(other or gone)} "
            f"{'have other shapes' if other else 'are no layers of this UNet'}; name an adapter of this one"
        )
    if not any(bool(torch.any(t != 0)) for key, t in tensors.items() if ".lora_B." in key):
        raise AdapterError(
            f"{path}: every lora_B is zero, so that it changes nothing; name a trained adapter"
        )
    return tensors


def target_of(key: str) -> str:
    """The layer that a tensor of an adapter is for, as the UNet names it."""
    return key.partition(".lora_")[0].removeprefix("unet.").removeprefix("base_model.model.")


def targets(pipe: Any) -> dict[str, Any]:
    """The UNet's layers that hold an adapter now, by name."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    named = models(pipe)["unet"].named_modules()
    return {name: module for name, module in named if isinstance(module, BaseTunerLayer)}
