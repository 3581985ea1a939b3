"""What a run keeps for its report, beside its results file: pictures, maps and the numbers behind the looks.

A results file names them relative to its own folder, so that both can be moved together. It may come from
elsewhere: whatever it names is read only if it lies in that folder.

History of the format of the numbers:

* 1: ``{"schema_version": 1, "numbers": Numbers}``; errors are relative L2 errors, null is NaN or Inf.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Annotated

from annotated_types import Ge, Le

from perfsuite.records import Numbers
from perfsuite.store.documents import CONFIG, encode, parse
from perfsuite.store.errors import Place, StoreError
from perfsuite.store.files import write_atomic

SCHEMA_VERSION = 1
MOST_BYTES = 64 * 2**20
"""Of one file: a picture of 4096x4096 pixels has less."""


@dataclass(frozen=True)
class _Document:
    __pydantic_config__ = CONFIG
    schema_version: Annotated[int, Ge(1), Le(SCHEMA_VERSION)]
    numbers: Numbers


def folder_of(results: Path) -> Path:
    """Where the exhibits of this results file are written: ``<name>-exhibits`` beside it."""
    return results.with_name(f"{results.stem}-exhibits")


def write_exhibits(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files of these plain names into `folder`.

    Raises:
        ValueError: if a name is no plain file name.
        StoreError: if one cannot be written.
    """
    for name, data in files.items():
        if not name or name.startswith(".") or not set(name).isdisjoint("/\\\0"):
            raise ValueError(f"{name!r} cannot be a file name: empty, hidden, or with a path separator")
        write_atomic(folder / name, data)


def read_exhibit(folder: Path, name: str) -> bytes:
    """The bytes of a file that a results file in `folder` names.

    Raises:
        StoreError: if it lies outside `folder`, by name or by link, is no regular file, is larger than
            `MOST_BYTES`, is not there or cannot be read.
    """
    # Windows' rules too: a name is judged alike wherever it is read.
    parts = PureWindowsPath(name)
    if "\0" in name or parts.anchor or ".." in parts.parts or Path(name).is_absolute():
        raise StoreError(f"{name!r}: refused, it must lie in the folder of the results file")
    try:
        path = (folder / name).resolve(strict=True)
        if not path.is_relative_to(folder.resolve()):
            raise StoreError(f"{name!r}: refused, it leads out of the folder of the results file")
        if not path.is_file():
            raise StoreError(f"{name!r}: no regular file")
        if path.stat().st_size > MOST_BYTES:
            raise StoreError(f"{name!r}: larger than {MOST_BYTES >> 20} MiB")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise StoreError(f"{name!r}: there is no such file") from error
    except (OSError, RuntimeError) as error:  # a loop of links, before Python 3.13, is a RuntimeError
        reason = getattr(error, "strerror", None) or "a loop of links"
        raise StoreError(f"{name!r}: cannot be read ({reason})") from error


def encode_numbers(numbers: Numbers, name: str) -> bytes:
    """`numbers` as the text of the file `name`.

    Raises:
        StoreError: if they could not be read again.
    """
    return encode(_Document(SCHEMA_VERSION, numbers), _place(name), one_line=True)


def read_numbers(folder: Path, name: str) -> Numbers:
    """The numbers that a results file in `folder` names.

    Raises:
        StoreError: as `read_exhibit`, or if anything in the file is wrong.
    """
    return parse(_Document, read_exhibit(folder, name), _place(name), SCHEMA_VERSION).numbers


def _place(name: str) -> Place:
    return Place(Path(name), "run the suite again with --perf-report")
