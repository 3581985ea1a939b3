"""Plans on disk.

History of the format:

* 1: ``{"schema_version": 1, "kind": "plan"}`` with the fields of `perfsuite.records.Plan`.
"""

import json
import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from perfsuite import __version__
from perfsuite.fleet.planning.identity import identified
from perfsuite.records import Plan
from perfsuite.store.documents import CONFIG, encode, parse
from perfsuite.store.errors import Place
from perfsuite.store.files import read_bytes, write_atomic

SCHEMA_VERSION = 1
PLAN = "plan.json"
"""Beside the ledger of a folder in which one was run."""
_REMEDY = "make it anew: perfsuite plan matrix.toml --out FILE"


@dataclass(frozen=True, kw_only=True)
class _Document(Plan):
    __pydantic_config__ = CONFIG
    kind: Literal["plan"]
    schema_version: Annotated[int, Ge(1), Le(SCHEMA_VERSION)]


def encode_plan(plan: Plan, path: Path = Path(PLAN)) -> bytes:
    """The plan as the file holds it."""
    document = _Document(**_values(plan), kind="plan", schema_version=SCHEMA_VERSION)
    return encode(document, Place(path, _REMEDY))


def write_plan(path: Path, plan: Plan) -> None:
    """Write the file in one step. Raises `StoreError` if it cannot be."""
    write_atomic(path, encode_plan(plan, path))


def read_plan(path: Path) -> Plan:
    """The plan of a file.

    Raises:
        StoreError: there is none, it is of another perfsuite, it was changed by hand, or is damaged.
    """
    place = Place(path, _REMEDY)
    raw = read_bytes(path)
    if raw is None:
        raise place.error(
            "there is no such file", "name a plan, or make one: perfsuite plan matrix.toml --out FILE"
        )
    if path.suffix == ".toml":
        made = f"perfsuite plan {shlex.quote(str(path))} --out {PLAN}"
        raise place.error("is a matrix, and no plan yet", f"make one of it: {made}")
    _check_version(raw, place)
    plan = Plan(**_values(parse(_Document, raw, place, SCHEMA_VERSION)))
    if identified(plan).id != plan.id:
        raise place.at(field="id").error("the plan was changed after it was made")
    _check_names(plan, place)
    return plan


def _check_version(raw: bytes, place: Place) -> None:
    """Before its fields, which another version may name otherwise."""
    try:
        document = json.loads(raw)
    except ValueError:
        return  # `parse` says what is wrong
    written = document.get("perfsuite") if isinstance(document, dict) else None
    if isinstance(written, str) and written != __version__:
        raise place.at(field="perfsuite").error(
            f"a plan of perfsuite {written}, and this is {__version__}",
            f"run it with perfsuite {written}, or make it anew: perfsuite plan matrix.toml --out FILE",
        )


def _check_names(plan: Plan, place: Place) -> None:
    """Whoever computes an id could still name what is not there."""
    blocks = {block.id for block in plan.blocks}
    for number, block in enumerate(plan.blocks):
        at = place.at(field=f"blocks[{number}]")
        for name in block.environments:
            if name not in plan.environments:
                raise at.error(f"there is no environment {name!r}")
        if block.device not in plan.devices:
            raise at.error(f"there is no device class {block.device!r}")
        for need in block.needs:
            if need not in blocks:
                raise at.error(f"it waits for a block {need!r} that is not there")
    if len(blocks) < len(plan.blocks):
        raise place.at(field="blocks").error("two blocks have one id")


def _values(record: Plan) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(Plan)}
