"""What was begun and how it ended, a JSON line each, in a folder of one plan: a killed driver loses no more
than what ran.

The folder has ``ledger.jsonl``, and ``objects`` with the files that blocks left, each by its SHA-256.

History of the format:

* 1: first line ``{"schema_version": 1, "kind": "ledger"}`` with the plan's id and name; then lines of four
  kinds: ``sitting``, a driver that took the folder; ``begun``, before a block is started; ``attempt``, when
  it has ended; ``end``, when that driver had no more to do. A last line without newline was cut short and
  does not count.
* 2: an attempt may have ended as ``refused``.
* 3: a ``begun`` line has the ticket by which what its block leaves is found again, an attempt the start of
  its machine, and a sitting may have been beside the one before.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, cast

from annotated_types import Ge, Le

from perfsuite.fleet.ledger.account import Account, Begun, End, Sitting
from perfsuite.records import Attempt
from perfsuite.store.documents import CONFIG, encode, parse
from perfsuite.store.errors import Place, StoreError
from perfsuite.store.files import held, read_bytes, write_atomic

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

    from filelock import BaseFileLock
    from pydantic import TypeAdapter

    from perfsuite.fleet.ledger.account import Entry
    from perfsuite.records import Plan

SCHEMA_VERSION = 3
FILE = "ledger.jsonl"
OBJECTS = "objects"
TRIES, TRY_S = 5, 0.1
"""To take a folder, and the time between two."""


class LedgerError(Exception):
    """A folder of another plan, or in another driver's hands; the message has the remedy."""


@dataclass(frozen=True, kw_only=True)
class _HeaderLine:
    __pydantic_config__ = CONFIG
    kind: Literal["ledger"]
    schema_version: Annotated[int, Ge(1), Le(SCHEMA_VERSION)]
    plan: str
    name: str


@dataclass(frozen=True, kw_only=True)
class _SittingLine(Sitting):
    __pydantic_config__ = CONFIG
    kind: Literal["sitting"]


@dataclass(frozen=True, kw_only=True)
class _BegunLine(Begun):
    __pydantic_config__ = CONFIG
    kind: Literal["begun"]


@dataclass(frozen=True, kw_only=True)
class _AttemptLine(Attempt):
    __pydantic_config__ = CONFIG
    kind: Literal["attempt"]


@dataclass(frozen=True, kw_only=True)
class _EndLine(End):
    __pydantic_config__ = CONFIG
    kind: Literal["end"]


_LINES: dict[str, tuple[type[Any], type[Any]]] = {
    "sitting": (_SittingLine, Sitting),
    "begun": (_BegunLine, Begun),
    "attempt": (_AttemptLine, Attempt),
    "end": (_EndLine, End),
}
_KIND = re.compile(rb'"kind"\s*:\s*"(\w+)"')


class Ledger:
    """The ledger of one driver, which no other may write meanwhile."""

    def __init__(self, folder: Path, account: Account, lock: BaseFileLock) -> None:
        """Use `open`."""
        self.folder = folder
        self.account = account
        self._file = folder / FILE
        self._lock = lock

    @classmethod
    def open(cls, folder: Path, plan: Plan) -> Self:
        """Take the folder: begin its ledger, or go on behind its last whole line.

        Raises:
            LedgerError: another driver has it, or it is of another plan.
            StoreError: it is bad, or cannot be written.
        """
        file = folder / FILE
        lock = _locked(file)
        if lock is None:
            raise LedgerError(_taken(folder))
        try:
            raw = read_bytes(file)
            account = None if raw is None else _account(raw, file)
            if raw is None or account is None or (account.plan != plan.id and account.is_empty):
                return cls(folder, _begun(file, plan), lock)
            check_account(account, folder, plan)
            # A line that was cut short would join the next one.
            _cut(file, raw.rfind(b"\n") + 1, len(raw))
        except BaseException:
            lock.release()
            raise
        return cls(folder, account, lock)

    @property
    def attempts(self) -> list[Attempt]:
        """All, in the order in which they ended."""
        return self.account.attempts

    def add(self, entry: Entry) -> None:
        """Append one line and wait until it is on disk.

        Raises:
            StoreError: it cannot be written; the file is then as it was.
        """
        _append(self._file, _encoded(entry, self._file))
        self.account.note(entry)

    def put(self, data: bytes) -> str:
        """Keep `data` by its SHA-256, which is returned; durable before the line that names it.

        Raises:
            StoreError: if it cannot be written.
        """
        name = hashlib.sha256(data).hexdigest()
        path = self.path(name)
        if not path.exists():  # written in one step: what is there is whole
            try:
                write_atomic(path, data)
            except StoreError as error:
                raise StoreError(f"{error}, then run the plan again: what ended before is kept") from error
        return name

    def path(self, sha256: str) -> Path:
        """Of a file that was put."""
        return self.folder / OBJECTS / sha256

    def close(self) -> None:
        """Let another driver have it."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _begun(file: Path, plan: Plan) -> Account:
    """A new ledger, also in the place of one in which nothing was begun."""
    write_atomic(file, _header(plan.id, plan.name, file))
    return Account(plan.id, plan.name)


def write_account(folder: Path, account: Account) -> None:
    """Write a whole ledger in one step, in the place of any that is there: read again it says the same.

    Raises:
        LedgerError: a driver has the folder.
        StoreError: it cannot be written.
    """
    file = folder / FILE
    lock = _locked(file)
    if lock is None:
        raise LedgerError(_taken(folder))
    try:
        lines = [_encoded(entry, file) for entry in account.entries()]
        write_atomic(file, b"".join((_header(account.plan, account.name, file), *lines)))
    finally:
        lock.release()


def _header(plan: str, name: str, file: Path) -> bytes:
    header = _HeaderLine(kind="ledger", schema_version=SCHEMA_VERSION, plan=plan, name=name)
    return encode(header, _place(file, 1), one_line=True)


def _encoded(entry: Entry, file: Path) -> bytes:
    name, line_type = next((n, line) for n, (line, kind) in _LINES.items() if type(entry) is kind)
    place = _place(file, 0).at(entry=f"a new line of kind {name}")
    return encode(line_type(**_values(entry), kind=name), place, one_line=True)


def read_account(folder: Path) -> Account | None:
    """All that the ledger of a folder says, while a driver may be writing it; None where there is none.

    Raises:
        StoreError: if it is bad or cannot be read.
    """
    raw = read_bytes(folder / FILE)
    return None if raw is None else _account(raw, folder / FILE)


def check_account(account: Account, folder: Path, plan: Plan) -> None:
    """Raise `LedgerError` for a ledger in which blocks of another plan were begun."""
    if account.plan != plan.id and not account.is_empty:
        raise LedgerError(
            f"{folder / FILE}: is of the plan {account.name!r} ({account.plan[:12]}), not of {plan.name!r} "
            f"({plan.id[:12]}); name another --out"
        )


def read_attempts(folder: Path) -> tuple[Attempt, ...]:
    """The attempts of a folder's ledger, in the order in which they ended.

    Raises:
        StoreError: if there is no ledger, or it is bad or cannot be read.
    """
    account = read_account(folder)
    if account is None:
        raise StoreError(f"{folder / FILE}: there is no ledger; run the plan first: perfsuite run")
    return tuple(account.attempts)


def is_driven(folder: Path) -> bool:
    """Whether a driver has the folder now. Raises `StoreError`."""
    if not (folder / FILE).exists():
        return False
    lock = held(folder / FILE)
    if lock is None:
        return True
    lock.release()
    return False


def _locked(file: Path) -> BaseFileLock | None:
    """Its lock, None if a driver has it: whoever only asks `is_driven` has it for an instant."""
    for _ in range(TRIES):
        lock = held(file)
        if lock is not None:
            return lock
        time.sleep(TRY_S)
    return None


def _account(raw: bytes, file: Path) -> Account:
    first, *lines = raw.split(b"\n")
    place = Place(
        file, "take another --out: without its first line it is not known whose ledger it is", "line 1"
    )
    header = parse(_HeaderLine, first, place, SCHEMA_VERSION)
    account = Account(header.plan, header.name)
    for number, line in enumerate(lines[:-1], 2):
        account.note(_entry(line, _place(file, number)))
    return account


def _entry(line: bytes, place: Place) -> Entry:
    named = _KIND.search(line)
    known = _LINES.get(named[1].decode()) if named else None
    if known is None:
        raise place.at(field="kind").error(f"must be one of {', '.join(_LINES)}")
    line_type, kind = known
    found: Entry = kind(**_values(_read(line_type, line, place), kind))
    return found


def _read(line_type: type[Any], line: bytes, place: Place) -> Any:
    """Ten thousand lines in a second: what is good is read once, and only what is bad looked at closely."""
    from pydantic import ValidationError

    try:
        return _adapter(cast("Any", line_type)).validate_json(line)
    except ValidationError:
        return parse(line_type, line, place)


@cache
def _adapter(line_type: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(line_type)


def _values(record: object, kind: type[Any] | None = None) -> dict[str, Any]:
    return {f.name: getattr(record, f.name) for f in fields(kind or record)}  # type: ignore[arg-type]


def _append(file: Path, line: bytes) -> None:
    """All of `line`, or nothing of it."""
    try:
        with file.open("r+b", buffering=0) as stream:
            before = stream.seek(0, os.SEEK_END)
            try:
                _write_all(stream, line)
                os.fsync(stream.fileno())
            except BaseException:
                stream.truncate(before)
                raise
    except OSError as error:
        raise _unwritten(file, error) from error


def _write_all(stream: FileIO, data: bytes) -> None:
    """Which one call need not do."""
    left = memoryview(data)
    while left:
        left = left[stream.write(left) :]


def _cut(file: Path, whole: int, size: int) -> None:
    """Take off what was cut short."""
    if whole == size:
        return
    try:
        os.truncate(file, whole)
    except OSError as error:
        raise _unwritten(file, error) from error


def _unwritten(file: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{file}: cannot be written ({error.strerror}); check the permissions and the free space of "
        f"{file.parent}, then run the plan again: what has ended is kept"
    )


def _place(file: Path, number: int) -> Place:
    remedy = "take another --out, or delete this line: what it tells of is then run again"
    return Place(file, remedy, f"line {number}")


def _taken(folder: Path) -> str:
    account = read_account(folder)
    sitting = account.sitting if account else None
    who = f", process {sitting.process} on {sitting.host}, since {sitting.began}" if sitting else ""
    return f"{folder}: another driver runs this plan{who}; wait for it, end it, or name another --out"
