"""What happened on the machine between two points: who used the processor, what was taken from it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.device import cgroup
from perfsuite.device.load import processes
from perfsuite.doctor import clocks

if TYPE_CHECKING:
    from perfsuite.doctor.examination import Examination

STEAL = 8
"""Place in the first line of ``/proc/stat`` (proc(5)) of what a hypervisor gave to others."""
GUEST = 9
"""From here on times are counted a second time."""


@dataclass(frozen=True)
class Usage:
    """One other process."""

    pid: int
    name: str
    cores: float
    """Kept busy on average."""


@dataclass(frozen=True)
class Seen:
    """Between two points."""

    seconds: float
    users: tuple[Usage, ...]
    """Other processes that used the processor, the busiest first."""
    steal: float | None
    """Share of all processor time that the hypervisor gave to others; None where it is not counted."""
    stops: int
    """How often the kernel stopped this container at its limit."""
    throttled: int | None
    """How often heat throttled the cores; None where it is not counted."""

    @property
    def cores(self) -> float:
        """Kept busy by other processes, together."""
        return sum(user.cores for user in self.users)


class Watch:
    """Watches from construction to `finish`."""

    def __init__(self, examination: Examination) -> None:
        self._examination = examination
        self._start = time.monotonic()
        self._processes = processes()
        self._ticks = _ticks(examination)
        self._stops = cgroup.throttled_periods(examination.read)
        self._throttled = clocks.throttle_count(examination)

    def finish(self) -> Seen:
        """What has happened since construction. Processes that came and went between are not seen."""
        seconds = max(time.monotonic() - self._start, 1e-9)
        users = []
        for (pid, started), (name, used) in processes().items():
            before = self._processes.get((pid, started), ("", 0.0))[1]
            if pid != os.getpid() and used - before > 0:
                users.append(Usage(pid, name, (used - before) / seconds))
        users.sort(key=lambda user: -user.cores)
        throttled = clocks.throttle_count(self._examination)
        known = throttled is not None and self._throttled is not None
        return Seen(
            seconds,
            tuple(users),
            _share(self._ticks, _ticks(self._examination)),
            cgroup.throttled_periods(self._examination.read) - self._stops,
            (throttled or 0) - (self._throttled or 0) if known else None,
        )


def _ticks(examination: Examination) -> list[int] | None:
    lines = (examination.read("proc/stat") or "").splitlines()
    return [int(word) for word in lines[0].split()[1:]] if lines else None


def _share(before: list[int] | None, after: list[int] | None) -> float | None:
    """Stolen time over all time; kernels before 2.6.11 do not count it."""
    if before is None or after is None or min(len(before), len(after)) < STEAL:
        return None
    moved = [a - b for a, b in zip(after, before, strict=True)][: GUEST - 1]
    return moved[STEAL - 1] / sum(moved) if sum(moved) > 0 else None
