"""Which results a command is to read."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfsuite.cli.app import to_stderr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.fleet.results.parts import Parts

Results = Annotated[
    list[Path] | None,
    typer.Argument(help="results files, or folders of *.jsonl; default, or last: the last ladder's"),
]


def chosen(paths: Sequence[Path] | None) -> list[Path]:
    """The files that are meant; which the last ladder's is, is said. Raises `StoreError`."""
    from perfsuite.store import LAST, StoreError, results_files

    parts = parts_of(paths)
    found = _joined(parts) if len(parts) > 1 else []
    named = [path for path in paths or [] if len(parts) < 2 or path not in parts]
    for path in named:
        merged = _merged(path)
        found += merged
        if not merged:
            to_stderr(f"{path}: {_NOTHING}")
    if paths and not found:
        raise StoreError(f"{', '.join(map(str, paths))}: {_NOTHING}; see: perfsuite run --status")
    files = results_files(found)
    if not paths or Path(LAST) in paths:
        to_stderr(f"the last ladder: {files[0] if not paths else ', '.join(map(str, files))}")
    return files


_NOTHING = "no block of this plan has left results yet"


def is_fleet(path: Path) -> bool:
    """Whether a plan was run in this folder."""
    from perfsuite.fleet.results.folder import is_folder

    return is_folder(path)


def parts_of(paths: Sequence[Path] | None) -> list[Path]:
    """Those that are folders of one part of a plan. Raises `StoreError`."""
    from perfsuite.fleet.results.parts import is_part

    return [path for path in paths or [] if is_fleet(path) and is_part(path)]


def joined(paths: Sequence[Path], out: Path, baselines: Path | None = None) -> Parts:
    """Folders of parts of one plan as one; what they lack is said. Raises `StoreError`."""
    from perfsuite.fleet.results.parts import join

    found = join(paths, out, baselines)
    for note in found.notes:
        to_stderr(note)
    return found


def _joined(parts: Sequence[Path]) -> list[Path]:
    """The merged results of several parts of one plan, kept as long as this process."""
    from perfsuite.fleet.results.folder import merge_folder

    kept = tempfile.mkdtemp(prefix="perfsuite-parts-")
    atexit.register(shutil.rmtree, kept, ignore_errors=True)
    return [file for file, _ in merge_folder(joined(parts, Path(kept)).folder)]


def _merged(path: Path) -> list[Path]:
    """Of a folder of a plan the merged results of all its blocks, none where none has left any; and else the
    path. Raises `StoreError`."""
    if not is_fleet(path):
        return [path]
    from perfsuite.fleet.results.folder import merge_folder, read_folder

    return [file for file, _ in merge_folder(read_folder(path))]


def one(path: Path) -> Path:
    """The file that is meant: a run's, or the last ladder's of a folder of runs. Raises `StoreError`."""
    from perfsuite.store import LAST, StoreError, one_file

    if is_fleet(path):
        several = _merged(path)
        if not several:
            raise StoreError(f"{path}: {_NOTHING}; see: perfsuite run --status")
        if len(several) > 1:
            raise StoreError(f"{path}: holds {len(several)} runs; name one of {path / 'results'}")
        return several[0]
    found = one_file(path)
    if path == Path(LAST):
        to_stderr(f"the last ladder: {found}")
    return found
