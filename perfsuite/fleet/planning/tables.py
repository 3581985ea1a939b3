"""``matrix.toml`` as a document: its tables, its keys, and what each may hold.

Without ``from __future__ import annotations``, so that the names in these annotations are there at run time.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, MinLen

from perfsuite.pipelines.variants import UnknownNameError
from perfsuite.records import Work
from perfsuite.store.documents import CONFIG, parse
from perfsuite.store.errors import Place
from perfsuite.store.files import read_bytes

Text = Annotated[str, MinLen(1)]
Asked = Literal["latency", "structure", "counts", "quality"]
LIMITS_S: Mapping[Work, float] = {
    Work.COMPILE: 3600.0,
    Work.LATENCY: 3600.0,
    Work.AB: 3600.0,
    Work.STRUCTURE: 3600.0,
    Work.COUNTS: 3600.0,
    Work.QUALITY: 3600.0,
}
"""Of each variant of a block: longer than a cold compilation of the full UNet should take."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentTable:
    """``[environments.NAME]``: an interpreter, or exact versions."""

    python: Text | None = None
    packages: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DeviceTable:
    """``[devices.NAME]``."""

    kind: Literal["cpu", "cuda"]
    model: Text = "*"
    labels: dict[str, str] = field(default_factory=dict)
    slurm: dict[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ComparisonTable:
    """``[[ab]]``."""

    base: str
    head: str
    variants: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LimitsTable:
    """``[limits_s]``."""

    compile: Annotated[float, Gt(0)] = LIMITS_S[Work.COMPILE]
    latency: Annotated[float, Gt(0)] = LIMITS_S[Work.LATENCY]
    ab: Annotated[float, Gt(0)] = LIMITS_S[Work.AB]
    structure: Annotated[float, Gt(0)] = LIMITS_S[Work.STRUCTURE]
    counts: Annotated[float, Gt(0)] = LIMITS_S[Work.COUNTS]
    quality: Annotated[float, Gt(0)] = LIMITS_S[Work.QUALITY]


@dataclass(frozen=True, kw_only=True)
class Document:
    """The whole file."""

    __pydantic_config__ = CONFIG
    name: str = ""
    work: tuple[Asked, ...] = ()
    variants: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    environments: dict[str, EnvironmentTable] = field(default_factory=dict)
    devices: dict[str, DeviceTable] = field(default_factory=dict)
    ab: tuple[ComparisonTable, ...] = ()
    repeats: Annotated[int, Ge(1)] = 1
    rungs: Annotated[int, Ge(1)] | None = None
    weights: Text = "auto"
    tests: Text | None = None
    baselines: Text | None = None
    compile_cache: Text | None = None
    options: tuple[str, ...] = ()
    ab_options: tuple[str, ...] = ()
    limits_s: LimitsTable = LimitsTable()


def read_document(path: Path, place: Place) -> Document:
    """The tables of a file, each key known and each value of its type.

    Raises:
        StoreError: there is no file, or something in it is not so.
    """
    raw = read_bytes(path)
    if raw is None:
        raise place.error("there is no such file", "name the matrix: perfsuite plan matrix.toml")
    try:
        tree = tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise place.error(f"not UTF-8 (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise place.error(f"not valid TOML ({error})") from error
    for kind, table, where in ((Document, tree, ""), *_below(tree)):
        _check_keys(table, kind, where, place)
    # TOML's dates are not JSON's; as texts their fields refuse them.
    return parse(Document, json.dumps(tree, default=str).encode(), place)


def _check_keys(table: Mapping[str, Any], kind: type[Any], where: str, place: Place) -> None:
    """Refuse a key that means nothing; the error names the nearest that does."""
    known = [each.name for each in fields(kind)]
    for key in table:
        if key not in known:
            raise place.at(field=f"{where}{key}").error(str(UnknownNameError("key", key, known)))


def _below(tree: Mapping[str, Any]) -> Iterable[tuple[type[Any], Mapping[str, Any], str]]:
    """Each table below the top: what it must be, what it holds, and the beginning of its fields' names.

    What is no table where one must be is left to `parse`.
    """
    found: list[tuple[type[Any], Any, str]] = [(LimitsTable, tree.get("limits_s"), "limits_s.")]
    for key, kind in (("environments", EnvironmentTable), ("devices", DeviceTable)):
        tables = tree.get(key)
        if isinstance(tables, dict):
            found += [(kind, table, f"{key}.{name}.") for name, table in tables.items()]
    compared = tree.get("ab")
    if isinstance(compared, list):
        found += [(ComparisonTable, table, f"ab[{i}].") for i, table in enumerate(compared)]
    return [each for each in found if isinstance(each[1], dict)]
