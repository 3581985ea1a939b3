"""The control group's share of processor and memory: what a container may use, whatever it sees.

Each function takes what reads a file below the root: stripped, None where there is none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Read = Callable[[str], str | None]

ROOT = "sys/fs/cgroup"


def _folders(read: Read, controller: str = "cpu") -> Iterator[str]:
    """Of this process's group and of those above it: version 2, then version 1's of a controller."""
    for line in (read("proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mounts = [ROOT, f"{ROOT}/unified"]
        if controllers:
            mounts = [f"{ROOT}/{controller}"] + [f"{ROOT}/cpu,cpuacct"] * (controller == "cpu")
        parts = [part for part in path.split("/") if part]
        for mount in mounts:
            for depth in range(len(parts), -1, -1):
                yield "/".join([mount, *parts[:depth]])


def quota_cores(read: Read) -> float | None:
    """Cores that the group may keep busy on average, the least of all levels; None without a limit."""
    found = []
    for folder in _folders(read):
        words = (read(f"{folder}/cpu.max") or "max").split()
        if words[0] != "max":
            found.append(int(words[0]) / int(words[1]))
        quota = int(read(f"{folder}/cpu.cfs_quota_us") or -1)
        if quota > 0:
            found.append(quota / int(read(f"{folder}/cpu.cfs_period_us") or 100_000))
    return min(found, default=None)


def throttled_periods(read: Read) -> int:
    """How often the kernel has stopped the group at its limit so far; 0 where it does not count."""
    counts = [
        int(match[1])
        for folder in _folders(read)
        if (match := re.search(r"^nr_throttled (\d+)$", read(f"{folder}/cpu.stat") or "", re.M))
    ]
    return max(counts, default=0)


NO_LIMIT = 1 << 60
"""Version 1 writes the greatest number of pages where there is none."""


def memory_limit_bytes(read: Read) -> int | None:
    """Bytes that the group may take, the least of all levels; None without a limit."""
    found = []
    for folder in _folders(read, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            word = read(f"{folder}/{name}") or "max"
            if word.isdecimal() and int(word) < NO_LIMIT:
                found.append(int(word))
    return min(found, default=None)
