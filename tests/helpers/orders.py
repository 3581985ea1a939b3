"""Orders of small blocks, and what comes of them."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from perfsuite.fleet.executors import Began, Finished, Lost, Order, Refused
from perfsuite.records import DeviceClass, PlannedEnvironment, Slot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.fleet.executors import Event, Executor

HERE = PlannedEnvironment(name="here", python=sys.executable)
CPU = Slot(id="cpu", machine="host", kind="cpu", model="Some CPU", uuid="cpu", cores=1)
_ORDER = Order(
    block="",
    attempt=1,
    exclusive=False,
    environments=(HERE,),
    arguments=(),
    device=DeviceClass(name="any", kind="cpu"),
    limit_s=60.0,
)


def order(block: str, code: str, **changes: Any) -> Order:
    """One that runs Python code; ``OUT`` in it is its folder."""
    arguments = ("-c", f"OUT = {{out!r}}\n{code}".replace("{out!r}", "'{out}'"))
    return replace(_ORDER, block=block, arguments=arguments, **changes)


def ends(executor: Executor, blocks: int, limit_s: float = 120.0) -> dict[str, Event]:
    """How so many blocks ended, by their ids."""
    found: dict[str, Event] = {}
    until = time.monotonic() + limit_s
    while len(found) < blocks:
        assert time.monotonic() < until, f"only {sorted(found)} ended in {limit_s:g} s"
        found |= {e.block: e for e in executor.events(1.0) if isinstance(e, Finished | Lost | Refused)}
    return found


def began(executor: Executor, block: str, limit_s: float = 120.0) -> Sequence[Event]:
    """Wait until a block runs; what else happened."""
    seen: list[Event] = []
    until = time.monotonic() + limit_s
    while not any(isinstance(e, Began) and e.block == block for e in seen):
        assert time.monotonic() < until, f"{block} did not begin in {limit_s:g} s"
        seen += executor.events(1.0)
    return seen


def outcome(executor: Executor, one: Order, slot: Slot = CPU) -> Any:
    """Run one block; how its machine says that it ended."""
    executor.start(one, slot)
    event = ends(executor, 1)[one.block]
    assert isinstance(event, Finished), event
    return event.outcome
