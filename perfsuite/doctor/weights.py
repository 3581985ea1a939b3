"""Weights, memory for them, and the cache of float32 references."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

from perfsuite.device.memory import free_bytes
from perfsuite.doctor.compiling import folder_size
from perfsuite.doctor.hub import PATIENCE_S
from perfsuite.pipelines import models
from perfsuite.pipelines.dtypes import NAMES
from perfsuite.pipelines.models import WeightsError, checks, shapes
from perfsuite.records import Finding, Health
from perfsuite.report import format as show

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from perfsuite.doctor.examination import Examination

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def ask(examination: Examination) -> Iterator[Finding]:
    """Begin to ask the hub; there is nothing to be found yet."""
    examination.hub.begin()
    return iter(())


def shipped(examination: Examination) -> Iterator[Finding]:
    """Whether the files of the small model and its companions are those that were shipped."""
    # As of sha256sum: digest, two spaces, path.
    sums: list[tuple[Path, str, str]] = []
    for folder, listed in shapes.shipped().items():
        for line in listed.read_text().splitlines():
            wanted, name = line.split("  ", 1)
            sums.append((folder, name, wanted))
    wrong = [f"{name} {reason}" for folder, name, wanted in sums if (reason := _damage(folder, name, wanted))]
    if wrong:
        found = f"{len(wrong)} of {len(sums)} files of the shipped model: {', '.join(wrong)}"
        remedy = "install perfsuite again, or git checkout -- perfsuite/pipelines/models/shapes"
        yield Finding(
            "shipped model", Health.PROBLEM, found, remedy, {"files": len(sums), "wrong": len(wrong)}
        )
    else:
        found = f"all {len(sums)} files as shipped (SHA-256)"
        yield Finding("shipped model", Health.OK, found, figures={"files": len(sums), "wrong": 0})


def _damage(folder: Path, name: str, wanted: str) -> str | None:
    path = folder / name
    if not path.is_file():
        return "is missing"
    return None if hashlib.sha256(path.read_bytes()).hexdigest() == wanted else "is damaged"


def chosen(examination: Examination) -> Iterator[Finding]:
    """Where this workload's weights come from."""
    model = examination.workload.model
    try:
        if models.source_of(model).hub is not None and examination.weights == "auto":
            taken = examination.hub.answer(model)
        else:
            taken = models.resolve(model, examination.weights)
    except WeightsError as error:
        yield Finding("weights", Health.PROBLEM, str(error), "give --weights another place")
        return
    if taken is None:
        found = f"{model}: the hub did not answer within {PATIENCE_S:g} s"
        yield Finding("weights", Health.WARNING, found, "export HF_HUB_OFFLINE=1, or give --weights FOLDER")
        return
    found, figures = f"{model}: {taken.said}", {"kind": taken.kind, "spec": taken.spec}
    if taken.kind == "random" and examination.weights == "auto":
        remedy = f"huggingface-cli download {models.source_of(model).hub}, or give --weights FOLDER"
        yield Finding("weights", Health.WARNING, f"{found}: pictures are not judged", remedy, figures)
    else:
        yield Finding("weights", Health.OK, found, figures=figures)


def hub(examination: Examination) -> Iterator[Finding]:
    """For SDXL, where it is not what is examined: is it in the hub's cache, and what would ``auto`` take."""
    for model in examination.hub.models:
        source = models.source_of(model)
        if model == examination.workload.model:
            continue
        taken = examination.hub.answer(model)
        if taken is None:
            found = f"{model}: the hub did not answer within {PATIENCE_S:g} s"
            yield Finding("hub", Health.OK, found, "export HF_HUB_OFFLINE=1, if there is no network")
            continue
        cached = "in the hub's cache" if taken.cached else "not in the hub's cache"
        found = f"{model} ({source.hub}) is {cached}; auto takes {taken.said}"
        figures: dict[str, float | str | None] = {"model": model, "kind": taken.kind, "spec": taken.spec}
        yield Finding("hub", Health.OK, found, figures=figures)


@cache
def parameters(model: str) -> int | None:
    """Of the whole pipeline, from what is known of the model or from its files' headers; None where a
    function makes it."""
    source = models.source_of(model)
    if source.parameters is not None:
        return sum(source.parameters.values())
    if source.local is None:
        return None
    files = [source.local] if source.local.is_file() else source.local.rglob("*.safetensors")
    return sum(n for path in files for n in checks.header(path).values())


def memory(examination: Examination) -> Iterator[Finding]:
    """Free memory against the largest of the planned variants, alone and with the reference beside it."""
    device = examination.device
    count = parameters(examination.workload.model)
    if count is None:
        found = (
            f"{examination.workload.model} is made by a function: its size is not known before it is called"
        )
        yield Finding("memory", Health.OK, found)
        return
    widest = max(examination.planned, key=lambda v: BYTES[NAMES[v.precision]])
    each = BYTES[NAMES[widest.precision]]
    kinds = ["cpu"] if device.kind == "cpu" else ["cpu", device.kind]
    free = {kind: free_bytes(kind) for kind in kinds}
    needed = int(count * each * checks.ALLOWANCE)
    both = needed + int(count * BYTES["float32"] * checks.ALLOWANCE)
    figures: dict[str, float | str | None] = {f"free_{kind}_bytes": size for kind, size in free.items()}
    figures |= {"needed_bytes": needed, "needed_with_reference_bytes": both, "parameters": count}
    said = (
        f"{examination.workload.name} {widest.name} has {count / 1e6:,.1f} million parameters of {each} bytes"
        f": {show.memory(needed)}, {show.memory(both)} with the reference beside it"
    )
    there = ", ".join(f"{show.memory(size)} free on the {kind.upper()}" for kind, size in free.items())
    try:
        for kind, size in free.items():
            checks.check_memory(count, each, size, "this machine" if kind == "cpu" else "the CUDA device")
    except WeightsError as error:
        yield Finding("memory", Health.PROBLEM, f"{widest.name}: {error}", "see there", figures)
        return
    if both > free[device.kind]:
        remedy = "end other programs; else only seconds are compared, not relative latency"
        yield Finding("memory", Health.WARNING, f"{said}; {there}", remedy, figures)
    else:
        yield Finding("memory", Health.OK, f"{said}; {there}", figures=figures)


def reference_cache(examination: Examination) -> Iterator[Finding]:
    """What is kept of float32 references between runs."""
    folder = examination.reference_cache
    if folder is None:
        yield Finding("reference cache", Health.OK, "off: float32 references are recorded in every run")
        return
    if not folder.is_dir():
        found = f"{folder} is not there yet: the first run records its float32 references"
        yield Finding("reference cache", Health.OK, found, figures={"size_bytes": 0})
        return
    size, files, whole = folder_size(folder)
    found = f"{folder} holds {'' if whole else 'more than '}{show.memory(size)} in {files} files"
    yield Finding("reference cache", Health.OK, found, figures={"size_bytes": size, "files": files})
