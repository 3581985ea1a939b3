"""JSON text to frozen dataclasses and back, with every damage named by its place.

A document is a dataclass that sets ``__pydantic_config__ = CONFIG``: pydantic then checks it, and the
records in it, against their annotations. Modules with documents do without ``from __future__ import
annotations``, so that the names in these annotations are there at run time.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from reprlib import Repr
from typing import TYPE_CHECKING, Any, TypeVar

from perfsuite.store.errors import Place, StoreError

if TYPE_CHECKING:
    from pydantic import ConfigDict, TypeAdapter
    from pydantic_core import ErrorDetails

T = TypeVar("T")
Step = str | int

CONFIG: "ConfigDict" = {"extra": "forbid", "strict": True, "allow_inf_nan": False}
COLLECTIONS = ("entries", "variants", "bounds")
"""Fields of documents whose members are what a person calls an entry."""

_DUPLICATE = object()
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 60


def parse(kind: type[T], raw: bytes, place: Place, version: int | None = None) -> T:
    """Return `raw` as a `kind`; `version` is the newest ``schema_version`` that can be read.

    Raises:
        StoreError: if anything in it is not as it must be.
    """
    from pydantic import ValidationError

    document = _load(raw, place)
    written = document.get("schema_version")
    # Before the fields: a newer file has others, and the error must not blame those.
    if version is not None and isinstance(written, int) and written > version:
        raise place.at(field="schema_version").error(
            f"written by a newer perfsuite: schema {written}, this one reads up to {version}",
            "upgrade perfsuite",
        )
    try:
        read: T = _adapter(kind).validate_json(raw)  # type: ignore[arg-type]  # mypy: classes hash
    except ValidationError as error:
        raise _explain(error.errors(include_url=False), document, place) from error
    return read


def encode(document: object, place: Place, *, one_line: bool = False) -> bytes:
    """Return `document` as JSON that `parse` accepts: sorted, nothing rounded, a newline at the end.

    Raises:
        StoreError: if it holds something that could not be read again, for instance NaN.
    """
    from pydantic_core import to_jsonable_python

    place = Place(place.file, "nothing was written; this is an error in the code that measured", place.entry)
    try:
        tree = to_jsonable_python(document, inf_nan_mode="constants", fallback=_as_dict)
        text = json.dumps(tree, sort_keys=True, ensure_ascii=False) if one_line else _layout(tree)
        raw = (text + "\n").encode()
    except ValueError as error:
        raise place.error(f"cannot be stored ({error})") from error
    parse(type(document), raw, place)
    return raw


def _as_dict(value: object) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise ValueError(f"{type(value).__name__} is not a type that JSON knows")


def _layout(value: Any, pad: str = "") -> str:
    """Indent by one; a list of plain values stays on one line, so that a diff shows one line a change."""
    inner = pad + " "
    if isinstance(value, dict) and value:
        members = [f"{_dumps(key)}: {_layout(value[key], inner)}" for key in sorted(value)]
        start, end = "{", "}"
    elif isinstance(value, list) and any(isinstance(v, dict | list) for v in value):
        members = [_layout(member, inner) for member in value]
        start, end = "[", "]"
    else:
        return _dumps(value)
    return f"{start}\n{inner}" + f",\n{inner}".join(members) + f"\n{pad}{end}"


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@cache
def _adapter(kind: type[Any]) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _load(raw: bytes, place: Place) -> dict[str, Any]:
    duplicates = False

    def as_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal duplicates
        members: dict[str, Any] = {}
        for key, value in pairs:
            duplicates = duplicates or key in members
            members[key] = _DUPLICATE if key in members else value
        return members

    try:
        document = json.loads(raw.decode(), object_pairs_hook=as_dict)
    except UnicodeDecodeError as error:
        raise place.error(f"not UTF-8 (byte {error.start})") from error
    except (ValueError, RecursionError) as error:
        found = "empty" if not raw.strip() else f"not valid JSON, or cut short ({error})"
        raise place.error(found) from error
    if not isinstance(document, dict):
        raise place.error(f"the top level must be an object, found {_SHORT.repr(document)}")
    if duplicates:
        path = next(_find(document, _DUPLICATE))
        raise _narrow(place, path).error(f"the key {path[-1]!r} is there twice in one object")
    return document


def _find(value: Any, wanted: object) -> Iterator[tuple[Step, ...]]:
    """Yield the path of each `wanted` below `value`."""
    if value is wanted:
        yield ()
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for step, member in members:
        yield from ((step, *rest) for rest in _find(member, wanted))


def _explain(errors: "list[ErrorDetails]", document: dict[str, Any], place: Place) -> StoreError:
    first = errors[0]
    problem = first["msg"]
    if first["type"] != "missing":
        problem += f", found {_SHORT.repr(first['input'])}"
    paths = {_real(error["loc"], document) for error in errors}
    # A list whose members are bad counts as too short as well; that says nothing new.
    bad = paths - {path[:depth] for path in paths for depth in range(len(path))}
    if len(bad) > 1:
        problem += f" (the first of {len(bad)} bad fields)"
    return _narrow(place, _real(first["loc"], document)).error(problem)


def _real(path: tuple[Step, ...], value: Any) -> tuple[Step, ...]:
    """Return `path` as far as it leads in the file: pydantic goes on with the branches of a union."""
    for depth, step in enumerate(path):
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return path[:depth]
    return path


def _narrow(place: Place, path: tuple[Step, ...]) -> Place:
    if len(path) > 1 and path[0] in COLLECTIONS:
        entry = path[1] if isinstance(path[1], str) else _spell(path[:2])
        return place.at(entry=entry, field=_spell(path[2:]))
    return place.at(field=_spell(path))


def _spell(path: tuple[Step, ...]) -> str:
    steps = (f".{p}" if isinstance(p, str) and p.isidentifier() else f"[{p!r}]" for p in path)
    return "".join(steps).removeprefix(".")
