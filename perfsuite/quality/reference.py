"""The float32 run that everything is compared with, and the honest runs that budgets are made of."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
import weakref
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfsuite import pipelines
from perfsuite.device import fingerprint, versions
from perfsuite.pipelines import models, prepare, prepared_of, release, unsupported, variants, workloads
from perfsuite.pipelines.dtypes import NAMES
from perfsuite.quality.components import measure_components
from perfsuite.quality.errors import Errors, Place, QualityError
from perfsuite.quality.loop import measure_loop, run_freely
from perfsuite.quality.metrics import broken, ssim
from perfsuite.quality.modules import ModuleRecord, measure_modules, record_modules
from perfsuite.quality.trace import Trace, check_prompts, record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from perfsuite.pipelines.technique import Context, Variant
    from perfsuite.records import Device, Workload

FORMAT = 3
ENVIRONMENT = ("ATEN_", "CUBLAS_", "DNNL_", "KMP_", "MKL_", "NVIDIA_", "ONEDNN_", "TORCH_")
"""Variables with these beginnings may change float32 results."""
STRUCTURE = {
    "unet": (
        "in_channels", "out_channels", "block_out_channels", "layers_per_block", "down_block_types",
        "up_block_types", "transformer_layers_per_block", "cross_attention_dim", "addition_embed_type",
    ),
    "vae": ("latent_channels", "block_out_channels", "layers_per_block"),
    "text_encoder": ("hidden_size", "num_hidden_layers", "vocab_size"),
    "text_encoder_2": ("hidden_size", "num_hidden_layers", "vocab_size", "projection_dim"),
}  # fmt: skip
"""Config entries that make an architecture."""


class WrongReferenceError(QualityError):
    """A reference that does not belong to the pipeline, or cannot be read."""


@dataclass(frozen=True)
class Yardstick:
    """What honest eager pipelines of one precision deviate from float32, look by look."""

    errors: dict[str, Errors]
    """By look: ``components``, ``modules``, ``loop``, ``free`` (the real run's latents)."""
    ssim: tuple[float, ...]
    """SSIM of each prompt's picture."""


@dataclass(frozen=True, eq=False)
class Reference:
    """The float32 run of a workload."""

    workload: Workload
    pictures: tuple[np.ndarray, ...]
    """One a prompt, float32 (height, width, 3) in [0, 1]."""
    traces: tuple[Trace, ...] = ()
    """One a prompt; empty where only pictures were drawn."""
    modules: tuple[ModuleRecord, ...] = ()
    folder: Path | None = None
    """Holds the modules' inputs and outputs."""
    structure: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Architecture of the components, see `STRUCTURE`."""
    device: Device | None = None
    weights: str = "auto"
    yardsticks: dict[str, Yardstick] = field(default_factory=dict, repr=False)
    """By precision; measured when first asked for, see `yardstick`."""

    def yardstick(self, precision: str) -> Yardstick:
        """The honest eager pipeline of this precision (``fp32``, ``bf16``, ``fp16``), measured once.

        Builds a pipeline beside those that are in memory, unless it was measured beforehand
        (`record_reference(precisions=...)`).
        """
        if precision not in self.yardsticks:
            if not self.traces or self.device is None:
                raise QualityError("this reference holds pictures only; record it with deep=True")
            self.yardsticks[precision] = _measure_yardstick(self, precision)
            if self.folder is not None and (self.folder.parent / "reference.json").exists():
                _write_yardstick(self.folder, precision, self.yardsticks[precision])
        return self.yardsticks[precision]


def twins(precision: str) -> tuple[Variant, ...]:
    """The honest eager pipelines that a precision's budgets are measured on.

    With and without SDPA: they round attention differently, and both are right.
    """
    return variants.combine([precision]), variants.combine([precision, "sdpa"])


def record_reference(
    workload: str | Workload,
    device: str | Device = "auto",
    weights: str = "auto",
    *,
    deep: bool = True,
    precisions: Sequence[str] = (),
    cache: Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Reference:
    """Draw the workload in strict float32 on this device; builds a pipeline and releases it again.

    `deep` also keeps what passed between components and through modules, without which only pictures
    can be judged. `precisions` are measured at once and not when first needed. With a folder `cache` a
    reference of the same weights, workload, device, versions and sources is read from there, else
    stored there; without one its modules are in a temporary folder that goes with it.

    Raises `PromptError`, `WrongReferenceError` for a damaged stored one, and what
    `perfsuite.pipelines.prepare` raises.
    """
    workload = workloads.get(workload)
    device = fingerprint(device) if isinstance(device, str) else device
    if not deep:
        prepared = prepare(workload, variants.REFERENCE, device, weights)
        try:
            check_prompts(prepared.pipe, workload)
            return Reference(workload, tuple(prepared.pictures()), device=device, weights=weights)
        finally:
            release(prepared.pipe)
    found: Reference | None = None
    folder: Path | None = None
    if cache is not None:
        folder = cache / f"{workload.name}-{content_key(workload, device, weights)[:20]}"
        if folder.exists():
            found = load_reference(folder, workload, device, weights)
    if found is None:
        found = _record(workload, device, weights, folder, progress)
    for precision in precisions:
        progress(f"honest {precision}")
        found.yardstick(precision)
    return found


def _record(
    workload: Workload, device: Device, weights: str, folder: Path | None, progress: Callable[[str], None]
) -> Reference:
    if folder is not None:
        folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=_ASIDE, dir=folder and folder.parent))
    try:
        prepared = prepare(workload, variants.REFERENCE, device, weights)
        try:
            check_prompts(prepared.pipe, workload)
            traces = []
            for prompt in range(len(workload.prompts)):
                progress(f"float32, prompt {prompt + 1} of {len(workload.prompts)}")
                traces.append(record(prepared.pipe, prepared.context, prompt))
            for trace, prompt_text in zip(traces, workload.prompts, strict=True):
                reason = broken(trace.picture)
                if reason is not None:
                    raise QualityError(f"float32 itself draws no picture of {prompt_text!r}: {reason}")
            progress("float32, modules")
            records = record_modules(prepared.pipe, prepared.context, traces, aside / "modules")
            structure = structure_of(prepared.pipe)
        finally:
            release(prepared.pipe)
        if folder is not None:
            _save(aside, workload, traces, records, structure)
            try:
                os.replace(aside, folder)
            except OSError:
                if not folder.exists():  # else another process stored the same meanwhile
                    raise
                shutil.rmtree(aside)
            _prune(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    reference = Reference(
        workload, tuple(t.picture for t in traces), tuple(traces), tuple(records),
        (folder or aside) / "modules", structure, device, weights,
    )  # fmt: skip
    if folder is None:
        weakref.finalize(reference, shutil.rmtree, aside, ignore_errors=True)
    return reference


def _measure_yardstick(reference: Reference, precision: str) -> Yardstick:
    """At each place the larger error of the `twins`."""
    assert reference.device is not None
    largest: dict[str, Errors] = {}
    similarity = [1.0] * len(reference.pictures)
    for variant in twins(precision):
        if variant == variants.REFERENCE:
            continue  # the reference itself, without error
        prepared = prepare(reference.workload, variant, reference.device, reference.weights, forced=True)
        try:
            pictures, _, free = run_freely(prepared.pipe, prepared.context, reference.traces)
            errors = {**look_deep(prepared.pipe, prepared.context, reference), "free": free}
        finally:
            # Nothing of it is compiled; a pipeline that is being judged may be, and stays as it is.
            release(prepared.pipe, forget=False)
            del prepared  # else it stays beside the next
            pipelines.free()
        for look, found in errors.items():
            held = largest.setdefault(look, {})
            for place, error in found.items():
                held[place] = max(error, held.get(place, 0.0))
        for i, (picture, wanted) in enumerate(zip(pictures, reference.pictures, strict=True)):
            similarity[i] = min(similarity[i], -1.0 if broken(picture) else ssim(picture, wanted))
    return Yardstick(largest, tuple(similarity))


def look_deep(pipe: Any, context: Context, reference: Reference) -> dict[str, Errors]:
    """Errors of components, modules and forced loop of an eager or compiled pipeline."""
    traces = reference.traces
    found = {"components": measure_components(pipe, context, traces)}
    if reference.folder is not None:
        found["modules"] = measure_modules(pipe, context, traces, reference.folder, reference.modules)
    found["loop"] = measure_loop(pipe, context, traces)
    return found


def precisions_of(chosen: Sequence[Variant], device: Device) -> list[str]:
    """The precisions of the variants that the device supports."""
    found = [v.optimizations[0].name for v in chosen if unsupported(v, device) is None]
    return [name for name in NAMES if name in found]


# -- the pipeline belongs to the reference -----------------------------------------------------------


def structure_of(pipe: Any) -> dict[str, dict[str, Any]]:
    """What makes the architecture of each component, as plain values."""
    found: dict[str, dict[str, Any]] = {}
    for component, names in STRUCTURE.items():
        model = getattr(pipe, component, None)
        config = getattr(model, "config", None)
        if config is not None:
            values = {name: getattr(config, name, None) for name in names}
            found[component] = json.loads(json.dumps(values, default=list))
    return found


def check_belongs(pipe: Any, reference: Reference, workload: Workload | None) -> None:
    """Raise `WrongReferenceError` if the pipeline is of another architecture or workload."""
    if workload is not None:
        ours = asdict(reference.workload)
        for name, value in asdict(workload).items():
            if name != "name" and value != ours[name]:
                raise WrongReferenceError(
                    f"the pipeline was built for {name} {value!r}, the reference recorded with "
                    f"{ours[name]!r}; record the reference of this workload"
                )
    prepared = prepared_of(pipe)
    if prepared is not None and prepared.weights != reference.weights:
        digests = {models.digest(reference.workload, w) for w in (reference.weights, prepared.weights)}
        if len(digests) > 1:
            raise WrongReferenceError(
                f"the pipeline's weights are those of {prepared.weights!r}, the reference's those of "
                f"{reference.weights!r}; record the reference of the same weights"
            )
    missing = [name for name in STRUCTURE if getattr(pipe, name, None) is None]
    if missing:
        raise WrongReferenceError(
            f"the pipeline has no {', '.join(missing)}; give a whole StableDiffusionXLPipeline"
        )
    found = structure_of(pipe)
    for component, wanted in reference.structure.items():
        for name, value in wanted.items():
            other = found.get(component, {}).get(name)
            if other != value:
                raise WrongReferenceError(
                    f"the pipeline is of another architecture: {component}.config.{name} is {other!r}, "
                    f"in the reference {value!r}; record a reference of this model"
                )


# -- on disk -----------------------------------------------------------------------------------------


def content_key(workload: Workload, device: Device, weights: str) -> str:
    """Hash of all that float32 results depend on."""
    import torch

    held = {name: value for name, value in os.environ.items() if name.startswith(ENVIRONMENT)}
    parts = {
        "format": FORMAT,
        "workload": asdict(workload),
        "weights": models.digest(workload, weights),
        "device": [device.kind, device.name, device.count, dict(device.details)],
        "versions": versions(),
        "torch": [torch.version.git_version, torch.__config__.show()],
        "sources": _sources_stamp(),
        "environment": held,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _sources_stamp() -> str:
    """Changes when a source file of what computes the pictures does: versions stay while one edits."""
    import diffusers
    import transformers

    import perfsuite

    stamp = hashlib.sha256()
    roots = {
        diffusers: ("models", "pipelines/stable_diffusion_xl", "schedulers", "image_processor.py"),
        transformers: ("models/clip", "modeling_utils.py", "masking_utils.py"),
        perfsuite: ("optimizations", "pipelines.py", "quality", "models/sources.py", "models/initial.py"),
    }
    for package, parts in roots.items():
        root = Path(str(package.__file__)).parent
        for part in parts:
            top = root / part
            for path in [top] if top.is_file() else sorted(top.rglob("*.py")):
                status = path.stat()
                stamp.update(f"{path.relative_to(root)} {status.st_size} {status.st_mtime_ns}\n".encode())
    return stamp.hexdigest()


def _save(
    folder: Path, workload: Workload, traces: Sequence[Trace], records: Sequence[ModuleRecord], structure: Any
) -> None:
    import torch
    from safetensors.torch import save_file

    for number, trace in enumerate(traces):
        tensors = {**trace.tensors, "picture": torch.from_numpy(trace.picture)}
        save_file({k: t.contiguous() for k, t in tensors.items()}, folder / f"trace-{number}.safetensors")
    document = {
        "format": FORMAT,
        "workload": asdict(workload),
        "structure": structure,
        "modules": [[r.place.key, r.file, r.kind] for r in records],
    }
    (folder / "reference.json").write_text(json.dumps(document, indent=1) + "\n")


def _write_yardstick(modules: Path, precision: str, yardstick: Yardstick) -> None:
    document = {
        "errors": {
            look: [[p.key, e] for p, e in errors.items()] for look, errors in yardstick.errors.items()
        },
        "ssim": yardstick.ssim,
    }
    path = modules.parent / f"yardstick-{precision}.json"
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(document) + "\n")
    os.replace(temporary, path)


def keep(reference: Reference) -> Path:
    """The folder from which another process can read this reference; it is as long there as this one.

    Raises `QualityError` for a reference that holds pictures only.
    """
    if reference.folder is None:
        raise QualityError("this reference holds pictures only; record it with deep=True")
    folder = reference.folder.parent
    if not (folder / "reference.json").exists():
        _save(folder, reference.workload, reference.traces, reference.modules, reference.structure)
        for precision, yardstick in reference.yardsticks.items():
            _write_yardstick(reference.folder, precision, yardstick)
    return folder


def load_reference(folder: Path, workload: Workload, device: Device, weights: str = "auto") -> Reference:
    """A reference that `record_reference` stored.

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
        traces = []
        for number in range(len(workload.prompts)):
            path = folder / f"trace-{number}.safetensors"
            tensors = load_file(path)
            picture = tensors.pop("picture").numpy()
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
    return Reference(
        workload, tuple(t.picture for t in traces), tuple(traces), records, folder / "modules",
        structure, device, weights, yardsticks,
    )  # fmt: skip


def _read_yardstick(path: Path) -> Yardstick:
    document = json.loads(path.read_text())
    errors = {
        look: {Place.from_key(key): float(error) for key, error in entries}
        for look, entries in document["errors"].items()
    }
    return Yardstick(errors, tuple(document["ssim"]))


_ASIDE = ".perfsuite-reference-"
KEPT = 4
"""Stored references of a workload; the oldest beyond it are deleted."""


def _prune(folder: Path) -> None:
    name = folder.name.rpartition("-")[0]
    for left in folder.parent.glob(f"{_ASIDE}*"):  # by a recording that was killed
        if time.time() - left.stat().st_mtime > 86400.0:
            shutil.rmtree(left, ignore_errors=True)
    beside = (p for p in folder.parent.iterdir() if p.is_dir() and p != folder)
    stored = [p for p in beside if p.name.rpartition("-")[0] == name]
    for path in sorted(stored, key=lambda p: p.stat().st_mtime)[: max(0, len(stored) - KEPT + 1)]:
        shutil.rmtree(path, ignore_errors=True)
