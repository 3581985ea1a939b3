"""The files of a stored float32 reference, and the key of all that it depends on."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import os
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from perfsuite.device import versions
from perfsuite.pipelines import models, variants
from perfsuite.pipelines.dtypes import NAMES
from perfsuite.pipelines.loaded import loaded_by
from perfsuite.pipelines.optimizations import OPTIMIZATIONS
from perfsuite.quality.generation import Trace
from perfsuite.quality.modules import ModuleRecord
from perfsuite.quality.relative_errors import Errors, Place, QualityError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from perfsuite.pipelines.families import Family
    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Device, Workload

FORMAT = 6
ENVIRONMENT = ("ATEN_", "CUBLAS_", "DNNL_", "KMP_", "MKL_", "NVIDIA_", "ONEDNN_", "TORCH_")
"""Variables with these beginnings may change float32 results."""
OWN_SOURCES = (
    "quality", "pipelines/optimizations", "pipelines/families", "pipelines/models", "pipelines/watching",
    "pipelines/building.py", "pipelines/dtypes.py", "pipelines/promises.py", "pipelines/schedules.py",
    "pipelines/technique.py", "pipelines/variants.py",
)  # fmt: skip
"""Files and folders of this package that compute what a reference holds."""


COMPARED = "compared"
"""Name of float32's picture in the trace of a run that draws another and is compared with that one."""
IN_CHANNELS_LAST = " in channels_last"
"""Ends the names of looks at the same honest code with its pictures in the other layout."""


class WrongReferenceError(QualityError):
    """A reference that does not belong to the pipeline, or cannot be read."""


@dataclass(frozen=True)
class Yardstick:
    """What honest eager pipelines of one precision deviate from float32, look by look."""

    errors: dict[str, Errors]
    """By look: ``components``, ``modules``, ``loop``, ``free`` (the real run's latents); the first two also
    with `IN_CHANNELS_LAST` at their end."""
    ssim: tuple[float, ...]
    """SSIM of each prompt's picture."""
    witness: dict[str, Errors] = field(default_factory=dict)
    """The same errors of an imitation by other kernels, see `perfsuite.quality.witness`; of some prompts."""
    witness_ssim: float | None = None
    """Least SSIM of the imitation's pictures; None where none was made."""


class Stored(NamedTuple):
    """What the files of a reference hold."""

    traces: tuple[Trace, ...]
    pictures: tuple[np.ndarray, ...]
    """What pictures are compared with."""
    modules: tuple[ModuleRecord, ...]
    structure: dict[str, dict[str, Any]]
    """Architecture of the components."""
    yardsticks: dict[str, Yardstick]


def content_key(workload: Workload, device: Device, weights: str, base: Variant = variants.REFERENCE) -> str:
    """Hash of all that float32 results depend on; `base`: what is run."""
    import torch

    family = models.family(workload.model)
    held = {name: value for name, value in os.environ.items() if name.startswith(ENVIRONMENT)}
    parts = {
        "format": FORMAT,
        "workload": asdict(workload),
        "base": base.name,
        "loaded": loaded_by(base, workload.model),
        "family": family.name,
        "weights": models.digest(workload, weights),
        "device": [device.kind, device.name, device.count, dict(device.details)],
        "versions": versions(),
        "torch": [torch.version.git_version, torch.__config__.show()],
        "sources": _sources_stamp(family, base),
        "environment": held,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _sources_stamp(family: Family, base: Variant) -> str:
    """Changes when a source file of what computes the pictures does: versions stay while one edits."""
    import diffusers
    import transformers

    import perfsuite

    stamp = hashlib.sha256()
    roots = {
        diffusers: (
            _pipeline_folder(family), "models", "schedulers", "loaders", "hooks", "callbacks.py",
            "image_processor.py", "pipelines/pipeline_utils.py",
        ),
        transformers: ("models/clip", "models/t5", "modeling_utils.py", "masking_utils.py"),
        perfsuite: OWN_SOURCES,
    }  # fmt: skip
    for package, parts in roots.items():
        root = Path(str(package.__file__)).parent
        for part in parts:
            _add(stamp, root / part, root)
    for path in sorted(_registered_sources(base)):
        _add(stamp, path, path.parent)
    return stamp.hexdigest()


def _pipeline_folder(family: Family) -> str:
    """Where diffusers has the family's pipeline, below its own folder."""
    import diffusers

    module: str = getattr(diffusers, family.pipeline).__module__
    return "/".join(module.split(".")[1:-1])


def _registered_sources(base: Variant) -> set[Path]:
    """Files of the techniques that others registered."""
    own = OPTIMIZATIONS.values()
    others = [o for o in base.optimizations if all(o.apply is not each.apply for each in own)]
    found = {getattr(inspect.unwrap(_function(o.apply)), "__code__", None) for o in others}
    return {path for code in found if code is not None and (path := Path(code.co_filename)).is_file()}


def _function(apply: Any) -> Any:
    """What a `functools.partial` calls."""
    while isinstance(apply, functools.partial):
        apply = apply.func
    return apply


def _add(stamp: hashlib._Hash, top: Path, root: Path) -> None:
    for path in [top] if top.is_file() else sorted(top.rglob("*.py")):
        status = path.stat()
        stamp.update(f"{path.relative_to(root)} {status.st_size} {status.st_mtime_ns}\n".encode())


def save(
    folder: Path, workload: Workload, traces: Sequence[Trace], records: Sequence[ModuleRecord],
    structure: Any, pictures: Sequence[np.ndarray],
) -> None:  # fmt: skip
    """`pictures`: what is compared with, which are the traces' own or others."""
    import torch
    from safetensors.torch import save_file

    for number, (trace, compared) in enumerate(zip(traces, pictures, strict=True)):
        tensors = {**trace.tensors, "picture": torch.from_numpy(trace.picture)}
        if compared is not trace.picture:
            tensors[COMPARED] = torch.from_numpy(compared)
        save_file({k: t.contiguous() for k, t in tensors.items()}, folder / f"trace-{number}.safetensors")
    document = {
        "format": FORMAT,
        "workload": asdict(workload),
        "structure": structure,
        "modules": [[r.place.key, r.file, r.kind] for r in records],
    }
    (folder / "reference.json").write_text(json.dumps(document, indent=1) + "\n")


def write_yardstick(modules: Path, precision: str, yardstick: Yardstick) -> None:
    document = {
        "errors": _listed(yardstick.errors),
        "ssim": yardstick.ssim,
        "witness": _listed(yardstick.witness),
        "witness_ssim": yardstick.witness_ssim,
    }
    path = modules.parent / f"yardstick-{precision}.json"
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(document) + "\n")
    os.replace(temporary, path)


def read(folder: Path, workload: Workload, *, with_others: bool = False) -> Stored:
    """What `save` and `write_yardstick` stored; `with_others`: the run is compared with other pictures than
    its own.

    Raises `WrongReferenceError` if a file is missing or damaged, or belongs to another workload.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / "reference.json"
    try:
        document = json.loads(path.read_text())
        if document["format"] != FORMAT:
            raise WrongReferenceError(
                f"{path}: format {document['format']!r}, wanted {FORMAT}; delete {folder}"
            )
        stored = document["workload"]
        for name, value in json.loads(json.dumps(asdict(workload))).items():
            if stored[name] != value:
                raise WrongReferenceError(
                    f"{path}: recorded with {name} {stored[name]!r}, wanted {value!r}; delete {folder}"
                )
        traces, pictures = [], []
        for number in range(len(workload.prompts)):
            path = folder / f"trace-{number}.safetensors"
            tensors = load_file(path)
            picture = tensors.pop("picture").numpy()
            pictures.append(tensors.pop(COMPARED).numpy() if with_others else picture)
            if len(tensors["timesteps"]) != len(tensors["latents"]):
                raise ValueError("steps and latents differ in number")
            traces.append(Trace(tensors, picture))
        path = folder / "reference.json"
        structure = document["structure"]
        records = tuple(ModuleRecord(Place.from_key(k), f, kind) for k, f, kind in document["modules"])
        for entry in records:
            if not (folder / "modules" / entry.file).is_file():
                raise ValueError(f"modules/{entry.file} is missing")
        yardsticks = {}
        for precision in NAMES:
            path = folder / f"yardstick-{precision}.json"
            if path.exists():
                yardsticks[precision] = _read_yardstick(path)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WrongReferenceError(
            f"{path}: the stored reference is damaged ({type(error).__name__}: {error}); "
            f"delete the folder {folder} and run again"
        ) from error
    return Stored(tuple(traces), tuple(pictures), records, structure, yardsticks)


def _read_yardstick(path: Path) -> Yardstick:
    document = json.loads(path.read_text())
    errors, witness = (
        {
            look: {Place.from_key(key): float(error) for key, error in entries}
            for look, entries in document[side].items()
        }
        for side in ("errors", "witness")
    )
    return Yardstick(errors, tuple(document["ssim"]), witness, document["witness_ssim"])


def _listed(errors: dict[str, Errors]) -> dict[str, list[list[Any]]]:
    """Places as text, which JSON can hold."""
    return {look: [[p.key, e] for p, e in of_look.items()] for look, of_look in errors.items()}


ASIDE = ".perfsuite-reference-"
KEPT = 4
"""Stored references of a workload; the oldest beyond it are deleted."""


def prune(folder: Path) -> None:
    name = folder.name.rpartition("-")[0]
    for left in folder.parent.glob(f"{ASIDE}*"):  # by a recording that was killed
        if time.time() - left.stat().st_mtime > 86400.0:
            shutil.rmtree(left, ignore_errors=True)
    beside = (p for p in folder.parent.iterdir() if p.is_dir() and p != folder)
    stored = [p for p in beside if p.name.rpartition("-")[0] == name]
    for path in sorted(stored, key=lambda p: p.stat().st_mtime)[: max(0, len(stored) - KEPT + 1)]:
        shutil.rmtree(path, ignore_errors=True)
