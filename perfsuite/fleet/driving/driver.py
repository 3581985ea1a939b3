"""A plan over an engine: blocks are placed, what they leave is kept, what was lost is tried elsewhere."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING
from uuid import uuid4

from perfsuite import __version__
from perfsuite.fleet.driving.attempts import Running, abandoned, taken_over, utc_now
from perfsuite.fleet.driving.notices import Notices
from perfsuite.fleet.driving.patience import Patience
from perfsuite.fleet.driving.refusals import Refusals
from perfsuite.fleet.executors.interface import Began, ExecutorError, Finished, Refused
from perfsuite.fleet.ledger.account import Begun, End, this_sitting
from perfsuite.fleet.ledger.retrying import JUDGED, Standing
from perfsuite.fleet.scheduling import examining
from perfsuite.fleet.scheduling.forecasting import DOCTOR_S
from perfsuite.fleet.scheduling.placing import (
    Held,
    Lack,
    Park,
    Placement,
    Situation,
    examinations,
    kin,
    obstacle,
    place,
    ranked,
    ready,
)
from perfsuite.records import Ending

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from perfsuite.fleet.executors.interface import Event, Executor, Order, Outcome
    from perfsuite.fleet.ledger.file import Ledger
    from perfsuite.fleet.scheduling.placing import Obstacle
    from perfsuite.records import Attempt, Block, Plan, Slot

POLL_S = 0.5
"""How long one waits for the engine's word before looking at the time, and for whoever says stop."""
LOOK_S = 5.0
"""Between two looks at what machines there are."""
STOP_S = 30.0
"""That blocks have to end when told to."""


class DriverError(Exception):
    """A plan that this perfsuite does not run; the message has the remedy."""


@dataclass(frozen=True, kw_only=True)
class Conduct:
    """How a plan is to be driven."""

    order: Callable[[Plan, Block, int], Order]
    """What a machine has to do for an attempt."""
    ending: Callable[[Block, Outcome], tuple[Ending, str]]
    """What an outcome means, and its cause."""
    seconds: Mapping[str, float]
    """What each block is expected to take."""
    engine: str
    again: bool = False
    """Whether broken blocks are tried again."""
    examines: bool = True
    """Whether machines are examined before something is timed on them."""
    wait_s: float = 600.0
    """For a device class that no machine has."""
    limit_s: float | None = None
    """After which no block is begun."""
    stopped: Callable[[], bool] = lambda: False
    """Whether somebody has said stop."""
    tell: Callable[[str], None] = lambda line: None
    turned: Callable[[bool], None] = lambda changed: None
    """Called now and then, and told whether a block has begun or ended since."""
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep


def check(plan: Plan) -> None:
    """Raise `DriverError` for a plan of another perfsuite, or one whose blocks wait for each other."""
    if plan.perfsuite != __version__:
        raise DriverError(
            f"the plan {plan.name!r} was made by perfsuite {plan.perfsuite}, this is {__version__}: cells of "
            "two versions are not one result; make it again: perfsuite plan"
        )
    try:
        TopologicalSorter({block.id: block.needs for block in plan.blocks}).prepare()
    except CycleError as error:
        circle = " -> ".join(name[:12] for name in error.args[1])
        raise DriverError(f"blocks of the plan {plan.name!r} wait for each other: {circle}") from error


@dataclass
class _Hand:
    """What is on the way."""

    waiting: dict[str, Block] = field(default_factory=dict)
    """Ranked."""
    running: dict[tuple[str, int], Running] = field(default_factory=dict)
    unfinished: set[str] = field(default_factory=set)
    stuck: set[str] = field(default_factory=set)
    """Blocks that no machine took: what waits for them goes without."""
    had: defaultdict[tuple[object, ...], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """How many of its kin each slot has had."""

    @property
    def timed(self) -> list[Block]:
        """Of those that wait."""
        return [block for block in self.waiting.values() if block.work.exclusive]


class Driver:
    """Drives one plan, once."""

    def __init__(self, plan: Plan, ledger: Ledger, executor: Executor, conduct: Conduct) -> None:
        check(plan)
        self._plan, self._ledger, self._executor, self._conduct = plan, ledger, executor, conduct
        self._began_s = conduct.clock()
        self._looked_s = -math.inf
        self._changed = True
        """Whether something has begun, ended, come or gone, so that there may be something to place."""
        self._park = Park(plan.devices, ())
        self._blocked: dict[str, Obstacle] = {}
        self._patience = Patience(conduct.wait_s, conduct.tell)
        self._refusals = Refusals(conduct.wait_s)
        self._notices = Notices(conduct.tell)
        self._hand = _Hand()
        self._standing = Standing.of(ledger.account)
        self._fitness: dict[str, tuple[bool, str]] = {}

    def run(self) -> End:
        """Until all that can be known is known, or somebody says stop.

        Raises:
            ExecutorError: the engine has gone; what has ended is kept.
            StoreError: what ended cannot be written down.
        """
        try:
            self._sit()
            while self._step():
                pass
            # All that was told is written down, and need not be kept by its machine.
            self._executor.events(0.0)
            end = self._end()
            self._ledger.add(end)
        finally:
            self._executor.close()
        return end

    def _sit(self) -> None:
        """Take the folder over from the driver before; what it was not told of may have a verdict."""
        for begun in self._ledger.account.written:
            self._executor.discard(begun.ticket, begun.machine)  # it may have been killed before it did so
        for begun in list(self._ledger.account.running.values()):
            with self._executor.left(begun.ticket, begun.machine) as outcome:
                self._ledger.add(self._abandoned(begun, outcome))
        self._ledger.add(this_sitting(self._conduct.engine, utc_now(), again=self._conduct.again))
        self._standing = Standing.of(self._ledger.account)
        left = [block for block in self._plan.blocks if not self._is_settled(block.id)]
        self._hand.waiting = {block.id: block for block in ranked(left, self._conduct.seconds)}
        self._hand.unfinished = set(self._hand.waiting)
        blocks = {block.id: block for block in self._plan.blocks}
        for attempt in self._ledger.attempts:
            if attempt.block in blocks and attempt.ending is not Ending.REFUSED:
                self._hand.had[kin(blocks[attempt.block])][attempt.slot] += 1

    def _abandoned(self, begun: Begun, outcome: Outcome | None) -> Attempt:
        block = next((block for block in self._plan.blocks if block.id == begun.block), None)
        if block is None:  # a doctor, who is asked again in each sitting
            return abandoned(begun, "its driver was killed")
        attempt = abandoned(begun, "its driver was killed, and nothing is found of what it left")
        if outcome is not None:
            ending, cause = self._conduct.ending(block, outcome)
            attempt = abandoned(begun, "its driver was killed")
            if ending in JUDGED:
                attempt = taken_over(begun, outcome, ending, cause, self._kept(outcome))
        self._notices.taken_over(block, attempt)
        return attempt

    def _step(self) -> bool:
        """One turn; whether there is another."""
        if self._conduct.stopped():
            self._stop()
            return False
        self._look()
        late = self._is_late()
        changed, self._changed = self._changed, False
        if changed and not late:
            self._place()
        self._conduct.turned(changed)
        if not self._hand.running:
            if late or not self._hand.waiting or self._is_hopeless():
                return False
            self._conduct.pause(POLL_S)
            self._changed = True
            return True
        self._take(self._executor.events(POLL_S))
        return True

    def _look(self) -> None:
        """At the machines, now and then."""
        now_s = self._conduct.clock()
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        there = self._executor.slots()
        slots = self._standing.usable(there)
        self._notices.devices({s.id: self._standing.lost[s.id][-1] for s in there if s not in slots})
        if slots != list(self._park.slots):
            self._park, self._changed = Park(self._plan.devices, slots), True
        # What was refused is asked for again when its time has come.
        self._changed |= not self._refusals.are_over(now_s)
        if self._changed:
            self._blocked = self._obstacles()
        self._patience.note(list(self._blocked.values()), now_s)

    def _is_late(self) -> bool:
        limit_s = self._conduct.limit_s
        return limit_s is not None and self._conduct.clock() - self._began_s >= limit_s

    def _is_settled(self, block: str) -> bool:
        return block in self._standing.done or bool(self._standing.broken(block))

    # What can be begun.

    def _situation(self) -> Situation:
        now_s, seconds = self._conduct.clock(), self._conduct.seconds
        waiting = self._hand.waiting.values()
        running = [
            Held(each.slot, each.block, max(0.0, each.since_s + seconds.get(each.block.id, DOCTOR_S) - now_s))
            for each in self._hand.running.values()
        ]
        failed = (block for block in waiting if block.id in self._standing.failures)
        return Situation(
            park=self._park, running=running, seconds=seconds, drained=set(self._standing.drained),
            unfit=self._unfit, unexamined=self._unexamined(),
            barred={b.id: self._standing.barred(b.id, self._open(b)) for b in failed},
            needed={name for block in waiting for name in block.needs}, had=self._hand.had,
            lost={slot: len(attempts) for slot, attempts in self._standing.lost.items()},
        )  # fmt: skip

    def _unexamined(self) -> set[str]:
        """Machines that are to be examined; what a queue will find cannot be."""
        if not self._executor.knows_machines or not self._conduct.examines:
            return set()
        return examining.wanted(self._park, self._hand.timed) - self._fitness.keys()

    def _open(self, block: Block) -> list[Slot]:
        """Where it may be tried at all: what is timed, on no machine that is unfit."""
        closed = set(self._standing.drained)
        if block.work.exclusive:
            closed |= self._unfit
        return [slot for slot in self._park.suitable[block.device] if slot.machine not in closed]

    @property
    def _unfit(self) -> set[str]:
        return {machine for machine, (fit, _) in self._fitness.items() if not fit}

    def _place(self) -> None:
        """Begin all that can be."""
        situation = self._situation()
        for slot in examinations(situation, self._hand.timed):
            block = examining.examination(slot, self._park, self._hand.waiting.values())
            self._begin(Placement(block, slot), situation)
        now_s = self._conduct.clock()
        asked = (b for b in self._hand.waiting.values() if self._refusals.obstacle(b.device, now_s) is None)
        for placement in place(ready(asked, self._hand.unfinished - self._hand.stuck), situation):
            del self._hand.waiting[placement.block.id]
            self._hand.had[kin(placement.block)][placement.slot.id] += 1
            self._begin(placement, situation)

    def _begin(self, placement: Placement, situation: Situation) -> None:
        block, slot = placement.block, placement.slot
        number = self._standing.numbers[block.id] + 1
        begun = Begun(
            block=block.id, number=number, machine=slot.machine, slot=slot.id, uuid=slot.uuid,
            began=utc_now(), ticket=uuid4().hex,
        )  # fmt: skip
        order = self._conduct.order(self._plan, block, number)
        alone = order.exclusive or examining.is_examination(block.id)
        avoid = situation.barred.get(block.id, frozenset()) | situation.drained
        self._ledger.add(begun)
        running = Running(block, slot, begun, self._conduct.clock(), self._executor.knows_machines)
        self._hand.running[running.key] = running
        try:
            told = replace(order, exclusive=alone, avoid=tuple(sorted(avoid)), ticket=begun.ticket)
            self._executor.start(told, slot)
        except ExecutorError as error:
            self._settle(running, running.without_outcome(Ending.LOST, str(error), self._conduct.clock()))

    # What has ended.

    def _take(self, events: Sequence[Event], *, stopping: bool = False) -> None:
        now_s = self._conduct.clock()
        for event in events:
            running = self._hand.running.get((event.block, event.attempt))
            if running is None:
                raise ExecutorError(
                    f"{self._conduct.engine} tells of attempt {event.attempt} of {event.block}, which does "
                    "not run; this is an error in the engine"
                )
            if not isinstance(event, Refused):
                self._refusals.forget(running.block.device)
            if isinstance(event, Began):
                continue
            if isinstance(event, Finished):
                self._settle(running, self._finished(running, event.outcome, now_s, stopping=stopping))
            elif isinstance(event, Refused):
                self._refusals.note(running.block.device, event.cause, now_s, final=event.final)
                self._settle(running, running.without_outcome(Ending.REFUSED, event.cause, now_s))
            else:
                ending = Ending.STOPPED if stopping else Ending.LOST
                self._lose(running, running.without_outcome(ending, event.cause, now_s, event.machine))

    def _lose(self, running: Running, attempt: Attempt) -> None:
        """Nobody has told how it ended: it has `attempt`, unless what it left has a verdict."""
        with self._executor.left(running.begun.ticket, attempt.machine) as outcome:
            if outcome is not None:
                ending, cause = self._conduct.ending(running.block, outcome)
                if ending in JUDGED:
                    now_s = self._conduct.clock()
                    attempt = running.finished(outcome, ending, cause, self._kept(outcome), now_s)
            self._settle(running, attempt)

    def _finished(self, running: Running, outcome: Outcome, now_s: float, *, stopping: bool) -> Attempt:
        ending, cause = self._conduct.ending(running.block, outcome)
        if stopping and ending not in JUDGED:
            ending, cause = Ending.STOPPED, "by whoever runs the plan"
        elif outcome.stopped_by and ending not in JUDGED:
            # At the end of a job's time, for a job that goes before, or as a machine is shut down.
            ending, cause = Ending.LOST, f"ended by its machine or its engine ({outcome.stopped_by})"
        return running.finished(outcome, ending, cause, self._kept(outcome), now_s)

    def _kept(self, outcome: Outcome) -> dict[str, str]:
        return {name: self._ledger.put(data) for name, data in outcome.files.items()}

    def _settle(self, running: Running, attempt: Attempt) -> None:
        """Write an attempt down; its block waits again unless it is settled."""
        self._ledger.add(attempt)
        self._standing.note(attempt)
        del self._hand.running[running.key]
        if attempt.ending is Ending.LOST:
            self._looked_s = -math.inf
        block = running.block
        if examining.is_examination(block.id):
            self._fitness |= examining.fitness([attempt])
        elif self._is_settled(block.id):
            self._hand.unfinished.discard(block.id)
        else:
            again = [*self._hand.waiting.values(), block]
            self._hand.waiting = {b.id: b for b in ranked(again, self._conduct.seconds)}
        every = len(self._plan.blocks)
        self._notices.ended(block, attempt, f"{every - len(self._hand.unfinished)}/{every}")
        self._notices.machines(self._standing.drained, self._fitness)
        self._changed = True

    # How it ends.

    def _obstacles(self) -> dict[str, Obstacle]:
        situation, now_s = self._situation(), self._conduct.clock()
        found = {
            block.id: self._refusals.obstacle(block.device, now_s) or obstacle(block, situation)
            for block in self._hand.waiting.values()
        }
        return {name: each for name, each in found.items() if each is not None}

    def _is_hopeless(self) -> bool:
        """Whether nothing can be begun, though nothing runs, and it was waited for long enough.

        What waits for a block that no machine takes goes without it.
        """
        stuck = self._obstacles().keys()
        freed = (stuck & self._situation().needed) - self._hand.stuck
        self._hand.stuck |= freed
        now_s = self._conduct.clock()
        patient = self._patience.is_over(now_s) and self._refusals.are_over(now_s)
        return not freed and len(stuck) == len(self._hand.waiting) and patient

    def _stop(self) -> None:
        """End what runs, and note it."""
        for running in self._hand.running.values():
            self._executor.stop(running.block.id)
        until_s = self._conduct.clock() + STOP_S
        while self._hand.running and self._conduct.clock() < until_s:
            self._take(self._executor.events(POLL_S), stopping=True)
        for running in list(self._hand.running.values()):
            cause = f"did not end within {STOP_S:.0f} s of being told to"
            self._lose(running, running.without_outcome(Ending.STOPPED, cause, self._conduct.clock()))

    def _end(self) -> End:
        obstacles = self._obstacles()
        broken = {b.id: said for b in self._plan.blocks if (said := self._standing.broken(b.id))}
        elsewhere = {
            name: f"{each.said}, the last time: {self._standing.last_cause(name)}"
            for name, each in obstacles.items()
            if each.lack is Lack.OTHER
        }
        unplaced = {name: found.said for name, found in obstacles.items() if name not in elsewhere}
        return End(ended=utc_now(), broken=broken | elsewhere, unplaced=unplaced)
