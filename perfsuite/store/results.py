"""One run's results as JSON Lines, each on disk as soon as its test ends.

History of the format:

* 1: first line ``{"schema_version": 1, "kind": "run", "id", "date", "device"}``, since it is recorded
  with ``"chosen"``, then a line ``{"kind": "result", ...}`` with the fields of `Result` each. A later line
  of the same workload and variant completes the earlier one. A last line without newline was cut short
  and does not count.
* 2: sessions as in 2 of the baselines; verdicts have more causes.
* 3: every line has ``"run"``, the id of the first; the first has ``"asked"``, what the run was to judge, and
  ``"timed"``. Verdicts may be NOT_JUDGED or LESS_JUDGED.
* 4: a session may have ``"gpu"``, a result ``"repeats"``, and a verdict the cause OTHER_GPU.
* 5: pictures may be INCOMPATIBLE.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from perfsuite.records import Device, Result, Run
from perfsuite.store.documents import CONFIG, encode, parse
from perfsuite.store.errors import Place, StoreError
from perfsuite.store.files import held, read_bytes, write_atomic

SCHEMA_VERSION = 5
WITH_IDS = 3
"""From here on every line says which run it is of."""


@dataclass(frozen=True)
class _Header:
    __pydantic_config__ = CONFIG
    schema_version: Annotated[int, Ge(1), Le(SCHEMA_VERSION)]
    kind: Literal["run"]
    id: str
    date: str
    device: Device
    chosen: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    timed: bool = True


@dataclass(frozen=True, kw_only=True)
class _Line(Result):
    __pydantic_config__ = CONFIG
    kind: Literal["result"]
    run: str = ""


class ResultsWriter:
    """Writes one run, a line at a time; what is added survives the end of the process.

    Until it is closed, or its process ends, no other may write the file or remove it.
    """

    def __init__(
        self,
        path: str | Path,
        run_id: str,
        date: str,
        device: Device,
        chosen: tuple[str, ...] = (),
        *,
        asked: tuple[str, ...] = (),
        timed: bool = True,
    ) -> None:
        """Begin the file, in place of any older one; `date` is ISO 8601, UTC; the rest as in `Run`.

        Raises:
            StoreError: if another run writes this file at this moment, or it cannot be written.
        """
        self.path, self._id = Path(path), run_id
        self._hold = held(self.path)
        if self._hold is None:
            raise StoreError(
                f"{self.path}: another run writes its results there; wait for its end, or give each run a "
                "file of its own: leave --perf-results out, or name another"
            )
        header = _Header(SCHEMA_VERSION, "run", run_id, date, device, chosen, asked, timed)
        try:
            write_atomic(self.path, encode(header, _place(self.path, 1), one_line=True))
        except BaseException:
            self.close()
            raise

    def add(self, result: Result) -> None:
        """Append one line and wait until it is on disk.

        Raises:
            StoreError: if it could not be read again, or the file cannot be written.
        """
        place = Place(self.path, "run the suite again", f"{result.workload}/{result.variant}")
        line = encode(_Line(**_values(result), kind="result", run=self._id), place, one_line=True)
        try:
            _append(self.path, line)
        except OSError as error:
            raise place.error(
                f"cannot be appended ({error.strerror})", "check the file, its permissions and the free space"
            ) from error

    def close(self) -> None:
        """Let others write the file, or remove it."""
        if self._hold is not None:
            self._hold.release()


def encode_results(run: Run, path: Path) -> bytes:
    """A whole run as its file holds it; `path` is where it will be, for messages.

    Raises:
        StoreError: if it could not be read again.
    """
    header = _Header(SCHEMA_VERSION, "run", run.id, run.date, run.device, run.chosen, run.asked, run.timed)
    lines = [encode(header, _place(path, 1), one_line=True)]
    for number, result in enumerate(run.results, 2):
        line = _Line(**_values(result), kind="result", run=run.id)
        lines.append(encode(line, _place(path, number), one_line=True))
    return b"".join(lines)


def read_results(path: str | Path) -> Run:
    """Return the run stored in `path`, its results in the order in which their first lines came.

    Raises:
        StoreError: if there is no such file, it holds lines of another run, or any line but a last one cut
            short is wrong.
    """
    path = Path(path)
    raw = read_bytes(path)
    if raw is None:
        raise StoreError(
            f"{path}: there is no such file; name one that --perf-results wrote, or a run of "
            ".perfsuite/runs (see: perfsuite list runs)"
        )
    header_line, *lines = raw.split(b"\n")
    header = _read_header(header_line, path)
    # What follows the last newline is nothing, or a line whose writer was killed.
    whole = [_read_line(line, header, path, number) for number, line in enumerate(lines[:-1], 2)]
    return _run(header, merge_results(Result(**_values(line)) for line in whole))


def read_beginning(path: Path) -> Run:
    """The run stored in `path` without its results, of which there may be many.

    Raises:
        StoreError: if there is no such file, or its first line is wrong.
    """
    try:
        with path.open("rb") as file:
            line = file.readline()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    return _run(_read_header(line.removesuffix(b"\n"), path), ())


def _read_header(line: bytes, path: Path) -> _Header:
    return parse(_Header, line, _place(path, 1), SCHEMA_VERSION)


def _run(header: _Header, results: tuple[Result, ...]) -> Run:
    return Run(header.id, header.date, header.device, results, header.chosen, header.asked, header.timed)


def _read_line(line: bytes, header: _Header, path: Path, number: int) -> _Line:
    place = Place(path, "it is no single run's: do not use it, run the suite again", f"line {number}")
    if b'"kind": "run"' in line:  # in no text, for there quotes are escaped
        raise place.error("begins another run: the file holds more than one")
    found = parse(_Line, line, _place(path, number))
    if found.run != header.id and (found.run or header.schema_version >= WITH_IDS):
        of = f"of run {found.run!r}" if found.run else "of no run"
        raise place.error(f"is {of}, the file of run {header.id!r}: runs are mixed in it")
    return found


def merge_results(results: Iterable[Result]) -> tuple[Result, ...]:
    """Return one result a workload and variant; what a later one holds supersedes the earlier."""
    merged: dict[tuple[str, str], Result] = {}
    for result in results:
        key = (result.workload, result.variant)
        held = {name: value for name, value in _values(result).items() if value not in (None, ())}
        merged[key] = replace(merged.get(key, result), **held)
    return tuple(merged.values())


def _values(result: Result) -> dict[str, Any]:
    return {field.name: getattr(result, field.name) for field in fields(Result)}


def _append(path: Path, line: bytes) -> None:
    # "r+b" does not create: a file that was deleted meanwhile would come back without its header.
    with path.open("r+b", buffering=0) as stream:
        end = stream.seek(0, os.SEEK_END)
        try:
            if stream.write(line) != len(line):
                raise OSError(None, "only a part was written")
            os.fsync(stream.fileno())
        except BaseException:
            stream.truncate(end)  # else the next line would join this one's beginning
            raise


def _place(path: Path, number: int) -> Place:
    return Place(path, "delete this line if you know what it held, or run the suite again", f"line {number}")
