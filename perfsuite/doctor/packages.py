"""Installed versions against what perfsuite asks for, and combinations that are known not to work."""

from __future__ import annotations

import importlib.util
import os
import re
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from perfsuite.device.fingerprint import PACKAGES
from perfsuite.records import Finding, Health

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfsuite.doctor.examination import Examination


class Clash(NamedTuple):
    """Two ranges that each are allowed, and do not work together."""

    package: str
    versions: str
    other: str
    other_versions: str
    why: str


CUDA = re.compile(r"libcuda|libcudart|libtorch_cuda|libc10_cuda|libcublas")
"""What an extension for GPUs misses where there is none."""
CLASHES = (Clash("torchao", ">=0.18", "torch", "<2.11", "torchao leaves out its C++ extensions"),)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _required() -> list[Requirement]:
    """What the installed perfsuite asks for, without its extras."""
    asked = map(Requirement, metadata.requires("perfsuite") or ())
    return [r for r in asked if r.marker is None or r.marker.evaluate({"extra": ""})]


def versions(examination: Examination) -> Iterator[Finding]:
    """Each package within its range, and no two that clash."""
    shown = {name: _version(name) for name in PACKAGES}
    figures: dict[str, float | str | None] = dict(shown)
    said = ", ".join(f"{name} {version}" for name, version in shown.items() if version)
    try:
        required = _required()
    except metadata.PackageNotFoundError:
        found = f"perfsuite runs from a folder and is not installed: no ranges to hold {said} against"
        yield Finding("packages", Health.WARNING, found, "pip install -e .", figures)
        return
    wrong = []
    for requirement in required:
        version = _version(requirement.name)
        if version is None:
            wrong.append((f"{requirement.name} is not installed", requirement))
        elif not requirement.specifier.contains(version, prereleases=True):
            wrong.append((f"{requirement.name} {version} is outside {requirement.specifier}", requirement))
    if wrong:
        remedy = "pip install " + " ".join(f"'{r.name}{r.specifier}'" for _, r in wrong)
        yield Finding("packages", Health.PROBLEM, "; ".join(said for said, _ in wrong), remedy, figures)
    else:
        yield Finding("packages", Health.OK, f"{said}; all {len(required)} ranges are met", figures=figures)
    for clash in CLASHES:
        if _within(clash.package, clash.versions) and _within(clash.other, clash.other_versions):
            found = (
                f"{clash.package} {_version(clash.package)} with {clash.other} {_version(clash.other)}: "
                f"{clash.why}"
            )
            remedy = f"take {clash.other} outside {clash.other_versions}"
            yield Finding("packages", Health.WARNING, found, remedy)


def _within(name: str, versions: str) -> bool:
    found = _version(name)
    return found is not None and SpecifierSet(versions).contains(found, prereleases=True)


def torchao_extensions(examination: Examination) -> Iterator[Finding]:
    """Whether torchao's C++ extensions load: without them it warns at import, and is slower."""
    import torch

    if os.environ.get("TORCHAO_FORCE_SKIP_LOADING_SO_FILES") == "1":
        found = "TORCHAO_FORCE_SKIP_LOADING_SO_FILES=1 keeps torchao's C++ extensions out"
        yield Finding("torchao", Health.WARNING, found, "unset it")
        return
    spec = importlib.util.find_spec("torchao")
    if spec is None or spec.origin is None:
        yield Finding("torchao", Health.PROBLEM, "torchao is not installed", "pip install torchao")
        return
    files = sorted(Path(spec.origin).parent.glob("_C*.so"))
    refused = []
    for file in files:
        try:
            torch.ops.load_library(str(file))
        except (OSError, RuntimeError) as error:
            # torch says that it could not; why, says what it caught.
            refused.append(f"{file.name} ({str(error.__cause__ or error).splitlines()[0]})")
    figures: dict[str, float | str | None] = {"extensions": len(files), "refused": len(refused)}
    if refused and examination.device.kind == "cpu" and all(CUDA.search(reason) for reason in refused):
        found = f"{len(refused)} of torchao's {len(files)} C++ extensions need CUDA and are not loaded"
        yield Finding("torchao", Health.OK, found, figures=figures)
    elif refused:
        found = f"{len(refused)} of torchao's {len(files)} C++ extensions do not load: {'; '.join(refused)}"
        remedy = "install the torchao that was built for this torch"
        yield Finding("torchao", Health.WARNING, found, remedy, figures)
    else:
        found = f"torchao's C++ extensions load ({len(files)})" if files else "torchao without C++ extensions"
        yield Finding("torchao", Health.OK, found, figures=figures)
