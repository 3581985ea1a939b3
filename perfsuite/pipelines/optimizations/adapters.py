"""LoRA adapters: where they are, that they are safetensors for this UNet, and what they add to it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines import models as known_models
from perfsuite.pipelines.families import FAMILIES
from perfsuite.pipelines.models import shapes
from perfsuite.pipelines.optimizations.evidence import models, some

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from perfsuite.records import Device, Workload

ADAPTERS: dict[tuple[str, str], Path] = {
    (name, "shapes"): shapes.ADAPTERS / f"{name}.safetensors" for name in ("lcm-lora", "lora-a", "lora-b")
}
"""By name and model."""
LOADING = ("sdxl", "sd15")
"""Families whose pipelines load an adapter into a UNet."""
NO_SAFETENSORS = "is no .safetensors file, and others may run code when they are read"


class AdapterError(RuntimeError):
    """An adapter that cannot be used; the message names the file, what is wrong with it, and the remedy."""


def without_peft(device: Device) -> str | None:
    """Why no adapter can be loaded here, None if one can: diffusers loads them by peft."""
    if importlib.util.find_spec("peft") is None:
        return "LoRA adapters need peft, which is not installed: pip install 'perfsuite[lora]'"
    return None


@dataclass(frozen=True)
class Layer:
    """What an adapter adds to one layer: its two factors, and by how much they are scaled."""

    down: Any
    up: Any
    scale: float
    plain: bool = True
    """Whether it adds their product and nothing else; DoRA's magnitudes take more than that."""

    def fits(self, weight: Any) -> bool:
        """Whether it is for a weight of this shape."""
        wide, high, rank = self.down.shape[1], self.up.shape[0], self.down.shape[0]
        return (high, wide) == tuple(weight.shape[:2]) and rank == self.up.shape[1]


def path_of(adapter: str | Path, model: str) -> Path | None:
    """The file of an adapter, by its name for a model or by its own path; None where it has none."""
    return ADAPTERS.get((adapter, model)) if isinstance(adapter, str) else adapter


def files(*adapters: str | Path) -> Callable[[str], tuple[Path, ...]]:
    """The files of these adapters by model, for `Optimization.loads`."""

    def of(model: str) -> tuple[Path, ...]:
        found = (path_of(adapter, model) for adapter in adapters)
        return tuple(path for path in found if path is not None)

    return of


def no_adapter(adapter: str | Path, workload: Workload) -> str | None:
    """Why there is none for the workload's model, None if there is."""
    family = known_models.family(workload.model)
    if family.name not in LOADING:
        return (
            f"not for {family.title}: adapters are proven in UNets whose pipeline loads them, of "
            f"{' and '.join(FAMILIES[name].title for name in LOADING)}; take a workload of these"
        )
    path = path_of(adapter, workload.model)
    if path is None:
        having = ", ".join(sorted(model for name, model in ADAPTERS if name == adapter))
        return (
            f"there is no adapter {adapter} for the model {workload.model} of {workload.name}, but one for "
            f"{having}; take a workload of that, or register a technique with an adapter of your own "
            "(perfsuite guide registering)"
        )
    if not path.is_file():
        return f"its adapter {path} is not there; train it, or name another"
    if path.suffix != ".safetensors":
        return f"its adapter {path} {NO_SAFETENSORS}; convert it, or name another"
    return None


def check_none(pipe: Any, path: Path) -> None:
    """Raise `AdapterError` where the pipeline came with an adapter in its layers, which fusing another one
    and taking its layers away would take away, too."""
    came = sorted({name for names in pipe.get_list_adapters().values() for name in names})
    if came:
        raise AdapterError(
            f"{path}: the model comes with the adapter {', '.join(came)} in its layers, which would be lost; "
            "fuse it where the model is loaded: pipe.fuse_lora(), then pipe.unload_lora_weights()"
        )


def load(pipe: Any, path: Path, name: str, *, hotswap: bool = False) -> None:
    """Load a file that `read` accepted, with the alphas and the metadata that it holds."""
    pipe.load_lora_weights(
        str(path.parent), weight_name=path.name, use_safetensors=True, local_files_only=True,
        adapter_name=name, hotswap=hotswap,
    )  # fmt: skip


def read(path: Path, pipe: Any) -> dict[str, Layer]:
    """What an adapter file adds to the layers of this pipeline's UNet, in whatever naming diffusers loads.

    Raises `AdapterError`: no file, no safetensors, damaged, in no known naming, or of another architecture.
    """
    import torch

    found = _layers(path, pipe)
    layers = dict(models(pipe)["unet"].named_modules())
    gone = [name for name in found if not hasattr(layers.get(name), "weight")]
    if len(gone) == len(found):
        raise AdapterError(f"{path}: it targets no layer of this UNet; name an adapter of this architecture")
    other = [n for n, added in found.items() if n not in gone and not added.fits(layers[n].weight)]
    if other or gone:
        raise AdapterError(
            f"{path}: of another architecture: {some(other or gone)} "
            f"{'have other shapes' if other else 'are no layers of this UNet'}; name an adapter of this one"
        )
    if not any(bool(torch.any(layer.up != 0)) for layer in found.values()):
        raise AdapterError(
            f"{path}: every lora_B is zero, so that it changes nothing; name a trained adapter"
        )
    return found


def _layers(path: Path, pipe: Any) -> dict[str, Layer]:
    """By the UNet's own names; what is for text encoders is left out."""
    from diffusers.utils import convert_unet_state_dict_to_peft
    from safetensors import SafetensorError

    if path.suffix != ".safetensors":
        raise AdapterError(f"{path}: it {NO_SAFETENSORS}; convert it, or name another")
    if not path.is_file():
        raise AdapterError(f"{path}: there is no such file; train it, or name another")
    try:
        tensors, alphas, metadata = pipe.lora_state_dict(
            str(path.parent), weight_name=path.name, use_safetensors=True, local_files_only=True,
            unet_config=models(pipe)["unet"].config, return_lora_metadata=True,
        )  # fmt: skip
    except (OSError, SafetensorError) as error:
        raise AdapterError(f"{path}: the adapter is damaged ({error}); fetch or train it anew") from error
    except (KeyError, ValueError) as error:
        raise AdapterError(f"{path}: diffusers does not know its naming ({error}); convert it") from error
    own = {key: tensor for key, tensor in tensors.items() if not key.startswith("text_encoder")}
    former = [key for key in own if "lora.down." in key or "lora.up." in key]
    if former and len(former) < len(own):
        raise AdapterError(
            f"{path}: {some(former)} are in diffusers' former notation, which is left out without an error "
            "beside lora_A and lora_B; rename lora.down to lora_A and lora.up to lora_B"
        )
    if former:
        own, alphas = convert_unet_state_dict_to_peft(own), convert_unet_state_dict_to_peft(alphas or {})
    ups = {target_of(key): tensor for key, tensor in own.items() if ".lora_B." in key}
    downs = {target_of(key): tensor for key, tensor in own.items() if ".lora_A." in key}
    if not downs or downs.keys() != ups.keys():
        raise AdapterError(
            f"{path}: its tensors, as {some(sorted(tensors), 1)}, are named in no way that diffusers loads "
            "into a UNet; convert it"
        )
    by_name = {target_of(key): float(alpha) for key, alpha in (alphas or {}).items()}
    said = {key.removeprefix("unet."): value for key, value in (metadata or {}).items()}
    by_name |= said.get("alpha_pattern", {})
    alphas_of = {name: by_name.get(name, said.get("lora_alpha", len(down))) for name, down in downs.items()}
    power = 0.5 if said.get("use_rslora") else 1.0
    scaled = {target_of(key) for key in own if "lora_magnitude_vector" in key}
    return {
        n: Layer(down, ups[n], alphas_of[n] / len(down) ** power, n not in scaled)
        for n, down in downs.items()
    }


def target_of(key: str) -> str:
    """The layer that a tensor of an adapter is for, as the UNet names it."""
    layer = key.partition(".lora_")[0].removesuffix(".alpha")
    return layer.removeprefix("unet.").removeprefix("base_model.model.")


def targets(pipe: Any) -> dict[str, Any]:
    """The UNet's layers that hold an adapter now, by name."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    named = models(pipe)["unet"].named_modules()
    return {name: module for name, module in named if isinstance(module, BaseTunerLayer)}
