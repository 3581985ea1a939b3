"""Load a `StableDiffusionXLPipeline`: shipped weights, a local folder, or the hub. Safetensors only."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfsuite.models import shapes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfsuite.records import Device, Workload


class WeightsError(RuntimeError):
    """The weights are not there, or are not those of an SDXL pipeline."""


@dataclass(frozen=True)
class Source:
    """Where a model's weights can come from."""

    local: Path | None = None
    """Shipped with the package."""
    hub: str | None = None
    """Repository on the Hugging Face hub."""


SOURCES = {
    "shapes": Source(local=shapes.WEIGHTS),
    "sdxl-base": Source(hub="stabilityai/stable-diffusion-xl-base-1.0"),
}
WEIGHTS_HELP = "auto (shipped, else hub), hub, or a folder in diffusers' layout"


def _location(model: str, weights: str) -> tuple[str, bool]:
    """Folder or hub id, and whether it is a local folder."""
    source = SOURCES[model]
    if weights == "auto":
        if source.local is not None:
            return str(source.local), True
        weights = "hub"
    if weights == "hub":
        if source.hub is None:
            raise WeightsError(f"model {model!r} is not on the hub; use --perf-weights=auto")
        return source.hub, False
    folder = Path(weights)
    if not (folder / "model_index.json").is_file():
        raise WeightsError(f"--perf-weights={weights}: no model_index.json there; wanted {WEIGHTS_HELP}")
    return str(folder), True


SMALL_BYTES = 64 << 20
"""Files up to this size are hashed by content, larger ones by size and time of change."""


def digest(workload: Workload, weights: str = "auto") -> str:
    """What tells these weights from others: a hash of the folder's files, or hub id and revision."""
    place, local = _location(workload.model, weights)
    if not local:
        from huggingface_hub import constants

        cached = Path(constants.HF_HUB_CACHE) / f"models--{place.replace('/', '--')}" / "refs" / "main"
        return f"{place}@{cached.read_text().strip() if cached.is_file() else 'unknown'}"
    found = hashlib.sha256()
    for path in sorted(p for p in Path(place).rglob("*") if p.is_file()):
        status = path.stat()
        found.update(f"{path.relative_to(place)} {status.st_size}\n".encode())
        if status.st_size <= SMALL_BYTES:
            found.update(path.read_bytes())
        else:
            found.update(f"{status.st_mtime_ns}\n".encode())
    return found.hexdigest()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Progress bars of the loaders are noise between the suite's own lines."""
    import diffusers.utils.logging as diffusers_logging
    import transformers.utils.logging as transformers_logging

    levels = diffusers_logging.get_verbosity(), transformers_logging.get_verbosity()
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    diffusers_logging.set_verbosity_error()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        diffusers_logging.enable_progress_bar()
        transformers_logging.enable_progress_bar()
        diffusers_logging.set_verbosity(levels[0])
        transformers_logging.set_verbosity(levels[1])


def load(workload: Workload, device: Device, dtype: Any, weights: str = "auto") -> Any:
    """A `StableDiffusionXLPipeline` of the workload's model in `dtype` on the device.

    Raises `WeightsError` naming the place that was tried and the remedy.
    """
    from diffusers import StableDiffusionXLPipeline

    place, local = _location(workload.model, weights)
    try:
        with _quiet():
            pipe = StableDiffusionXLPipeline.from_pretrained(
                place, dtype=dtype, use_safetensors=True, local_files_only=local,
                add_watermarker=False,
            )  # fmt: skip
    except (OSError, ValueError) as error:
        remedy = (
            "give a folder saved by StableDiffusionXLPipeline.save_pretrained"
            if local
            else "connect to the hub once, or give --perf-weights=FOLDER"
        )
        raise WeightsError(f"cannot load {workload.model} from {place}: {error}; {remedy}") from error
    if not isinstance(pipe, StableDiffusionXLPipeline):
        raise WeightsError(f"{place} holds a {type(pipe).__name__}, not a StableDiffusionXLPipeline")
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device.kind)
