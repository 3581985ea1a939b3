"""One run's results as JSON Lines, each on disk as soon as its test ends.

History of the format:

* 1: first line ``{"schema_version": 1, "kind": "run", "id", "date", "device"}``, since it is recorded
  with ``"chosen"``, then a line ``{"kind": "result", ...}`` with the fields of `Result` each. A later line
  of the same workload and variant completes the earlier one. A last line without newline was cut short
  and does not count.
* 2: sessions as in 2 of the baselines; verdicts have more causes.
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
from perfsuite.store.files import read_bytes, write_atomic

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class _Header:
    __pydantic_config__ = CONFIG
    schema_version: Annotated[int, Ge(1), Le(SCHEMA_VERSION)]
    kind: Literal["run"]
    id: str
    date: str
    device: Device
    chosen: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Line(Result):
    __pydantic_config__ = CONFIG
    kind: Literal["result"]


class ResultsWriter:
    """Writes one run, a line at a time; what is added survives the end of the process."""

    def __init__(
        self, path: str | Path, run_id: str, date: str, device: Device, chosen: tuple[str, ...] = ()
    ) -> None:
        """Begin the file, in place of any older one; `date` is ISO 8601, UTC; `chosen` as in `Run`.

        Raises:
            StoreError: if the file cannot be written.
        """
        self.path = Path(path)
        header = _Header(SCHEMA_VERSION, "run", run_id, date, device, chosen)
        write_atomic(self.path, encode(header, _place(self.path, 1), one_line=True))

    def add(self, result: Result) -> None:
        """Append one line and wait until it is on disk.

        Raises:
            StoreError: if it could not be read again, or the file cannot be written.
        """
        place = Place(self.path, "run the suite again", f"{result.workload}/{result.variant}")
        line = encode(_Line(**_values(result), kind="result"), place, one_line=True)
        try:
            _append(self.path, line)
        except OSError as error:
            raise place.error(
                f"cannot be appended ({error.strerror})", "check the file, its permissions and the free space"
            ) from error


def read_results(path: str | Path) -> Run:
    """Return the run stored in `path`, its results in the order in which their first lines came.

    Raises:
        StoreError: if there is no such file, or any line but a last one cut short is wrong.
    """
    path = Path(path)
    raw = read_bytes(path)
    if raw is None:
        raise StoreError(f"{path}: there is no such file; name the one that --perf-results wrote")
    header_line, *lines = raw.split(b"\n")
    header = parse(_Header, header_line, _place(path, 1), SCHEMA_VERSION)
    # What follows the last newline is nothing, or a line whose writer was killed.
    whole = [parse(_Line, line, _place(path, number)) for number, line in enumerate(lines[:-1], 2)]
    results = merge_results(Result(**_values(line)) for line in whole)
    return Run(header.id, header.date, header.device, results, header.chosen)


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
