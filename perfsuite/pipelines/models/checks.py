"""Whether weights are those of the model, and fit into memory: said before anything is loaded."""

from __future__ import annotations

import json
import math
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from perfsuite.pipelines.families import Family

PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle")
"""Formats that run code when they are loaded."""
CONVERT = "pickled weights can run code and are never loaded; convert them to .safetensors"
ALLOWANCE = 1.2
"""Memory beside the weights, in multiples of theirs: activations, and what loading takes."""
OF_SINGLE_FILES = "StableDiffusionXLPipeline"
SINGLE_FILE = {
    "unet": "model.diffusion_model.",
    "vae": "first_stage_model.",
    "text_encoder": "conditioner.embedders.0.",
    "text_encoder_2": "conditioner.embedders.1.",
}
"""Where the components are in a single file of the original layout."""
_UNCOUNTED = ("position_ids", "logit_scale")
"""Tensors of published files that are no parameters of the pipeline."""


class WeightsError(RuntimeError):
    """The weights are not there, or are not those of the pipeline that the model is."""


def header(path: Path) -> dict[str, int]:
    """Number of values of each tensor in a safetensors file, read from its header alone.

    Raises `WeightsError` for another file.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > 100_000_000:
                raise ValueError(f"a header of {length} bytes")
            entries = json.loads(file.read(length))
        return {name: math.prod(e["shape"]) for name, e in entries.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise WeightsError(f"{path}: no readable safetensors file ({error}); copy it again") from error


def weight_files(folder: Path, variant: str | None = None) -> list[Path]:
    """The safetensors files of one component, those of a variant (``fp16``) or those of none."""
    found = sorted(folder.glob("*.safetensors"))
    words = {path: path.name.split(".")[1:-1] for path in found}
    return [p for p in found if (variant in words[p] if variant else not ({"fp16", "bf16"} & set(words[p])))]


def check_folder(folder: Path, family: Family, wanted: Mapping[str, int] | None, title: str) -> str | None:
    """Refuse a folder of another pipeline than the family's, or whose components have other sizes.

    Returns ``fp16`` where only files of that variant are there. Raises `WeightsError`.
    """
    index = folder / "model_index.json"
    try:
        name = json.loads(index.read_text())["_class_name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{index}: not readable ({type(error).__name__}: {error}); copy it again"
        ) from error
    if name != family.pipeline:
        raise WeightsError(
            f"{folder} holds a {name}, not a {family.pipeline}; "
            f"give a folder saved by {family.pipeline}.save_pretrained"
        )
    components = (*family.models, *family.encoders)
    variants: list[str | None] = [None, "fp16"]
    variant = next((v for v in variants if all(weight_files(folder / c, v) for c in components)), None)
    for component in components:
        files = weight_files(folder / component, variant)
        if not files:
            pickles = sorted(p.name for p in (folder / component).glob("*") if p.suffix in PICKLES)
            reason = f"only {pickles[0]}: {CONVERT}" if pickles else "none; copy the whole folder"
            raise WeightsError(f"{folder / component}: wanted safetensors, found {reason}")
        if wanted is not None:
            check_count(str(folder), component, _count(header(f) for f in files), wanted, title)
    return variant


def check_file(path: Path, family: Family, wanted: Mapping[str, int] | None, title: str) -> None:
    """Refuse a single file that is pickled, or whose components are missing or have other sizes."""
    if family.pipeline != OF_SINGLE_FILES:
        raise WeightsError(
            f"{path}: single files are read for {OF_SINGLE_FILES} alone; give a folder saved by "
            f"{family.pipeline}.save_pretrained"
        )
    if path.suffix in PICKLES:
        raise WeightsError(f"{path}: {CONVERT}")
    if path.suffix != ".safetensors":
        raise WeightsError(f"{path}: wanted a .safetensors file or a folder in diffusers' layout")
    tensors = header(path)
    for component, prefix in SINGLE_FILE.items():
        count = _count([{n: size for n, size in tensors.items() if n.startswith(prefix)}])
        if not count:
            raise WeightsError(f"{path}: no {component} ({prefix}*) in it; give a whole SDXL checkpoint")
        if wanted is not None:
            check_count(str(path), component, count, wanted, title)


def _count(headers: Iterator[dict[str, int]] | list[dict[str, int]]) -> int:
    return sum(n for h in headers for name, n in h.items() if not name.endswith(_UNCOUNTED))


def check_count(place: str, component: str, found: int, wanted: Mapping[str, int], title: str) -> None:
    """Raise `WeightsError` where a component has another number of parameters than the model's."""
    if found != wanted[component]:
        raise WeightsError(
            f"{place} is another model: its {component} has {found:,} parameters, {title} has "
            f"{wanted[component]:,}; give {title.removesuffix(' 1.0')}, or --perf-weights=hub or random"
        )


def check_memory(parameters: int, bytes_each: int, free: int, where: str) -> None:
    """Raise `WeightsError` where weights of so many parameters do not fit into `free` bytes."""
    needed = int(parameters * bytes_each * ALLOWANCE)
    if needed > free:
        raise WeightsError(
            f"too little memory on {where}: {needed / 2**30:.1f} GiB needed ({parameters:,} parameters of "
            f"{bytes_each} bytes and {ALLOWANCE - 1:.0%} beside them), {free / 2**30:.1f} GiB free; "
            "end other programs, or take another device or precision"
        )
