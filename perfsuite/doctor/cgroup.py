"""The control group's share of the processor: what a container may use, whatever cores it sees."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfsuite.doctor.examination import Examination

ROOT = "sys/fs/cgroup"


def _folders(examination: Examination) -> Iterator[str]:
    """Of this process's group and of those above it: version 2, then version 1's ``cpu``."""
    for line in (examination.read("proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = [ROOT, f"{ROOT}/unified"] if not controllers else [f"{ROOT}/cpu", f"{ROOT}/cpu,cpuacct"]
        parts = [part for part in path.split("/") if part]
        for mount in mounts:
            for depth in range(len(parts), -1, -1):
                yield "/".join([mount, *parts[:depth]])


def quota_cores(examination: Examination) -> float | None:
    """Cores that the group may keep busy on average, the least of all levels; None without a limit."""
    found = []
    for folder in _folders(examination):
        words = (examination.read(f"{folder}/cpu.max") or "max").split()
        if words[0] != "max":
            found.append(int(words[0]) / int(words[1]))
        quota = int(examination.read(f"{folder}/cpu.cfs_quota_us") or -1)
        if quota > 0:
            found.append(quota / int(examination.read(f"{folder}/cpu.cfs_period_us") or 100_000))
    return min(found, default=None)


def throttled_periods(examination: Examination) -> int:
    """How often the kernel has stopped the group at its limit so far; 0 where it does not count."""
    counts = [
        int(match[1])
        for folder in _folders(examination)
        if (match := re.search(r"^nr_throttled (\d+)$", examination.read(f"{folder}/cpu.stat") or "", re.M))
    ]
    return max(counts, default=0)
