"""What is tried again, and where: failures of blocks and of machines, counted as they come in.

* A verdict, good or bad, is never tried again: that would be to ask until the answer pleases.
* What was lost with its machine is tried again elsewhere. So is what ended without a verdict, since a machine
  with a broken driver fails every block within seconds; but never again on the same machine.
* A block is broken after three failures.
* A device takes no more after two blocks were lost there, where its machine has others.
* A machine is drained after three: blocks that were lost on it, and blocks that failed on it and have since
  had their verdict from another. A block that fails everywhere is no fault of its machines.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from perfsuite.records import Ending

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from perfsuite.fleet.ledger.account import Account
    from perfsuite.records import Attempt, Slot

MOST_FAILURES = 3
MOST_LOST = 2
"""At one device of several."""
JUDGED = frozenset((Ending.PASSED, Ending.FAILED))
OWN = frozenset((Ending.ERROR, Ending.TIMEOUT))
"""Failures of the block, until another machine shows otherwise."""


@dataclass
class Standing:
    """What the attempts so far say about blocks and machines."""

    done: dict[str, Attempt] = field(default_factory=dict)
    """Blocks with a verdict."""
    numbers: Counter[str] = field(default_factory=Counter)
    """Attempts of a block, stopped and refused ones included."""
    failures: defaultdict[str, list[Attempt]] = field(default_factory=lambda: defaultdict(list))
    """Of a block."""
    faults: defaultdict[str, list[Attempt]] = field(default_factory=lambda: defaultdict(list))
    """Of a machine."""
    lost: defaultdict[str, list[Attempt]] = field(default_factory=lambda: defaultdict(list))
    """At a slot."""
    _drained: dict[str, str] = field(default_factory=dict)
    """By drivers of other parts of a plan that was joined."""
    _suspects: defaultdict[str, list[Attempt]] = field(default_factory=lambda: defaultdict(list))
    """Failures of a block that become their machine's once another has judged it."""

    @classmethod
    def of(cls, account: Account) -> Standing:
        """From a ledger: failures of blocks since they were last forgiven, of machines since the last sitting
        began, for a machine may have been mended meanwhile."""
        standing = cls()
        for index, attempt in enumerate(account.attempts):
            if index in account.beside:
                standing._next_part()
            standing._note(attempt, forgiven=index < account.again, mended=index < account.sat)
        return standing

    def _next_part(self) -> None:
        """What comes now was seen by another driver, to which a machine was as good as new."""
        self._drained = self.drained
        self.faults.clear()
        self.lost.clear()

    def note(self, attempt: Attempt) -> None:
        """Take in an attempt that has just ended."""
        self._note(attempt, forgiven=False, mended=False)

    def _note(self, attempt: Attempt, *, forgiven: bool, mended: bool) -> None:
        block = attempt.block
        self.numbers[block] = max(self.numbers[block], attempt.number)
        if attempt.ending in JUDGED:
            self.done[block] = attempt
            for failed in self._suspects.pop(block, ()):
                if failed.machine != attempt.machine:
                    self.faults[failed.machine].append(failed)
            return
        if attempt.ending in (Ending.STOPPED, Ending.REFUSED):
            return
        if not forgiven:
            self.failures[block].append(attempt)
        if not mended and _is_known(attempt):
            kept = self.faults[attempt.machine] if attempt.ending is Ending.LOST else self._suspects[block]
            kept.append(attempt)
            if attempt.ending is Ending.LOST:
                self.lost[attempt.slot].append(attempt)

    @property
    def drained(self) -> dict[str, str]:
        """Machines that take no more blocks, each with its reason."""
        return self._drained | {
            machine: f"{len(faults)} failures, the last: {faults[-1].cause or faults[-1].ending}"
            for machine, faults in self.faults.items()
            if len(faults) >= MOST_FAILURES
        }

    def usable(self, slots: Sequence[Slot]) -> list[Slot]:
        """Without those of a dead device, or it would have its machine drained: two blocks were lost there,
        and beside it are others of its kind."""
        dead = {slot.id for slot in slots if len(self.lost.get(slot.id, ())) >= MOST_LOST}
        alive = {(slot.machine, slot.kind) for slot in slots if slot.id not in dead}
        return [slot for slot in slots if slot.id not in dead or (slot.machine, slot.kind) not in alive]

    def broken(self, block: str) -> str:
        """Why a block is not tried again; empty where it may be."""
        failures = self.failures.get(block, [])
        if block in self.done or len(failures) < MOST_FAILURES:
            return ""
        return f"failed {len(failures)} times, the last: {self.last_cause(block)}"

    def last_cause(self, block: str) -> str:
        """Why a block that has failed did so last."""
        last = self.failures[block][-1]
        return last.cause or last.ending

    def barred(self, block: str, suitable: Iterable[Slot]) -> frozenset[str]:
        """Machines and slots, of those that suit it, on which it is not tried again.

        Where it was lost it is tried again if there is nothing else: on another device before the same.
        """
        failures = self.failures.get(block)
        if not failures:
            return frozenset()
        own = {f.machine for f in failures if f.ending in OWN and _is_known(f)}
        lost = {f.machine for f in failures if _is_known(f)}
        open_slots = [slot for slot in suitable if slot.machine not in own]
        if any(slot.machine not in lost for slot in open_slots):
            return frozenset(lost)
        used = {f.slot for f in failures}
        if any(slot.id not in used for slot in open_slots):
            return frozenset(own | used)
        return frozenset(own)


def _is_known(attempt: Attempt) -> bool:
    """Whether its machine is. A place in an engine's own queue stands for one that was not told: it is at no
    fault, and no name that an engine could be asked to avoid."""
    return attempt.machine != attempt.slot
