"""The machine that the driver runs on: its GPUs one by one, and its CPU."""

from __future__ import annotations

import os
import selectors
import socket
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.device.fingerprint import available_threads, cpu_name
from perfsuite.fleet.executors import jobs, machine
from perfsuite.fleet.executors.gpus import gpus, visible
from perfsuite.fleet.executors.interface import Began, ExecutorError, Finished, Lost
from perfsuite.records import Slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from perfsuite.fleet.executors.interface import Event, Order, Outcome


@dataclass(frozen=True)
class _Running:
    order: Order
    slot: Slot
    supervised: machine.Supervised


def slots() -> tuple[Slot, ...]:
    """One of each GPU that ``CUDA_VISIBLE_DEVICES`` leaves, and one of the CPU."""
    host, cores = socket.gethostname(), available_threads()
    found = visible(gpus(), os.environ.get("CUDA_VISIBLE_DEVICES"))
    share = max(1, cores // max(1, len(found)))
    of_gpus = [
        Slot(id=uuid, machine=host, kind="cuda", model=name, uuid=uuid, cores=share)
        for _, uuid, name in found
    ]
    return (*of_gpus, Slot(id="cpu", machine=host, kind="cpu", model=cpu_name(), uuid="cpu", cores=cores))


class LocalExecutor:
    """Starts supervisors as its own children; a killed driver ends them, and with them their blocks."""

    knows_machines = True

    def __init__(self, places: Sequence[Slot] | None = None, scratch: Path | None = None) -> None:
        """Args:
        places: other slots than the machine has, of one machine or of several that are pretended.
        scratch: folder in which blocks work, which the next driver has to name too; default: the system's
            for what is temporary.
        """
        self._slots = tuple(places) if places is not None else slots()
        self._scratch = str(scratch.absolute()) if scratch is not None else None
        self._told: list[str] = []
        """Tickets of attempts whose ends were told."""
        self._running: dict[str, _Running] = {}
        self._selector = selectors.DefaultSelector()
        self._ahead: list[Event] = []

    def slots(self) -> Sequence[Slot]:
        """Those of the beginning: they neither come nor go."""
        return self._slots

    def start(self, order: Order, slot: Slot) -> None:
        """Begin it there. Raises `ExecutorError`."""
        if order.block in self._running:
            raise ExecutorError(f"block {order.block} runs already")
        try:
            job = jobs.job(order, slot) | {"scratch": self._scratch}
            supervised = machine.Supervised(job, jobs.script())
        except OSError as error:
            cause = f"a block cannot be started on {slot.machine}: {error}"
            self._ahead.append(
                Lost(block=order.block, attempt=order.attempt, machine=slot.machine, cause=cause)
            )
            return
        self._running[order.block] = _Running(order, slot, supervised)
        assert supervised.process.stdout is not None
        self._selector.register(supervised.process.stdout, selectors.EVENT_READ, order.block)

    def events(self, timeout_s: float) -> Sequence[Event]:
        """What happened since the last call; waits for something so long."""
        self._discard()
        found, self._ahead = self._ahead, []
        ready = self._selector.select(0 if found else timeout_s) if self._running else []
        return [*found, *(self._event(key.data) for key, _ in ready)]

    def stop(self, block: str) -> None:
        """End all its processes."""
        if block in self._running:
            self._running[block].supervised.stop()

    @contextmanager
    def left(self, ticket: str, at: str) -> Iterator[Outcome | None]:
        """What is in the attempt's folder here."""
        found = machine.remains(ticket, self._scratch)
        yield None if found is None else jobs.outcome(found, at)
        machine.discard([ticket], self._scratch)

    def discard(self, ticket: str, at: str) -> None:
        """The attempt's folder here."""
        machine.discard([ticket], self._scratch)

    def close(self) -> None:
        """End what still runs, all at once; what was told last may not have been written down."""
        for running in self._running.values():
            running.supervised.stop()
        for block in tuple(self._running):
            self._forget(block)
        self._selector.close()
        if self._scratch is not None:
            with suppress(OSError):  # something is left in it
                os.rmdir(self._scratch)

    def _event(self, block: str) -> Event:
        running = self._running[block]
        order, slot = running.order, running.slot
        report = running.supervised.report()
        if "began" in report:
            return Began(block=block, attempt=order.attempt, machine=slot.machine)
        self._told.append(self._forget(block))
        if "lost" in report:
            return Lost(block=block, attempt=order.attempt, machine=slot.machine, cause=report["lost"])
        return Finished(
            block=block, attempt=order.attempt, outcome=jobs.outcome(report["ended"], slot.machine)
        )

    def _forget(self, block: str) -> str:
        """End its supervisor; the attempt's ticket."""
        supervised = self._running.pop(block).supervised
        assert supervised.process.stdout is not None
        self._selector.unregister(supervised.process.stdout)
        supervised.end()
        return str(supervised.job["ticket"])

    def _discard(self) -> None:
        """What the driver has heard of it has written down."""
        machine.discard(self._told, self._scratch)
        self._told.clear()
