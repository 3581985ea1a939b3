"""The artifact of compiled code on disk: torch's own bytes behind a header that tells what they are for.

torch unpickles what is in its part, which runs code. Hence damage and foreign origin are found before torch
sees a byte, and a file that others could have written is refused. The digest guards against damage, not
against malice: load only what comes from a place that you trust.

History of the format:

* 1: a line of JSON, ``{"kind": "compiled", "schema_version": 1, "made_for": {...}, "parts": [{"bytes",
  "sha256"}, ...]}``, then the bytes of the parts one after the other, newest part first.
"""

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Le

from perfsuite.store.documents import CONFIG, encode, parse
from perfsuite.store.errors import Place
from perfsuite.store.files import write_atomic

SCHEMA_VERSION = 1
LONGEST_HEADER = 1 << 16
"""Bytes; what has no end of line before is no header."""
_REMEDY = "it is made anew from what this run compiles"


@dataclass(frozen=True)
class _Part:
    bytes: Annotated[int, Ge(1)]
    sha256: str


@dataclass(frozen=True)
class _Header:
    __pydantic_config__ = CONFIG
    kind: Literal["compiled"]
    schema_version: Annotated[int, Ge(1), Le(SCHEMA_VERSION)]
    made_for: dict[str, str]
    parts: tuple[_Part, ...]


def read_compiled(path: Path, made_for: Mapping[str, str]) -> tuple[bytes, ...]:
    """The parts of the artifact; none where there is no file.

    Args:
        path: of the file.
        made_for: what compiled code depends on, by name; the file must say the same.

    Raises:
        StoreError: others may write the file, it is damaged, or it is of another machine or torch.
    """
    place = Place(path, _REMEDY)
    try:
        with path.open("rb") as stream:
            _check_owner(os.fstat(stream.fileno()), place)
            raw = stream.read()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise place.error(f"cannot be read ({error.strerror})") from error
    line, newline, content = raw.partition(b"\n")
    if not newline or len(line) > LONGEST_HEADER:
        raise place.error("not an artifact of compiled code, or cut short")
    header = parse(_Header, line, place, SCHEMA_VERSION)
    _check_origin(header.made_for, made_for, place)
    wanted = sum(part.bytes for part in header.parts)
    if len(content) != wanted:
        raise place.error(f"damaged: {len(content)} bytes after the header, which tells of {wanted}")
    parts, start = [], 0
    for number, part in enumerate(header.parts):
        held = content[start : start + part.bytes]
        if hashlib.sha256(held).hexdigest() != part.sha256:
            raise place.at(field=f"parts[{number}]").error("damaged: its digest is another")
        parts.append(held)
        start += part.bytes
    return tuple(parts)


def write_compiled(path: Path, made_for: Mapping[str, str], parts: Sequence[bytes]) -> int:
    """Replace the artifact in one step; the size of the new file in bytes.

    Raises:
        StoreError: if it cannot be written; the old one is then untouched.
    """
    described = tuple(_Part(len(part), hashlib.sha256(part).hexdigest()) for part in parts)
    header = _Header("compiled", SCHEMA_VERSION, dict(made_for), described)
    data = b"".join([encode(header, Place(path, _REMEDY), one_line=True), *parts])
    write_atomic(path, data)
    return len(data)


def _check_owner(found: os.stat_result, place: Place) -> None:
    """What is loaded is run: nobody but this user and the administrator may have written it."""
    if not hasattr(os, "getuid"):
        return
    if found.st_uid not in (0, os.getuid()):
        raise place.error(f"belongs to another user (id {found.st_uid}), and loading it would run code")
    if found.st_mode & stat.S_IWOTH:
        raise place.error("anybody may write it, and loading it would run code")


def _check_origin(found: Mapping[str, str], wanted: Mapping[str, str], place: Place) -> None:
    for name in sorted({*found, *wanted}):
        if found.get(name) != wanted.get(name):
            raise place.at(field=f"made_for.{name}").error(
                f"made for {found.get(name, 'none')}, this is {wanted.get(name, 'none')}"
            )
