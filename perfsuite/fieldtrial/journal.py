"""What a trial has done so far, a JSON line a step: an interrupted trial goes on behind the last whole line.

History of the format:

* 1: first line ``{"schema_version": 1, "kind": "trial"}`` with the fields of `Plan`, then a line
  ``{"kind": "step"}`` with those of `Step` each. A last line without newline was cut short and does not
  count.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from perfsuite.fieldtrial.regimes import TrialError
from perfsuite.records import Verdict
from perfsuite.store.documents import CONFIG, encode, parse
from perfsuite.store.errors import Place
from perfsuite.store.files import read_bytes, write_atomic

SCHEMA_VERSION = 1
FILE = "trial.jsonl"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What may not change while a trial goes on; how much is run, and under which loads, may."""

    workload: str
    variants: tuple[str, ...]
    checks: int
    """Of each amount of work, a recording."""
    seed: int
    time_budget_s: float | None
    """Of each benchmark; None for the suite's own default."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One recording, or one check against it, as it ended."""

    regime: str
    number: Annotated[int, Ge(1)]
    """Of the recording."""
    slower: int | None
    """Percent of more work of a check; None for the recording."""
    check: int
    """From 1 with this recording and work; 0 for the recording."""
    seconds: float
    exit_code: int | None
    """Of pytest; None where it took too long, or was not run for want of a baseline."""
    verdicts: Mapping[str, Verdict]
    """By variant; those of a recording say NEW."""
    stored: tuple[str, ...]
    """Variants with a baseline afterwards."""
    more_work: tuple[float, ...]
    """Share of more work that each process of a slowed check did in its UNet."""
    said: str
    """Last lines of a run that did not judge all; empty else."""

    @property
    def key(self) -> str:
        """What it is known by, and its folder's name."""
        return key(self.regime, self.number, self.slower, self.check)


def key(regime: str, number: int, slower: int | None, check: int) -> str:
    """The name of a step within its trial."""
    return f"{regime}-{number}/" + ("record" if slower is None else f"check-{slower}-{check}")


@dataclass(frozen=True, kw_only=True)
class _Header(Plan):
    __pydantic_config__ = CONFIG
    kind: Literal["trial"]
    schema_version: Annotated[int, Ge(1), Le(SCHEMA_VERSION)]


@dataclass(frozen=True, kw_only=True)
class _Line(Step):
    __pydantic_config__ = CONFIG
    kind: Literal["step"]


class Journal:
    """The file of one trial."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def begin(self, plan: Plan, resume: bool) -> dict[str, Step]:
        """Begin the file, or go on with it; the steps that are done, by their keys.

        Raises:
            TrialError: there is a trial and it is not to be resumed, or it has another plan.
            StoreError: the file is bad or cannot be written.
        """
        raw = read_bytes(self.path)
        if raw is None:
            header = _Header(**_values(plan, Plan), kind="trial", schema_version=SCHEMA_VERSION)
            write_atomic(self.path, encode(header, _place(self.path, 1), one_line=True))
            return {}
        if not resume:
            raise TrialError(f"{self.path}: there is a trial; go on with --resume, or name another --out")
        stored, steps = self._parse(raw)
        if stored != plan:
            changed = [f.name for f in fields(Plan) if getattr(stored, f.name) != getattr(plan, f.name)]
            was = ", ".join(f"{name} {getattr(stored, name)!r}" for name in changed)
            raise TrialError(f"{self.path}: begun with {was}; resume it with the same, or name another --out")
        # A line that was cut short would join the next one.
        write_atomic(self.path, raw[: raw.rfind(b"\n") + 1])
        return steps

    def add(self, step: Step) -> None:
        """Append one line and wait until it is on disk. Raises `StoreError`."""
        place = _place(self.path, 0)
        line = encode(_Line(**_values(step, Step), kind="step"), place, one_line=True)
        try:
            with self.path.open("ab", buffering=0) as stream:
                stream.write(line)
                os.fsync(stream.fileno())
        except OSError as error:
            raise place.error(
                f"cannot be appended ({error.strerror})", "check the permissions and the free space"
            ) from error

    def _parse(self, raw: bytes) -> tuple[Plan, dict[str, Step]]:
        first, *lines = raw.split(b"\n")
        header = parse(_Header, first, _place(self.path, 1), SCHEMA_VERSION)
        steps = {}
        for number, line in enumerate(lines[:-1], 2):
            step = Step(**_values(parse(_Line, line, _place(self.path, number)), Step))
            steps[step.key] = step
        return Plan(**_values(header, Plan)), steps


def _values(record: object, kind: type[Any]) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(kind)}


def _place(path: Path, number: int) -> Place:
    return Place(path, "delete this line: its step is run again with --resume", f"line {number}")
