"""What a team wants to know, as ``matrix.toml`` says it: variants, workloads, environments, devices.

Nothing is measured and no engine is imported to read it. Relative paths are below the file's own folder.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from perfsuite.device.fingerprint import slug
from perfsuite.environments import canonical
from perfsuite.fleet.planning.options import check_ab_options, check_pytest_options
from perfsuite.fleet.planning.tables import LIMITS_S, read_document
from perfsuite.pipelines import variants, workloads
from perfsuite.pipelines.registry import REGISTRY
from perfsuite.pipelines.variants import LADDER, UnknownNameError
from perfsuite.records import DeviceClass, PlannedEnvironment, Work
from perfsuite.store.errors import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from perfsuite.fleet.planning.tables import ComparisonTable, Document, EnvironmentTable

ALL_RUNGS = "ladder"
"""Stands for the whole ladder among the variants."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WEIGHTS = re.compile(r"auto|random|hub(:\w+)?")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An A/B of two environments, by their names."""

    base: str
    head: str
    variants: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """All that a plan is made of, checked; paths are absolute."""

    name: str
    work: tuple[Work, ...]
    variants: tuple[str, ...]
    workloads: tuple[str, ...]
    environments: Mapping[str, PlannedEnvironment]
    devices: Mapping[str, DeviceClass]
    comparisons: tuple[Comparison, ...] = ()
    repeats: int = 1
    """Of what is timed."""
    rungs: int | None = None
    """Most variants of a block; None for all in one."""
    weights: str = "auto"
    tests: str = ""
    baselines: str = ""
    compile_cache: str = ""
    plugins: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    ab_options: tuple[str, ...] = ()
    limits_s: Mapping[Work, float] = field(default_factory=lambda: LIMITS_S)
    """Of each variant of a block."""


def read_matrix(path: Path) -> Matrix:
    """The matrix of a file.

    Raises:
        StoreError: there is none, or something in it is not as it must be; names file, field and remedy.
    """
    place = Place(path, "correct it; see: perfsuite guide fleet")
    document = read_document(path, place)
    _check_not_empty(document, place)
    base = Path(os.path.abspath(path.parent))
    with _at(place, "variants"):
        chosen = _variants(document.variants)
    with _at(place, "workloads"):
        named = tuple(dict.fromkeys(workloads.get(name).name for name in document.workloads))
    with _at(place, "options"):
        check_pytest_options(document.options)
    with _at(place, "ab_options"):
        check_ab_options(document.ab_options)
    return Matrix(
        name=document.name or path.stem,
        work=tuple(map(Work, dict.fromkeys(document.work))),
        variants=chosen,
        workloads=named,
        environments=_environments(document, base, place),
        devices=_devices(document, place),
        comparisons=_comparisons(document, chosen, place),
        repeats=document.repeats,
        rungs=document.rungs,
        weights=document.weights if _WEIGHTS.fullmatch(document.weights) else _below(base, document.weights),
        tests=_below(base, document.tests),
        baselines=_below(base, document.baselines),
        compile_cache=_below(base, document.compile_cache),
        plugins=tuple(map(str, REGISTRY.files)),
        options=document.options,
        ab_options=document.ab_options,
        limits_s={work: getattr(document.limits_s, work) for work in LIMITS_S},
    )


@contextmanager
def _at(place: Place, where: str) -> Iterator[None]:
    """What is wrong in here is wrong at this field."""
    try:
        yield
    except ValueError as error:
        raise place.at(field=where).error(str(error)) from error


def _below(base: Path, path: str | None) -> str:
    """Absolute, with links as they are: an interpreter of an environment is one. Empty for None."""
    return "" if path is None else os.path.abspath(base / os.path.expanduser(path))


def _check_not_empty(document: Document, place: Place) -> None:
    """Refuse a matrix that names nothing in one of its directions."""
    if not document.work and not document.ab:
        raise place.at(field="work").error(
            "names no work; write what to find out, such as work = ['latency', 'quality'], or an [[ab]] of "
            "two environments"
        )
    for name, example in (
        ("variants", f"['{ALL_RUNGS}'] or ['fp32', 'bf16-sdpa']"),
        ("workloads", "['shapes']"),
        ("environments", "a table [environments.NAME] with python or packages"),
        ("devices", "a table [devices.NAME] with its kind"),
    ):
        if not getattr(document, name):
            raise place.at(field=name).error(f"names nothing; give {example}")


def _variants(names: Iterable[str]) -> tuple[str, ...]:
    """By their one name, each once."""
    found: dict[str, None] = {}
    for name in names:
        chosen = LADDER if name == ALL_RUNGS else (variants.get(name),)
        found |= {variant.name: None for variant in chosen}
    return tuple(found)


def _environments(document: Document, base: Path, place: Place) -> dict[str, PlannedEnvironment]:
    found: dict[str, PlannedEnvironment] = {}
    for name, table in document.environments.items():
        with _at(place, f"environments.{name}"):
            _check_name(name)
            _check_apart(name, found)
            found[name] = _environment(name, table, base)
    return found


def _environment(name: str, table: EnvironmentTable, base: Path) -> PlannedEnvironment:
    if (table.python is None) == (not table.packages):
        raise ValueError("give either python, the path of an interpreter, or packages with exact versions")
    packages: dict[str, str] = {}
    for package, version in table.packages.items():
        if canonical(package) in packages:
            raise ValueError(f"{package} is named twice; leave one")
        packages[canonical(package)] = _exact(package, version)
    python = None if table.python is None else _below(base, table.python)
    return PlannedEnvironment(name=name, python=python, packages=packages)


def _exact(package: str, version: str) -> str:
    """A version that names one release: what is measured must be known before it is measured."""
    try:
        return str(Version(version))
    except InvalidVersion as error:
        raise ValueError(
            f"packages.{package} = {version!r} is not one exact version; write it as '2.13.0' or "
            "'2.14.0.dev20251101+cpu'"
        ) from error


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"the name {name!r} may have letters, digits, dots, hyphens and underscores only")


def _check_apart(name: str, others: Iterable[str]) -> None:
    """Results are kept in files whose names have fewer letters than these may have."""
    for other in others:
        if slug(other) == slug(name):
            raise ValueError(
                f"{other!r} and {name!r} would have one file of results, {slug(name)}; rename one"
            )


def _devices(document: Document, place: Place) -> dict[str, DeviceClass]:
    found: dict[str, DeviceClass] = {}
    for name, table in document.devices.items():
        with _at(place, f"devices.{name}"):
            _check_name(name)
            _check_apart(name, found)
        found[name] = DeviceClass(
            name=name, kind=table.kind, model=table.model, labels=table.labels, slurm=table.slurm
        )
    return found


def _comparisons(document: Document, chosen: tuple[str, ...], place: Place) -> tuple[Comparison, ...]:
    found: list[Comparison] = []
    for number, table in enumerate(document.ab):
        with _at(place, f"ab[{number}]"):
            made = _comparison(table, document, chosen)
            _check_new(made, found)
            found.append(made)
    return tuple(found)


def _check_new(made: Comparison, found: Iterable[Comparison]) -> None:
    """Refuse what an earlier table compares already."""
    for number, other in enumerate(found):
        twice = [name for name in made.variants if name in other.variants]
        if twice and (made.base, made.head) == (other.base, other.head):
            raise ValueError(
                f"ab[{number}] compares {other.base} and {other.head} for {', '.join(twice)} already; name "
                "each variant once, and use repeats to measure it again"
            )


def _comparison(table: ComparisonTable, document: Document, chosen: tuple[str, ...]) -> Comparison:
    for name in (table.base, table.head):
        if name not in document.environments:
            raise UnknownNameError("environment", name, list(document.environments))
    return Comparison(base=table.base, head=table.head, variants=_variants(table.variants) or chosen)
