"""Is a machine fit for what is timed: its first block, where such a one may go to it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from perfsuite.records import Block, Cell, Ending, Work

if TYPE_CHECKING:
    from collections.abc import Iterable

    from perfsuite.fleet.scheduling.placing import Park
    from perfsuite.records import Attempt, Slot

_PREFIX = "doctor-"
LIMIT_S = 900.0


def examination(slot: Slot, park: Park, waiting: Iterable[Block]) -> Block:
    """The block that examines a slot's machine for the timed blocks that may go to the slot."""
    timed = [b for b in waiting if b.work.exclusive and slot in park.suitable[b.device]]
    first = timed[0]
    alike = [b for b in timed if (b.workload, b.environments) == (first.workload, first.environments)]
    variants = dict.fromkeys(name for block in alike for name in block.variants)
    name = _id(slot.machine)
    return Block(
        id=name, work=Work.DOCTOR, workload=first.workload, environments=first.environments[:1],
        device=first.device, limit_s=LIMIT_S,
        cells=tuple(Cell(key=f"{name}-{variant}", variant=variant, repeat=0) for variant in variants),
    )  # fmt: skip


_NOT_ANSWERED = (Ending.LOST, Ending.STOPPED, Ending.REFUSED)


def is_examination(block: str) -> bool:
    """Whether a block, by its id, is no block of a plan but a machine's doctor."""
    return block.startswith(_PREFIX)


def fitness(attempts: Iterable[Attempt]) -> dict[str, tuple[bool, str]]:
    """Machines that their doctor has answered for: whether they are fit, and why not."""
    found = {}
    for attempt in attempts:
        if is_examination(attempt.block) and attempt.ending not in _NOT_ANSWERED:
            fit = attempt.ending is Ending.PASSED
            found[attempt.machine] = fit, "" if fit else attempt.cause or f"its doctor: {attempt.ending}"
    return found


def wanted(park: Park, timed: Iterable[Block]) -> set[str]:
    """Machines to which some of the timed blocks may go."""
    devices = {block.device for block in timed}
    return {slot.machine for device in devices for slot in park.suitable[device]}


def _id(machine: str) -> str:
    return _PREFIX + hashlib.sha256(machine.encode()).hexdigest()[:16]
