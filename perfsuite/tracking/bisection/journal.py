"""The log of a bisection: one JSON line a step, from which an interrupted one goes on.

The first line says what is asked; a line is added when a comparison is done, and flushed. A search asks the
same questions in the same order again, so to go on is to ask from the beginning and be answered by the log.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from perfsuite.store.errors import StoreError
from perfsuite.store.files import make_folder, read_bytes
from perfsuite.tracking.bisection.search import Answer, BrokenError, OutOfTimeError, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from perfsuite.tracking.bisection.candidates import Candidate
    from perfsuite.tracking.bisection.search import Oracle

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Question:
    """What is asked; an answer to another question is none to this."""

    workload: str
    variant: str
    metric: str
    device: str
    weights: str
    good: str
    bad: str
    packages: tuple[str, ...]
    """Those under test."""
    time_s: float
    """Of one comparison, the first time."""


@dataclass(frozen=True)
class Step:
    """One comparison, or what could not be compared."""

    number: int
    date: str
    base: str
    head: str
    """Labels."""
    base_versions: dict[str, str]
    head_versions: dict[str, str]
    base_git: dict[str, str]
    head_git: dict[str, str]
    effort: int
    answer: str
    """An `Answer`, or ``BROKEN``."""
    ratio: float | None
    interval: tuple[float, float] | None
    cost_s: float
    detail: str = ""
    fault: str = ""
    """Label of the one at fault, where the answer is ``BROKEN`` and it is known."""


BROKEN = "BROKEN"


@dataclass
class Journal:
    """The log in a file, and the oracle that writes it."""

    path: Path
    question: Question
    oracle: Oracle
    until: float | None = None
    """`time.monotonic` after which nothing more is asked; None: no limit."""
    told: Callable[[Step], None] = lambda step: None
    steps: list[Step] = field(default_factory=list)
    replayed: int = 0
    """Steps that were answered by the log."""
    _last: str = ""
    """The last line."""

    def begin(self, *, resume: bool) -> None:
        """Open a new log, or go on with the one that is there.

        Raises:
            StoreError: there is one and it is not to be resumed, there is none to resume, it is of another
                question, or it cannot be read or written.
        """
        raw = read_bytes(self.path)
        if raw is not None and not resume:
            raise StoreError(
                f"{self.path}: there is a log already; go on with --resume, or name another --log"
            )
        if raw is None and resume:
            raise StoreError(f"{self.path}: there is no log to go on with; leave --resume out")
        if raw is not None and not raw.endswith(b"\n"):  # killed while writing: that step is asked again
            raw = raw[: raw.rfind(b"\n") + 1]
            _cut(self.path, len(raw))
        if not raw:
            make_folder(self.path.parent)
            self._add(
                {"kind": "bisection", "schema_version": SCHEMA_VERSION, "question": asdict(self.question)}
            )
            return
        self.steps = _read(self.path, raw, self.question)
        self._last = raw.splitlines()[-1].decode()

    def __call__(self, base: Candidate, head: Candidate, effort: int) -> Reply:
        """The answer, from the log or from the oracle; see `Oracle`."""
        for step in self.steps:
            if _is(step, base, head, effort):
                self.replayed += 1
                return _reply(step, base, head)
        for step in self.steps:
            if step.answer == BROKEN and step.fault in (base.label, head.label) and step.fault:
                at_fault = base if step.fault == base.label else head
                if dict(at_fault.versions) in (dict(step.base_versions), dict(step.head_versions)):
                    raise BrokenError(at_fault, step.detail)
        if self.until is not None and time.monotonic() >= self.until:
            raise OutOfTimeError
        began = time.monotonic()
        try:
            reply = self.oracle(base, head, effort)
        except BrokenError as error:
            self._record(base, head, effort, BROKEN, None, began, str(error), error.candidate)
            raise
        self._record(base, head, effort, reply.answer, reply, began, reply.detail, None)
        return reply

    def conclude(self, document: Mapping[str, Any]) -> None:
        """Add what was found, once."""
        found = {"kind": "found", **document}
        if json.dumps(found) != self._last:
            self._add(found)

    def _record(
        self,
        base: Candidate,
        head: Candidate,
        effort: int,
        answer: str,
        reply: Reply | None,
        began: float,
        detail: str,
        fault: Candidate | None,
    ) -> None:
        step = Step(
            number=len(self.steps) + 1,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            base=base.label,
            head=head.label,
            base_versions=dict(base.versions),
            head_versions=dict(head.versions),
            base_git=dict(base.git),
            head_git=dict(head.git),
            effort=effort,
            answer=str(answer),
            ratio=reply.ratio if reply else None,
            interval=reply.interval if reply else None,
            cost_s=time.monotonic() - began,
            detail=detail,
            fault=fault.label if fault else "",
        )
        self.steps.append(step)
        self._add({"kind": "step", **asdict(step)})
        self.told(step)

    def _add(self, document: Mapping[str, Any]) -> None:
        try:
            with self.path.open("a") as stream:
                stream.write(json.dumps(document) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise StoreError(
                f"{self.path}: cannot be written ({error.strerror}); name another --log"
            ) from error


def _is(step: Step, base: Candidate, head: Candidate, effort: int) -> bool:
    one = (dict(step.base_versions), dict(step.head_versions), step.effort)
    return one == (dict(base.versions), dict(head.versions), effort)


def _reply(step: Step, base: Candidate, head: Candidate) -> Reply:
    if step.answer == BROKEN:
        raise BrokenError({base.label: base, head.label: head}.get(step.fault), step.detail)
    return Reply(Answer(step.answer), step.ratio, step.interval, step.detail)


def _read(path: Path, raw: bytes, question: Question) -> list[Step]:
    lines = raw.decode(errors="replace").splitlines()
    remedy = f"remove {path}, or name another --log"
    steps: list[Step] = []
    adapter: TypeAdapter[Step] = TypeAdapter(Step)
    for number, line in enumerate(lines, 1):
        try:
            document = json.loads(line)
            kind = document.pop("kind")
            if number == 1:
                _check_head(path, kind, document, question)
            elif kind == "step":
                steps.append(adapter.validate_python(document))
        except StoreError:
            raise
        except (ValueError, KeyError, AttributeError, TypeError, ValidationError) as error:
            said = str(error).splitlines()[0]
            raise StoreError(f"{path}: line {number} is no line of such a log ({said}); {remedy}") from error
    return steps


def _check_head(path: Path, kind: str, document: Mapping[str, Any], question: Question) -> None:
    if kind != "bisection" or document.get("schema_version") != SCHEMA_VERSION:
        raise StoreError(f"{path}: is no log of a bisection by this perfsuite; name another --log")
    then = document["question"]
    now = json.loads(json.dumps(asdict(question)))
    for name in now:
        if then.get(name) != now[name]:
            raise StoreError(
                f"{path}: is of another question: {name} was {then.get(name)!r} and is {now[name]!r}; ask as "
                "before, or name another --log"
            )


def _cut(path: Path, length: int) -> None:
    with path.open("r+b") as stream:
        stream.truncate(length)
