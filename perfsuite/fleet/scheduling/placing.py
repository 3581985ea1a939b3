"""Which block goes where next. Pure, so that a run, its forecast and their tests do the same.

Two queues, each longest first, and in the plan's order where times are equal:

* What is timed takes a whole machine, though it uses one device of it: it starts on a machine where nothing
  runs, and nothing starts beside it. If there is no such machine, the one that will be empty soonest is kept
  free for it, and takes meanwhile only what ends before.
* The rest fills the other machines, the fullest first so that empty ones stay so, and unfit ones before fit
  ones. What others wait for goes before all: there is little of it, and much behind it.

A machine whose fitness is not known takes its doctor first, alone.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence, Set

    from perfsuite.records import Block, DeviceClass, Slot


def suits(device: DeviceClass, slot: Slot) -> bool:
    """Whether the slot's device is of that class, as far as its engine tells."""
    return (
        slot.kind == device.kind
        and (not slot.model or fnmatchcase(slot.model, device.model))
        and (not slot.labels or all(slot.labels.get(name) == value for name, value in device.labels.items()))
    )


def kin(block: Block) -> tuple[object, ...]:
    """Equal for repeats of one block, which go to different devices where there are some."""
    return block.work, block.workload, block.environments, block.device, block.variants


@dataclass(frozen=True)
class Held:
    """What runs at a slot."""

    slot: Slot
    block: Block
    left_s: float
    """Until it is expected to end; 0 where it takes longer than expected."""


@dataclass(frozen=True)
class Placement:
    """What is to be started."""

    block: Block
    slot: Slot


class Lack(StrEnum):
    """What a block wants and no machine has."""

    DEVICE = "device"
    MACHINE = "machine"
    """One that is not drained."""
    OTHER = "other"
    """One on which it has not failed."""
    FIT = "fit"


@dataclass(frozen=True)
class Obstacle:
    """Why a block goes nowhere."""

    lack: Lack
    device: str
    """Name of the class."""
    said: str


class Park:
    """The places that there are."""

    def __init__(self, devices: Mapping[str, DeviceClass], slots: Sequence[Slot]) -> None:
        self.devices, self.slots = devices, slots
        self.suitable: dict[str, list[Slot]] = {
            name: [slot for slot in slots if suits(device, slot)] for name, device in devices.items()
        }
        """By device class."""
        self.machines: dict[str, list[Slot]] = {}
        for slot in slots:
            self.machines.setdefault(slot.machine, []).append(slot)
        self._fitting = {name: {slot.id for slot in found} for name, found in self.suitable.items()}

    def fitting(self, block: Block, slots: Iterable[Slot], barred: Set[str]) -> list[Slot]:
        """Those of `slots` that a block may go to."""
        ids = self._fitting[block.device]
        found = [slot for slot in slots if slot.id in ids]
        return [s for s in found if not (s.id in barred or s.machine in barred)] if barred else found


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All that a placement depends on beside the blocks that wait."""

    park: Park
    running: Sequence[Held]
    seconds: Mapping[str, float]
    """What each block is expected to take."""
    drained: Set[str] = frozenset()
    unfit: Set[str] = frozenset()
    """Machines on which nothing is timed."""
    unexamined: Set[str] = frozenset()
    """Machines that take nothing before their doctor has answered: something timed may go there."""
    barred: Mapping[str, Set[str]] = field(default_factory=dict)
    """Block to machines and slots that it does not go to."""
    needed: Set[str] = frozenset()
    """Blocks that others wait for."""
    lost: Mapping[str, int] = field(default_factory=dict)
    """How many blocks were lost at a slot."""
    had: Mapping[tuple[object, ...], Counter[str]] = field(default_factory=dict)
    """How many of its `kin` each slot has had."""


def ranked(blocks: Iterable[Block], seconds: Mapping[str, float]) -> list[Block]:
    """Longest first; in their own order where times are equal."""
    return sorted(blocks, key=lambda block: -seconds[block.id])


def ready(blocks: Iterable[Block], unfinished: Set[str]) -> list[Block]:
    """Those that wait for none of the unfinished."""
    return [block for block in blocks if unfinished.isdisjoint(block.needs)]


def examinations(situation: Situation, timed: Iterable[Block]) -> list[Slot]:
    """A slot that something timed may go to, of each machine that can be examined now: nothing runs on it.

    The one at which least was lost: a doctor that a dead device lost examines the machine at another.
    """
    park = situation.park
    found: dict[str, Slot] = {}
    closed = {held.slot.machine for held in situation.running} | situation.drained

    def lost(slot: Slot) -> int:
        return situation.lost.get(slot.id, 0)

    for device in dict.fromkeys(block.device for block in timed):
        for slot in park.suitable[device]:
            if slot.machine in situation.unexamined and slot.machine not in closed:
                found[slot.machine] = min(found.get(slot.machine, slot), slot, key=lost)
    return list(found.values())


def place(waiting: Sequence[Block], situation: Situation) -> list[Placement]:
    """What can be started now, of `ranked` blocks that wait for no other."""
    board = _Board(situation)
    timed: list[Block] = []
    first: list[Block] = []
    rest: list[Block] = []
    for block in waiting:
        queue = timed if block.work.exclusive else first if block.id in situation.needed else rest
        queue.append(block)
    board.share(first)
    board.give(timed)
    board.share(rest)
    return board.placed


def obstacle(block: Block, situation: Situation) -> Obstacle | None:
    """Why no machine that is there will take a block, whatever ends; None where one may."""
    device, suitable = situation.park.devices[block.device], situation.park.suitable[block.device]
    if not suitable:
        there = Counter(f"{slot.kind} {slot.model}".strip() for slot in situation.park.slots)
        listed = ", ".join(f"{count} x {name}" for name, count in sorted(there.items())) or "none"
        said = f"no machine has {device.name} ({device.kind}, {device.model}); there is: {listed}"
        return Obstacle(Lack.DEVICE, device.name, said)
    undrained = [slot for slot in suitable if slot.machine not in situation.drained]
    if not undrained:
        said = f"all machines with {device.name} were drained: {_names(suitable)}"
        return Obstacle(Lack.MACHINE, device.name, said)
    allowed = situation.park.fitting(block, undrained, situation.barred.get(block.id, frozenset()))
    if not allowed:
        said = f"it failed on all machines with {device.name}: {_names(undrained)}"
        return Obstacle(Lack.OTHER, device.name, said)
    if block.work.exclusive and all(slot.machine in situation.unfit for slot in allowed):
        said = f"no machine with {device.name} is fit for what is timed: {_names(allowed)}"
        return Obstacle(Lack.FIT, device.name, said)
    return None


def _names(slots: Iterable[Slot]) -> str:
    return ", ".join(sorted({slot.machine for slot in slots}))


class _Board:
    """The machines while placements are made."""

    def __init__(self, situation: Situation) -> None:
        self._now = situation
        self.placed: list[Placement] = []
        busy = {held.slot.id for held in situation.running}
        closed = situation.drained | situation.unexamined
        self._free = {
            machine: [slot for slot in slots if slot.id not in busy]
            for machine, slots in situation.park.machines.items()
            if machine not in closed
        }
        self._left: dict[str, float] = {}
        """When each machine on which something runs will be empty."""
        self._taken: set[str] = set()
        """Machines that something timed has for itself."""
        for held in situation.running:
            self._occupy(held.slot.machine, held.block, held.left_s)
        self._kept: dict[str, float] = {}
        """Machines that are kept free for something timed, from when on."""

    def give(self, blocks: Iterable[Block]) -> None:
        """A machine to each block, or one kept free for it."""
        exhausted: set[str] = set()
        for block in blocks:
            barred = self._barred(block)
            if block.device in exhausted and not barred:
                continue
            machines = {m: slots for m in self._free if (slots := self._for_timed(block, m, barred))}
            empty = [slot for m, slots in machines.items() if m not in self._left for slot in slots]
            if empty:
                self._start(block, empty)
            elif machines:
                soonest = min(machines, key=lambda m: self._left[m])
                self._kept[soonest] = self._left[soonest]
            elif not barred:
                exhausted.add(block.device)

    def _for_timed(self, block: Block, machine: str, barred: Set[str]) -> list[Slot]:
        """The slots of a machine that a timed block may have now or, where it is not empty, later."""
        if machine in self._kept or machine in self._now.unfit:
            return []
        slots = self._now.park.machines[machine] if machine in self._left else self._free[machine]
        return self._now.park.fitting(block, slots, barred)

    def share(self, blocks: Iterable[Block]) -> None:
        """A slot to each block, on machines that nothing timed has; before those times where one is kept."""
        room = {
            m: self._kept.get(m, math.inf)
            for m, slots in self._free.items()
            if slots and m not in self._taken
        }
        longest = max(room.values(), default=-1.0)
        for block in blocks:
            seconds = self._now.seconds[block.id]
            if seconds > longest:
                continue
            barred = self._barred(block)
            found = [
                slot
                for m, most in room.items()
                if seconds <= most
                for slot in self._now.park.fitting(block, self._free[m], barred)
            ]
            if found:
                machine = self._start(block, found)
                if not self._free[machine]:
                    del room[machine]
                    longest = max(room.values(), default=-1.0)

    def _barred(self, block: Block) -> Set[str]:
        return self._now.barred.get(block.id, frozenset())

    def _start(self, block: Block, slots: Sequence[Slot]) -> str:
        """At the best of the slots; its machine."""
        had = self._now.had.get(kin(block), Counter())

        def cost(slot: Slot) -> tuple[int, bool, int]:
            repeats = had[slot.id] if block.work.exclusive else 0
            fit = not block.work.exclusive and slot.machine not in self._now.unfit
            return repeats, fit, len(self._free[slot.machine])

        slot = min(slots, key=cost)
        self.placed.append(Placement(block, slot))
        self._free[slot.machine].remove(slot)
        self._occupy(slot.machine, block, self._now.seconds[block.id])
        return slot.machine

    def _occupy(self, machine: str, block: Block, seconds: float) -> None:
        self._left[machine] = max(self._left.get(machine, 0.0), seconds)
        if block.work.exclusive:
            self._taken.add(machine)
