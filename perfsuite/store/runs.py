"""Where runs keep their results: a file each in one folder, and which of them is the last ladder.

A name is the moment at which the run began and a part of its id, so that names in order are runs in order,
and two runs at once have two files. ``last`` names the newest run that timed anything.
"""

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from perfsuite import settings
from perfsuite.records import Run
from perfsuite.store.errors import StoreError
from perfsuite.store.exhibits import folder_of
from perfsuite.store.files import held, lock_of, read_bytes, remove, write_atomic
from perfsuite.store.results import read_beginning

RUNS = Path(settings.RUNS)
"""Below the folder in which the suite is run."""
LAST = "last"
"""Name of the file that names the last ladder, and the word for it on a command line."""
_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d{6}\.\d{3}Z-[0-9a-f]{8}\.jsonl")


@dataclass(frozen=True)
class Listed:
    """One file of the folder."""

    path: Path
    run: Run | str
    """Without its results; why it cannot be read, where it is none."""
    last: bool
    """Whether it is the last ladder."""


class Runs:
    """One folder of runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, run_id: str, date: str) -> Path:
        """The file of a run that began at `date`, ISO 8601 in UTC."""
        began = datetime.fromisoformat(date)
        moment = f"{began:%Y-%m-%dT%H%M%S}.{began.microsecond // 1000:03}Z"
        return self.folder / f"{moment}-{run_id[:8]}.jsonl"

    def point_to(self, path: Path) -> None:
        """Make this file, which may lie anywhere, the last ladder."""
        name = path.name if path.parent == self.folder else str(path.resolve())
        write_atomic(self.folder / LAST, f"{name}\n".encode())

    def last(self) -> Path | None:
        """The file of the last ladder, None if none was run; it may be gone if it lay elsewhere."""
        raw = read_bytes(self.folder / LAST)
        return None if raw is None else self.folder / raw.decode(errors="replace").strip()

    def prune(self, keep: int) -> None:
        """Remove the oldest runs, with what they kept for a report, so that `keep` are left.

        Neither the last ladder goes nor a run that is not over, and no file of another name.
        """
        own = sorted(p for p in self.folder.glob("*.jsonl") if _NAME.fullmatch(p.name))
        last = self.last()
        for path in own[: max(0, len(own) - keep)]:
            if path != last:
                _remove(path)

    def listed(self) -> list[Listed]:
        """Every run that is kept, the oldest first."""
        last = self.last()
        return [Listed(p, _beginning(p), p == last) for p in sorted(self.folder.glob("*.jsonl"))]


def _beginning(path: Path) -> Run | str:
    try:
        return read_beginning(path)
    except StoreError as error:
        return str(error)


def _remove(path: Path) -> None:
    hold = held(path)
    if hold is None:  # its run is not over
        return
    try:
        if path.exists():  # else another process was faster
            remove(path)
        shutil.rmtree(folder_of(path), ignore_errors=True)
    finally:
        hold.release()
        lock_of(path).unlink(missing_ok=True)


def the_last(runs: Path = RUNS) -> Path:
    """The results of the last ladder.

    Raises:
        StoreError: none was run here, or its file is gone.
    """
    found = Runs(runs).last()
    if found is None:
        raise StoreError(
            f"{runs}: no ladder was run here yet; run pytest --benchmark-only, or name a results file"
        )
    if not found.is_file():
        raise StoreError(f"{found}: the last ladder's results are not there any more; name another file")
    return found


def results_files(paths: Iterable[str | Path], runs: Path = RUNS) -> list[Path]:
    """Files as they are, folders as the ``*.jsonl`` in them, ``last`` and nothing as the last ladder; each
    once.

    Raises:
        StoreError: if a folder holds none, or there is no last ladder.
    """
    found: dict[Path, Path] = {}
    for path in list(map(Path, paths)) or [Path(LAST)]:
        if path == Path(LAST) and not path.exists():
            inside = [the_last(runs)]
        else:
            inside = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
        if not inside:
            raise StoreError(
                f"{path}: no results in this folder (*.jsonl); name what --perf-results wrote, or a folder "
                "of runs (see: perfsuite list runs)"
            )
        for file in inside:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def one_file(path: Path, runs: Path = RUNS) -> Path:
    """As `results_files`, where one run is meant: of a folder of runs its last ladder.

    Raises:
        StoreError: as there, or if a folder holds several and says of none that it is the last.
    """
    last = Runs(path).last() if path.is_dir() else None
    found = [last] if last is not None else results_files([path], runs)
    if len(found) > 1:
        raise StoreError(f"{path}: holds {len(found)} results files; name one of them")
    return found[0]
