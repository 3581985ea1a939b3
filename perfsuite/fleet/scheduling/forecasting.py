"""How long a plan will take: its scheduling played through, and what no schedule beats."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from perfsuite.fleet.scheduling.examining import wanted
from perfsuite.fleet.scheduling.placing import (
    Held,
    Situation,
    examinations,
    kin,
    obstacle,
    place,
    ranked,
    ready,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfsuite.fleet.scheduling.placing import Park, Placement
    from perfsuite.records import Block, Slot

DOCTOR_S = 45.0
"""Of a machine that has never been examined: its self-test takes ten seconds, its compiler the rest."""


@dataclass(frozen=True)
class Step:
    """One block of the forecast."""

    block: Block
    slot: Slot
    begins_s: float
    ends_s: float


@dataclass(frozen=True)
class Forecast:
    """What is to be expected."""

    steps: tuple[Step, ...]
    """As they begin; examinations of machines are not among them."""
    seconds: float
    """Until the last ends."""
    lower_bound_s: float
    """What no schedule beats with these times: see `lower_bound_s`."""
    unplaced: Mapping[str, int]
    """Why so many blocks go nowhere."""

    @property
    def device_s(self) -> float:
        """Of all devices that run something."""
        return sum(step.ends_s - step.begins_s for step in self.steps)


def forecast(
    blocks: Sequence[Block], park: Park, seconds: Mapping[str, float], *, examined: bool = False
) -> Forecast:
    """Play the scheduling of blocks through, on empty machines; `examined`: after their doctors."""
    timed = [block for block in blocks if block.work.exclusive]
    unexamined = wanted(park, timed) if examined else frozenset()
    start = Situation(park=park, running=(), seconds=seconds, unexamined=unexamined)
    reasons = {block.id: obstacle(block, start) for block in blocks}
    unplaced = Counter(reason.said for reason in reasons.values() if reason is not None)
    possible = [block for block in blocks if reasons[block.id] is None]
    steps = _Play(possible, start).all_steps()
    bound = lower_bound_s(possible, park, seconds)
    return Forecast(tuple(steps), max((s.ends_s for s in steps), default=0.0), bound, dict(unplaced))


class _Play:
    """A clock that goes from end to end."""

    def __init__(self, blocks: Sequence[Block], start: Situation) -> None:
        self._now = 0.0
        self._situation = start
        self._waiting = {block.id: block for block in ranked(blocks, start.seconds)}
        self._unfinished = set(self._waiting)
        self._running: list[tuple[float, int, Held]] = []
        self._had: defaultdict[tuple[object, ...], Counter[str]] = defaultdict(Counter)

    def all_steps(self) -> list[Step]:
        steps: list[Step] = []
        timed = [block for block in self._waiting.values() if block.work.exclusive]
        examined = [(DOCTOR_S, slot.machine) for slot in examinations(self._situation, timed)]
        while True:
            steps += [self._begin(placement) for placement in place(self._ready(), self._given())]
            ends = [end for end, *_ in self._running[:1]] + [end for end, _ in examined[:1]]
            if not ends:
                return steps
            self._now = min(ends)
            done = {machine for end, machine in examined if end <= self._now}
            if done:
                examined = [each for each in examined if each[1] not in done]
                self._situation = replace(self._situation, unexamined=self._situation.unexamined - done)
            while self._running and self._running[0][0] <= self._now:
                self._unfinished.discard(heapq.heappop(self._running)[2].block.id)

    def _ready(self) -> list[Block]:
        return ready(self._waiting.values(), self._unfinished)

    def _given(self) -> Situation:
        needed = {name for block in self._waiting.values() for name in block.needs}
        running = [replace(held, left_s=end - self._now) for end, _, held in self._running]
        return replace(self._situation, running=running, needed=needed, had=self._had)

    def _begin(self, placement: Placement) -> Step:
        block, slot = placement.block, placement.slot
        del self._waiting[block.id]
        self._had[kin(block)][slot.id] += 1
        end = self._now + self._situation.seconds[block.id]
        heapq.heappush(self._running, (end, len(self._waiting), Held(slot, block, 0.0)))
        return Step(block, slot, self._now, end)


def lower_bound_s(blocks: Sequence[Block], park: Park, seconds: Mapping[str, float]) -> float:
    """What no schedule beats, the largest of:

    * the longest block, after what it waits for;
    * for the device classes of each set of machines that some class can use at most: all that must run on
      them, over their slots, where a timed block uses up all slots of a machine, the smallest such;
    * the timed blocks of such a set over its machines, for they run one at a time on each.
    """
    ends: dict[str, float] = {}
    by_id = {block.id: block for block in blocks}

    def end(block: Block) -> float:
        if block.id not in ends:
            before = (end(by_id[name]) for name in block.needs if name in by_id)
            ends[block.id] = seconds[block.id] + max(before, default=0.0)
        return ends[block.id]

    bounds = [end(block) for block in blocks]
    places = {name: frozenset(slot.id for slot in slots) for name, slots in park.suitable.items()}
    for allowed in set(places.values()):
        inside = [block for block in blocks if places[block.device] <= allowed]
        slots = [slot for slot in park.slots if slot.id in allowed]
        machines = Counter(slot.machine for slot in slots)
        if not slots:
            continue
        timed = sum(seconds[block.id] for block in inside if block.work.exclusive)
        shared = sum(seconds[block.id] for block in inside if not block.work.exclusive)
        bounds += [timed / len(machines), (timed * min(machines.values()) + shared) / len(slots)]
    return max(bounds, default=0.0)
