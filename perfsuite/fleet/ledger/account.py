"""What a ledger tells: drivers that came and ended, blocks that were begun, how they ended."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping  # noqa: TC003  # read by pydantic, as are those of records
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Predicate

from perfsuite.records import Attempt

if TYPE_CHECKING:
    from collections.abc import Iterator


def _is_ticket(text: str) -> bool:
    """It becomes part of a path: letters and digits; empty where none was kept."""
    return not text or (text.isascii() and text.isalnum())


Ticket = Annotated[str, Predicate(_is_ticket)]


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """A driver that took the folder."""

    began: str
    """ISO 8601, UTC."""
    engine: str
    host: str
    process: Annotated[int, Ge(1)]
    again: bool = False
    """Failures before it do not count: broken blocks are tried again."""
    beside: bool = False
    """It sat while the one before did, over another part of what has been joined: what was seen of machines
    before it is not forgotten, and not added up with what it saw."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A block that was given to the engine."""

    block: str
    number: Annotated[int, Ge(1)]
    machine: str
    slot: str
    uuid: str
    began: str
    """ISO 8601, UTC."""
    ticket: Ticket = ""
    """By which the engine finds again what the block leaves."""


@dataclass(frozen=True, kw_only=True)
class End:
    """A driver had no more to do, or was told to stop."""

    ended: str
    broken: Mapping[str, str] = field(default_factory=dict)
    """Block to why it is not tried again."""
    unplaced: Mapping[str, str] = field(default_factory=dict)
    """Block to why no machine took it."""


Entry = Sitting | Begun | Attempt | End


@dataclass
class Account:
    """All that a ledger says."""

    plan: str
    """Its id."""
    name: str
    attempts: list[Attempt] = field(default_factory=list)
    running: dict[tuple[str, int], Begun] = field(default_factory=dict)
    """What was begun and has not ended, by block and number."""
    written: list[Begun] = field(default_factory=list)
    """What was begun in the last sitting, and in those before it that were killed, and has a ticket and an
    end."""
    sitting: Sitting | None = None
    """The last."""
    end: End | None = None
    """Of the last sitting; None while it goes on, and where it was killed."""
    sat: int = 0
    """How many attempts there were before the last sitting."""
    again: int = 0
    """How many there were when broken blocks were last allowed to be tried again."""
    beside: list[int] = field(default_factory=list)
    """How many there were before each further sitting beside the last one."""

    @property
    def is_empty(self) -> bool:
        """Whether no block was ever begun."""
        return not self.attempts and not self.running

    def note(self, entry: Entry) -> None:
        """Take the next line in."""
        if isinstance(entry, Attempt):
            self.attempts.append(entry)
            begun = self.running.pop((entry.block, entry.number), None)
            self.written += [begun] if begun is not None and begun.ticket else []
        elif isinstance(entry, Begun):
            self.running[entry.block, entry.number] = entry
        elif isinstance(entry, Sitting) and entry.beside:
            self.beside.append(len(self.attempts))
        elif isinstance(entry, Sitting):
            self.beside.clear()
            if self.end is not None:
                self.written.clear()
            self.sitting, self.end, self.sat = entry, None, len(self.attempts)
            if entry.again:
                self.again = self.sat
        else:
            self.end = entry

    def entries(self) -> Iterator[Entry]:
        """Lines of a ledger that says all this."""
        sitting = self.sitting
        yield from self.attempts[: self.again]
        if sitting is not None and self.again:
            yield replace(sitting, again=True)
        yield from self.attempts[self.again : self.sat]
        if sitting is not None and (self.sat > self.again or not self.again):
            yield replace(sitting, again=False)
        for begin, end in pairwise([self.sat, *self.beside, len(self.attempts)]):
            if begin in self.beside and sitting is not None:
                yield replace(sitting, again=False, beside=True)
            yield from self.attempts[begin:end]
        yield from self.running.values()
        if self.end is not None:
            yield self.end


def this_sitting(engine: str, began: str, *, again: bool = False) -> Sitting:
    """Of this process."""
    return Sitting(began=began, engine=engine, host=socket.gethostname(), process=os.getpid(), again=again)
