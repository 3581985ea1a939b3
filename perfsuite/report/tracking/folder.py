"""A folder of pages: each replaced in one step, and nothing touched that was not written here."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from perfsuite.report.tracking import names
from perfsuite.store import StoreError
from perfsuite.store.files import locked, make_folder, read_bytes, remove, write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

LIST = ".perfsuite-pages.json"
"""Names of the files that were written into the folder."""
_WRITTEN_BY = "perfsuite track report"
_HALF = re.compile(r"\..+\.[0-9a-f]{32}\.tmp|\.\.perfsuite-pages\.json\.lock")
"""What a killed process left, and the lock."""


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write these files in their order, and remove those that an earlier report wrote and this does not.

    Whoever reads meanwhile sees each file old or new. What is the same already is left alone.

    Raises:
        StoreError: the folder holds something else, or cannot be written.
    """
    make_folder(folder)
    _ours(folder, files)  # not even a lock is left in a folder of something else
    with locked(folder / LIST):
        ours = _ours(folder, files)
        # Noted before they are there: what a killed process leaves is known to be ours.
        _note(folder, {*ours, *files})
        for name, data in files.items():
            if read_bytes(folder / name) != data:
                write_atomic(folder / name, data, durable=False)
        for name in ours - set(files):
            if (folder / name).is_file():
                remove(folder / name)
        _note(folder, files)


def _ours(folder: Path, files: Iterable[str]) -> set[str]:
    """What earlier reports wrote, if these files may be written beside it."""
    ours = _listed(folder)
    foreign = sorted(name for name in {*files, *_others(folder, ours)} - ours if (folder / name).exists())
    if foreign:
        raise StoreError(
            f"{folder}: it holds {foreign[0]!r}, which no {_WRITTEN_BY} has written; name an empty "
            "folder, or one that does not exist yet, with --out"
        )
    return ours


def _listed(folder: Path) -> set[str]:
    place = folder / LIST
    raw = read_bytes(place)
    if raw is None:
        return set()
    try:
        document = json.loads(raw)
        found = document["files"] if document["written_by"] == _WRITTEN_BY else None
    except (ValueError, TypeError, KeyError):
        found = None
    if not isinstance(found, list) or not all(
        isinstance(name, str) and names.is_ours(name) for name in found
    ):
        raise StoreError(
            f"{place}: this is not the list of files that {_WRITTEN_BY} keeps; name another folder with "
            "--out, or delete this one if nothing else is in it"
        )
    return set(found)


def _others(folder: Path, ours: set[str]) -> Iterable[str]:
    """What lies in a folder that no report has been written to; beside reports anything may lie."""
    if ours or (folder / LIST).exists():
        return ()
    try:
        return [path.name for path in folder.iterdir() if not _HALF.fullmatch(path.name)]
    except OSError as error:
        raise StoreError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error


def _note(folder: Path, files: Iterable[str]) -> None:
    document = {"written_by": _WRITTEN_BY, "files": sorted(files)}
    data = (json.dumps(document, indent=1) + "\n").encode()
    if read_bytes(folder / LIST) != data:
        write_atomic(folder / LIST, data)
