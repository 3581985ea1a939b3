"""Which results a command is to read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfsuite.cli.app import to_stderr

if TYPE_CHECKING:
    from collections.abc import Sequence

Results = Annotated[
    list[Path] | None,
    typer.Argument(help="results files, or folders of *.jsonl; default, or last: the last ladder's"),
]


def chosen(paths: Sequence[Path] | None) -> list[Path]:
    """The files that are meant; which the last ladder's is, is said. Raises `StoreError`."""
    from perfsuite.store import LAST, results_files

    found = results_files([file for path in paths or [] for file in _merged(path)])
    if not paths or Path(LAST) in paths:
        to_stderr(f"the last ladder: {found[0] if not paths else ', '.join(map(str, found))}")
    return found


def is_fleet(path: Path) -> bool:
    """Whether a plan was run in this folder."""
    from perfsuite.fleet.results.folder import is_folder

    return is_folder(path)


def _merged(path: Path) -> list[Path]:
    """Of a folder of a plan the merged results of all its blocks, and else the path. Raises `StoreError`."""
    if not is_fleet(path):
        return [path]
    from perfsuite.fleet.results.folder import merge_folder, read_folder
    from perfsuite.store import StoreError

    found = [file for file, _ in merge_folder(read_folder(path))]
    if not found:
        raise StoreError(f"{path}: no block of this plan has left results yet; see: perfsuite run --status")
    return found


def one(path: Path) -> Path:
    """The file that is meant: a run's, or the last ladder's of a folder of runs. Raises `StoreError`."""
    from perfsuite.store import LAST, StoreError, one_file

    if is_fleet(path):
        several = _merged(path)
        if len(several) > 1:
            raise StoreError(f"{path}: holds {len(several)} runs; name one of {path / 'results'}")
        return several[0]
    found = one_file(path)
    if path == Path(LAST):
        to_stderr(f"the last ladder: {found}")
    return found
