"""An engine that does what its script says, by a clock of its own, and plans for it."""

import heapq
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from perfsuite import __version__
from perfsuite.fleet.driving.driver import Conduct, Driver
from perfsuite.fleet.executors import Began, Event, ExecutorError, Finished, Lost, Order, Outcome, Refused
from perfsuite.fleet.ledger.account import End
from perfsuite.fleet.ledger.file import Ledger
from perfsuite.records import Block, Cell, DeviceClass, Ending, Plan, PlannedEnvironment, Slot, Work

H100 = DeviceClass(name="h100", kind="cuda", model="NVIDIA H100*")
A100 = DeviceClass(name="a100", kind="cuda", model="NVIDIA A100*")
MODELS = {"h100": "NVIDIA H100 80GB HBM3", "a100": "NVIDIA A100-SXM4-40GB"}


def a_block(name: str, work: Work = Work.COUNTS, device: str = "h100", **values: Any) -> Block:
    """One of one cell, with its name for an id."""
    given = {"workload": "shapes", "environments": ("here",), "limit_s": 3600.0} | values
    cells = (Cell(key=name, variant=given.pop("variant", "fp32"), repeat=given.pop("repeat", 0)),)
    return Block(id=name, work=work, device=device, cells=cells, **given)


def a_plan(*blocks: Block, **values: Any) -> Plan:
    """Of these blocks."""
    given = {"id": "an-id", "name": "nightly", "perfsuite": __version__, "seed": 1, "tests": "tests"} | values
    return Plan(
        environments={"here": PlannedEnvironment(name="here", python="python")},
        devices={"h100": H100, "a100": A100},
        blocks=blocks,
        **given,
    )


def places(machines: int = 2, gpus: int = 2, device: str = "h100", prefix: str = "gpu") -> list[Slot]:
    """Machines with GPUs."""
    return [
        Slot(
            id=f"{prefix}{m}:{g}", machine=f"{prefix}{m}", kind="cuda", model=MODELS[device],
            uuid=f"GPU-{prefix}{m}-{g}", cores=8,
        )
        for m in range(machines)
        for g in range(gpus)
    ]  # fmt: skip


@dataclass
class Clock:
    """Seconds that pass when somebody waits."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s

    def forward(self, until_s: float) -> None:
        """Let it be so late, if it is not yet."""
        self.now_s = max(self.now_s, until_s)

    def pause(self, seconds: float) -> None:
        """Let so much pass."""
        self.forward(self() + seconds)


class RealClock(Clock):
    """Seconds that really pass, in short steps."""

    def __call__(self) -> float:
        return time.monotonic()

    def forward(self, until_s: float) -> None:
        time.sleep(max(0.0, until_s - time.monotonic()))


@dataclass(frozen=True)
class Does:
    """What happens to an attempt."""

    seconds: float = 10.0
    exit_code: int | None = 0
    infrastructure: str = ""
    stopped_by: str = ""
    lost: str = ""
    """The machine goes, and says so by this."""
    refused: str = ""
    """The engine cannot start it."""
    unwilling: str = ""
    """The engine's queue does not take it now."""
    final: bool = False
    """Nor ever."""
    ahead_s: float = 0.0
    """Of the machine's clock."""
    files: Mapping[str, bytes] = field(default_factory=lambda: {"results.jsonl": b"{}\n"})
    said: str = "done"


Script = Callable[[Order, Slot], Does]


@dataclass(frozen=True)
class Span:
    """Where and when an attempt ran."""

    order: Order
    slot: Slot
    begins_s: float
    ends_s: float


class Scripted:
    """The engine."""

    knows_machines = True

    def __init__(
        self, slots: Sequence[Slot], script: Script = lambda order, slot: Does(), clock: Clock | None = None
    ) -> None:
        self.places, self.script, self.clock = list(slots), script, clock or Clock()
        self.spans: list[Span] = []
        self.stopped: list[str] = []
        self.remains: dict[str, Outcome] = {}
        self.discarded: list[tuple[str, str]] = []
        self.closed = False
        self._running: list[tuple[float, int, Order, Slot, Does]] = []
        self._ahead: list[Event] = []

    def slots(self) -> Sequence[Slot]:
        return list(self.places)

    def start(self, order: Order, slot: Slot) -> None:
        assert slot in self.places, f"{slot.id} is not there"
        assert slot.id not in [s.id for _, _, _, s, _ in self._running], f"{slot.id} has a block already"
        does = self.script(order, slot)
        if does.refused:
            raise ExecutorError(does.refused)
        if does.unwilling:
            refused = Refused(
                block=order.block, attempt=order.attempt, cause=does.unwilling, final=does.final
            )
            self._ahead.append(refused)
            return
        ends_s = self.clock() + does.seconds
        self.spans.append(Span(order, slot, self.clock(), ends_s))
        self._ahead.append(Began(block=order.block, attempt=order.attempt, machine=slot.machine))
        heapq.heappush(self._running, (ends_s, len(self.spans), order, slot, does))

    def events(self, timeout_s: float) -> Sequence[Event]:
        until_s = self.clock() + timeout_s
        if self._ahead:
            ahead, self._ahead = self._ahead, []
            return ahead
        if not self._running or self._running[0][0] > until_s:
            self.clock.forward(until_s)
            return []
        self.clock.forward(self._running[0][0])
        found = []
        while self._running and self._running[0][0] <= self.clock():
            _, _, order, slot, does = heapq.heappop(self._running)
            found.append(self._ended(order, slot, does))
        return found

    def stop(self, block: str) -> None:
        self.stopped.append(block)
        ended = [
            (self.clock(), number, order, slot, replace(does, exit_code=-15))
            if order.block == block else (end, number, order, slot, does)
            for end, number, order, slot, does in self._running
        ]  # fmt: skip
        self._running = ended
        heapq.heapify(self._running)

    @contextmanager
    def left(self, ticket: str, at: str) -> Iterator[Outcome | None]:
        """Nothing, or what the test has put there by the machine."""
        yield self.remains.pop(at, None)

    def discard(self, ticket: str, at: str) -> None:
        """Noted."""
        self.discarded.append((ticket, at))

    def close(self) -> None:
        self.closed = True

    def _ended(self, order: Order, slot: Slot, does: Does) -> Event:
        if does.lost:
            return Lost(block=order.block, attempt=order.attempt, machine=slot.machine, cause=does.lost)
        told = datetime.fromtimestamp(datetime.now(UTC).timestamp() + does.ahead_s, UTC)
        outcome = Outcome(
            machine=slot.machine, exit_code=does.exit_code, seconds=does.seconds, files=does.files,
            said=does.said, clock=told.isoformat(), free_bytes=1 << 40, infrastructure=does.infrastructure,
            stopped_by=does.stopped_by,
        )  # fmt: skip
        return Finished(block=order.block, attempt=order.attempt, outcome=outcome)


def an_order(plan: Plan, block: Block, attempt: int) -> Order:
    """What is to be done is the script's business."""
    return Order(
        block=block.id, attempt=attempt, exclusive=block.work.exclusive, arguments=(),
        environments=(plan.environments["here"],), device=plan.devices[block.device], limit_s=block.limit_s,
    )  # fmt: skip


def an_ending(block: Block, outcome: Outcome) -> tuple[Ending, str]:
    """0 passed, 1 failed, None too long, others errors."""
    if outcome.infrastructure:
        return Ending.LOST, outcome.infrastructure
    known = {0: Ending.PASSED, 1: Ending.FAILED, None: Ending.TIMEOUT}
    ending = known.get(outcome.exit_code, Ending.ERROR)
    return ending, "" if ending is Ending.PASSED else f"exit code {outcome.exit_code}"


@dataclass
class Drive:
    """A plan, a folder and an engine: one sitting."""

    plan: Plan
    folder: Path
    engine: Scripted
    lines: list[str] = field(default_factory=list)

    def __call__(self, **conduct: Any) -> End:
        with Ledger.open(self.folder, self.plan) as ledger:
            return Driver(self.plan, ledger, self.engine, self.conduct(**conduct)).run()

    def conduct(self, **values: Any) -> Conduct:
        """With the engine's own clock."""
        given: dict[str, Any] = {
            "order": an_order, "ending": an_ending, "engine": "scripted", "tell": self.lines.append,
            "clock": self.engine.clock, "pause": self.engine.clock.pause,
            "seconds": {block.id: 10.0 for block in self.plan.blocks},
        }  # fmt: skip
        return Conduct(**(given | values))


def overlapping(spans: Sequence[Span]) -> list[tuple[str, str]]:
    """What ran on a machine beside something timed."""
    return [
        (one.order.block, other.order.block)
        for one in spans
        for other in spans
        if one is not other
        and one.order.exclusive
        and one.slot.machine == other.slot.machine
        and one.begins_s < other.ends_s
        and other.begins_s < one.ends_s
    ]
