"""Whether other processes took cores that this one's threads needed.

Two threads of torch beside one busy process on two cores do not become slower by a share: each parallel
region waits for the thread that had to wait. What was measured meanwhile says nothing about the code.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from perfsuite.device.cores import allowed
from perfsuite.device.fixed_work import PROBE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CONTENDED = 0.25
"""Cores, on average, that others took and this process needed, from which on a stretch of time is contended.
Idle machines show up to a tenth: interrupts, and the kernel's counting in hundredths of a second."""
WINDOW_S = 0.2
"""Shortest stretch that can be judged, for the same counting."""
QUIET_WINDOWS = 2
"""One after the other, each of half a second, until the machine counts as quiet."""


class Reading(NamedTuple):
    """Processor seconds at one moment."""

    at: float
    every: float
    """Of all processes on the cores that this one may run on, with what a hypervisor gave to others."""
    own: float


def read() -> Reading:
    """Read the counters now."""
    import psutil

    own = psutil.Process().cpu_times()
    busy = sum(map(_busy, _allowed(psutil.cpu_times(percpu=True))))
    return Reading(time.monotonic(), busy, own.user + own.system)


def read_tree() -> Reading:
    """Read the counters now, what this process has started counted as its own: compilers, for instance.

    Not those that have ended and that nobody has waited for yet.
    """
    import psutil

    own, this = 0.0, psutil.Process()
    for process in (this, *this.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            own += sum(process.cpu_times()[:4])  # user, system, and those of children that were waited for
    return read()._replace(own=own)


@dataclass
class Stretch:
    """What was seen of a stretch of time once it is over."""

    seconds: float = 0.0
    contended: bool = False
    """Whether others took cores that so many threads needed."""
    fixed_work_s: tuple[float, float] = (0.0, 0.0)
    """Before and after it, see `perfsuite.device.fixed_work`."""


@contextlib.contextmanager
def watching(threads: int) -> Iterator[Stretch]:
    """Watch others while the block runs, and the machine's speed before and after it.

    Too short a block is not known to be contended. A block within another is not part of it but for its own
    seconds.
    """
    work_s = PROBE.take()
    seen, before, probing_s = Stretch(), read_tree(), PROBE.spent_s
    try:
        yield seen
    finally:
        after = read_tree()
        seen.seconds = after.at - before.at - (PROBE.spent_s - probing_s)
        seen.fixed_work_s = (work_s, PROBE.take())
        contention = Needs(threads, cores()).contention(before, after)
        seen.contended = seen.seconds >= WINDOW_S and contention > CONTENDED


def _busy(core: Any) -> float:
    # Guest time is part of user time; stolen time is neither idle nor any process's.
    return float(core.user + core.system + core.nice + getattr(core, "steal", 0.0))


def _allowed(times: Sequence[Any]) -> Sequence[Any]:
    """Those of the cores that this process may run on: what is done on others takes nothing from it.

    All of them where cores are offline, so that their places are not their numbers.
    """
    allowed = _affinity()
    if allowed is None or max(allowed) >= len(times):
        return times
    return [times[number] for number in sorted(allowed)]


def _affinity() -> frozenset[int] | None:
    """Numbers of the cores that this process may run on, None where the system does not tell."""
    return allowed()


def others(before: Reading, after: Reading) -> float:
    """Cores that others kept busy on average between two readings."""
    elapsed = max(after.at - before.at, 1e-9)
    return max(0.0, (after.every - before.every) - (after.own - before.own)) / elapsed


def cores() -> int:
    """Logical cores that this process may run on."""
    return len(_affinity() or ()) or os.cpu_count() or 1


@dataclass(frozen=True)
class Needs:
    """What this process asks of the machine."""

    threads: int
    cores: int

    def contention(self, before: Reading, after: Reading) -> float:
        """Cores that others took and that the threads needed, on average between two readings.

        Threads beyond the cores take turns there, whoever else is: only others disturb them.
        """
        return max(0.0, others(before, after) + min(self.threads, self.cores) - self.cores)

    def contended(self, readings: Sequence[Reading]) -> list[int]:
        """Stretches between readings in a row, by their place, during which others took too much.

        A stretch too short to be judged is judged with its neighbours.
        """
        found = []
        for place in range(len(readings) - 1):
            first, last = place, place + 1
            while readings[last].at - readings[first].at < WINDOW_S:
                if last < len(readings) - 1:
                    last += 1
                elif first > 0:
                    first -= 1
                else:
                    break
            if self.contention(readings[first], readings[last]) > CONTENDED:
                found.append(place)
        return found


def wait_until_quiet(
    threads: int,
    limit_s: float,
    *,
    reader: Callable[[], Reading] = read,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[bool, float]:
    """Wait until others leave the cores that so many threads need; whether they did, and seconds waited.

    Asks for a second without contention; gives up after `limit_s`.
    """
    needs, quiet = Needs(threads, cores()), 0
    start = before = reader()
    while quiet < QUIET_WINDOWS:
        sleep(0.5)
        after = reader()
        # Idle here, the process needs its threads' cores all the same.
        quiet = quiet + 1 if needs.contention(before, after) <= CONTENDED else 0
        before = after
        if quiet < QUIET_WINDOWS and after.at - start.at >= limit_s:
            return False, after.at - start.at
    return True, before.at - start.at


def look(threads: int, seconds: float = 2.0) -> str:
    """Who takes cores that so many threads need, in words; empty if nobody does, for so many seconds."""
    before = read()
    found = busiest(seconds)
    after = read()
    if Needs(threads, cores()).contention(before, after) <= CONTENDED:
        return ""
    names = ", ".join(f"{name} (process {pid}) {busy:.2f}" for name, pid, busy in found)
    return (
        f"other processes keep {others(before, after):.2f} of {cores()} cores busy: {names or 'unseen ones'}"
    )


def busiest(seconds: float = 1.0, most: int = 3) -> list[tuple[str, int, float]]:
    """Name, number and cores of the other processes that keep the processor busy, the busiest first."""
    before = processes()
    time.sleep(seconds)
    found = []
    for (pid, started), (name, used) in processes().items():
        then = before.get((pid, started), ("", used))[1]
        if pid != os.getpid() and used > then:
            found.append((name, pid, (used - then) / seconds))
    return sorted(found, key=lambda each: -each[2])[:most]


def processes() -> dict[tuple[int, float], tuple[str, float]]:
    """Name and processor seconds of every process that may be looked at, by its id and start."""
    import psutil

    found = {}
    for process in psutil.process_iter(["name", "cpu_times", "create_time"]):
        info = process.info
        if info["cpu_times"] is not None and info["create_time"] is not None:
            used = info["cpu_times"].user + info["cpu_times"].system
            found[process.pid, info["create_time"]] = (info["name"] or "unnamed", used)
    return found
