"""The float32 run that everything is compared with, and the honest runs that budgets are made of."""

from __future__ import annotations

import functools
import json
import os
import shutil
import tempfile
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfsuite import pipelines
from perfsuite.device import fingerprint
from perfsuite.pipelines import prepare, release, unsupported, variants, workloads
from perfsuite.pipelines.dtypes import NAMES
from perfsuite.pipelines.optimizations.layout import apply_channels_last
from perfsuite.pipelines.promises import Promise
from perfsuite.quality.coherence import check_coherent
from perfsuite.quality.components import measure_components
from perfsuite.quality.generation import Trace, check_prompts, record
from perfsuite.quality.loop import measure_loop, run_freely
from perfsuite.quality.metrics import broken, ssim
from perfsuite.quality.modules import ModuleRecord, measure_modules, record_modules
from perfsuite.quality.reference_files import (
    ASIDE,
    IN_CHANNELS_LAST,
    Yardstick,
    content_key,
    prune,
    read,
    save,
    write_yardstick,
)
from perfsuite.quality.relative_errors import Errors, QualityError
from perfsuite.quality.several import measure_batch, measure_several
from perfsuite.quality.witness import imitating, in_float64, round_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from perfsuite.pipelines.technique import Context, Variant
    from perfsuite.records import Device, Workload

STRUCTURE = {
    "unet": (
        "in_channels", "out_channels", "block_out_channels", "layers_per_block", "down_block_types",
        "up_block_types", "transformer_layers_per_block", "cross_attention_dim", "addition_embed_type",
    ),
    "vae": ("latent_channels", "block_out_channels", "layers_per_block"),
    "transformer": (
        "num_layers", "num_single_layers", "num_attention_heads", "attention_head_dim", "in_channels",
        "out_channels", "patch_size", "cross_attention_dim", "joint_attention_dim", "caption_channels",
        "pooled_projection_dim", "guidance_embeds",
    ),
    "text_encoder": ("hidden_size", "num_hidden_layers", "vocab_size"),
    "text_encoder_2": ("hidden_size", "num_hidden_layers", "vocab_size", "projection_dim"),
    "text_encoder_3": ("hidden_size", "num_hidden_layers", "vocab_size"),
}  # fmt: skip
"""Config entries that make an architecture."""


@dataclass(frozen=True, eq=False)
class Reference:
    """The float32 run of a workload."""

    workload: Workload
    """As the base draws it."""
    pictures: tuple[np.ndarray, ...]
    """What pictures are compared with: one a prompt, float32 (height, width, 3) in [0, 1].

    The run's own, but of an approximate base plain float32's: what it costs is seen in them.
    """
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
    base: Variant = variants.REFERENCE
    """What was run: strict float32, with the techniques that are not exact where variants with them are
    compared with it."""

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
                write_yardstick(self.folder, precision, self.yardsticks[precision])
        return self.yardsticks[precision]


def twins(precision: str, base: Variant = variants.REFERENCE) -> tuple[Variant, ...]:
    """The honest eager pipelines that a precision's budgets are measured on, as the base but for it.

    With and without SDPA: they round attention differently, and both are right.
    """
    return variants.combine([precision, *base.kept]), variants.combine([precision, "sdpa", *base.kept])


def record_reference(
    workload: str | Workload,
    device: str | Device = "auto",
    weights: str = "auto",
    *,
    deep: bool = True,
    precisions: Sequence[str] = (),
    cache: Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
    base: Variant = variants.REFERENCE,
    pictures: tuple[np.ndarray, ...] | None = None,
) -> Reference:
    """Draw the workload in strict float32 on this device; builds a pipeline and releases it again.

    `deep` also keeps what passed between components and through modules, without which only pictures
    can be judged. `precisions` are measured at once and not when first needed. With a folder `cache` a
    reference of the same weights, workload, device, versions and sources is read from there, else
    stored there; without one its modules are in a temporary folder that goes with it.

    `base` is what is run, see `Reference.base`. An approximate one is compared with plain float32's
    `pictures`, which are drawn beforehand if they are not given.

    Raises `PromptError`, `WrongReferenceError` for a damaged stored one, and what
    `perfsuite.pipelines.prepare` raises.
    """
    plain = workloads.get(workload)
    workload = base.drawn(plain)
    device = fingerprint(device) if isinstance(device, str) else device
    if not deep:
        pictures = pictures or _pictures(plain, compared_with(base), device, weights)
        return Reference(workload, pictures, device=device, weights=weights, base=base)
    found: Reference | None = None
    folder: Path | None = None
    if cache is not None:
        key = content_key(workload, device, weights, base)
        folder = cache / f"{_file_name(workload, base)}-{key[:20]}"
        if folder.exists():
            found = load_reference(folder, workload, device, weights, base)
    if found is None:
        if compared_with(base) != base and pictures is None:
            progress("float32, its pictures")
            pictures = _pictures(plain, compared_with(base), device, weights)
        found = _record(workload, device, weights, folder, progress, base, pictures)
    for precision in precisions:
        progress(f"honest {precision}")
        found.yardstick(precision)
    return found


def compared_with(base: Variant) -> Variant:
    """Whose pictures a run's are held against: of what is approximate plain float32's, else its own."""
    return variants.REFERENCE if base.promise is Promise.APPROXIMATE else base


def _pictures(workload: Workload, run: Variant, device: Device, weights: str) -> tuple[np.ndarray, ...]:
    """Those alone, for which nothing on the way is kept."""
    prepared = prepare(workload, run, device, weights)
    try:
        check_prompts(prepared.pipe, workload)
        return tuple(prepared.pictures())
    finally:
        release(prepared.pipe)


def _file_name(workload: Workload, base: Variant) -> str:
    kept = "".join(f"-{name.replace(':', '-')}" for name in base.kept)
    return f"{workload.name}{kept}"


def _record(
    workload: Workload, device: Device, weights: str, folder: Path | None, progress: Callable[[str], None],
    base: Variant, pictures: tuple[np.ndarray, ...] | None = None,
) -> Reference:  # fmt: skip
    """`pictures`: what is compared with, where it is not the run's own."""
    if folder is not None:
        folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=ASIDE, dir=folder and folder.parent))
    try:
        prepared = prepare(workload, base, device, weights)
        try:
            check_prompts(prepared.pipe, workload)
            traces = []
            for prompt in range(len(workload.prompts)):
                progress(f"float32, prompt {prompt + 1} of {len(workload.prompts)}")
                traces.append(record(prepared.pipe, prepared.context, prompt))
            check_coherent(prepared.pipe, prepared.context, workload.prompts, traces)
            progress("float32, modules")
            records = record_modules(prepared.pipe, prepared.context, traces, aside / "modules")
            structure = structure_of(prepared.pipe)
        finally:
            release(prepared.pipe)
        pictures = pictures or tuple(trace.picture for trace in traces)
        if folder is not None:
            save(aside, workload, traces, records, structure, pictures)
            try:
                os.replace(aside, folder)
            except OSError:
                if not folder.exists():  # else another process stored the same meanwhile
                    raise
                shutil.rmtree(aside)
            prune(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    reference = Reference(
        workload, pictures, tuple(traces), tuple(records),
        (folder or aside) / "modules", structure, device, weights, base=base,
    )  # fmt: skip
    if folder is None:
        weakref.finalize(reference, shutil.rmtree, aside, ignore_errors=True)
    return reference


def _measure_yardstick(reference: Reference, precision: str) -> Yardstick:
    """At each place the larger error of the `twins`."""
    assert reference.device is not None
    largest: dict[str, Errors] = {}
    similarity = [1.0] * len(reference.pictures)
    for variant in twins(precision, reference.base):
        if variant == reference.base:
            continue  # the reference itself, without error
        prepared = prepare(reference.workload, variant, reference.device, reference.weights, forced=True)
        try:
            pictures, _, free = run_freely(prepared.pipe, prepared.context, reference.traces)
            errors = {**look_deep(prepared.pipe, prepared.context, reference), "free": free}
            if "sdpa" in variant:  # in the other layout other kernels run, as honest ones
                errors |= _look_in_channels_last(prepared.pipe, prepared.context, reference)
        finally:
            # Nothing of it is compiled; a pipeline that is being judged may be, and stays as it is.
            release(prepared.pipe, forget=False)
            del prepared  # else it stays beside the next
            pipelines.free()
        for look, found in errors.items():
            held = largest.setdefault(look, {})
            for place, error in found.items():
                held[place] = max(error, held.get(place, 0.0))
        for i, (picture, wanted) in enumerate(zip(pictures, _own_pictures(reference), strict=True)):
            similarity[i] = min(similarity[i], -1.0 if broken(picture) else ssim(picture, wanted))
    return Yardstick(largest, tuple(similarity), *_measure_witness(reference, precision))


def _own_pictures(reference: Reference) -> list[np.ndarray]:
    """Those of the run itself, whatever pictures are compared with."""
    return [trace.picture for trace in reference.traces]


WITNESSED = 2
"""Prompts whose components are imitated; pictures are of all, since rounding takes some much further."""


def _measure_witness(reference: Reference, precision: str) -> tuple[dict[str, Errors], float | None]:
    """What a second opinion says of a precision's errors, by look, and the least SSIM of its pictures.

    Float32 is held to float64, module by module; it has no pictures.
    """
    assert reference.device is not None
    own = precision == reference.base.precision
    prepared = prepare(
        reference.workload, reference.base, reference.device, reference.weights, forced=True,
        before=None if own else functools.partial(round_weights, precision=precision),
    )  # fmt: skip
    pipe, context, traces, folder = prepared.pipe, prepared.context, reference.traces, reference.folder
    try:
        if own:
            found = {}
            if folder is not None:
                found["modules"] = measure_modules(
                    pipe, context, traces, folder, reference.modules, in_float64
                )
            return found, None
        with imitating(pipe, precision):
            pictures, _, free = run_freely(pipe, context, traces)
            found = {"components": measure_components(pipe, context, traces[:WITNESSED]), "free": free}
            if folder is not None:
                found["modules"] = measure_modules(pipe, context, traces, folder, reference.modules)
        pairs = zip(pictures, _own_pictures(reference), strict=True)
        return found, min(-1.0 if broken(drawn) else ssim(drawn, wanted) for drawn, wanted in pairs)
    finally:
        release(pipe, forget=False)
        del prepared, pipe
        pipelines.free()


def look_deep(pipe: Any, context: Context, reference: Reference) -> dict[str, Errors]:
    """Errors of components, modules and forced loop of an eager or compiled pipeline."""
    traces = reference.traces
    found = {
        "components": {**measure_components(pipe, context, traces), **measure_batch(pipe, context, traces)}
    }
    if reference.folder is not None:
        found["modules"] = measure_modules(pipe, context, traces, reference.folder, reference.modules)
    found["loop"] = {**measure_loop(pipe, context, traces), **measure_several(pipe, context, traces)}
    return found


def _look_in_channels_last(pipe: Any, context: Context, reference: Reference) -> dict[str, Errors]:
    """As `look_deep`, of what kernels compute, with pictures in the other layout. The pipeline keeps it."""
    apply_channels_last(pipe, context)
    found = {"components": measure_components(pipe, context, reference.traces)}
    if reference.folder is not None:
        found["modules"] = measure_modules(
            pipe, context, reference.traces, reference.folder, reference.modules
        )
    return {look + IN_CHANNELS_LAST: errors for look, errors in found.items()}


def base_of(variant: Variant) -> Variant:
    """What a variant's numbers are compared with: strict float32, with its techniques that are not exact."""
    return variants.twin_of(variant) if variant.kept else variants.REFERENCE


def precisions_of(chosen: Sequence[Variant], device: Device) -> list[str]:
    """The precisions of the variants that the device supports."""
    found = [v.optimizations[0].name for v in chosen if unsupported(v, device) is None]
    return [name for name in NAMES if name in found]


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


def keep(reference: Reference) -> Path:
    """The folder from which another process can read this reference; it is as long there as this one.

    Raises `QualityError` for a reference that holds pictures only.
    """
    if reference.folder is None:
        raise QualityError("this reference holds pictures only; record it with deep=True")
    folder = reference.folder.parent
    if not (folder / "reference.json").exists():
        save(
            folder, reference.workload, reference.traces, reference.modules, reference.structure,
            reference.pictures,
        )  # fmt: skip
        for precision, yardstick in reference.yardsticks.items():
            write_yardstick(reference.folder, precision, yardstick)
    return folder


def load_reference(
    folder: Path, workload: Workload, device: Device, weights: str = "auto",
    base: Variant = variants.REFERENCE,
) -> Reference:  # fmt: skip
    """A reference that `record_reference` stored.

    Raises `WrongReferenceError` if a file is missing or damaged, or belongs to another workload.
    """
    workload = base.drawn(workload)
    found = read(folder, workload, with_others=compared_with(base) != base)
    return Reference(
        workload, found.pictures, found.traces, found.modules, folder / "modules",
        found.structure, device, weights, found.yardsticks, base,
    )  # fmt: skip
