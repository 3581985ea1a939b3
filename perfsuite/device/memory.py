"""Peak memory between two points, and what is free."""

from __future__ import annotations

import re
from pathlib import Path

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_CGROUP = Path("/sys/fs/cgroup")


class PeakMemory:
    """Watches peak memory from construction on.

    CUDA: bytes allocated by torch, and the pools of CUDA graphs. Linux: resident set of the process, whose
    high-water mark is reset (proc(5), clear_refs, value 5). Elsewhere: the high-water mark of the process's
    life.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        if kind == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats()
        elif _CLEAR.exists():
            _CLEAR.write_text("5")

    def bytes(self) -> int:
        """The peak so far, in bytes."""
        return peak_bytes(self._kind)


def peak_bytes(kind: str) -> int:
    """Peak memory of this process since its start, or since a `PeakMemory` was made, in bytes."""
    if kind == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated()) + graphs_bytes()
    if _STATUS.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reserved_bytes(kind: str) -> int | None:
    """The most that torch took of the device since a `PeakMemory` was made, what it kept for later included;
    None on a CPU."""
    if kind != "cuda":
        return None
    import torch

    return int(torch.cuda.max_memory_reserved())


_POOL = re.compile(r"reserved_bytes_by_private_pools\..+\.all\.current")


def graphs_bytes() -> int:
    """Bytes of the pools that CUDA graphs keep for themselves.

    A graph's intermediates count as free once it is recorded, and a replay allocates nothing, so torch's own
    peak does not see them; nobody else can have them. What is allocated in a pool (a graph's outputs) counts
    twice. A torch that does not tell (before 2.13) has none.
    """
    import torch

    return sum(int(size) for name, size in torch.cuda.memory_stats().items() if _POOL.fullmatch(name))


def free_bytes(kind: str) -> int:
    """Bytes that this process could still take: CUDA memory, or RAM (in a container its own)."""
    if kind == "cuda":
        import torch

        held = torch.cuda.memory_reserved() - torch.cuda.memory_allocated() - graphs_bytes()
        return int(torch.cuda.mem_get_info()[0]) + max(0, int(held))
    import psutil

    free = int(psutil.virtual_memory().available)
    limit, used = (_CGROUP / name for name in ("memory.max", "memory.current"))
    if limit.exists() and used.exists() and (most := limit.read_text().strip()).isdecimal():
        # What it holds of files is given back when memory is needed.
        cached = re.search(r"^file (\d+)$", (_CGROUP / "memory.stat").read_text(), re.MULTILINE)
        taken = int(used.read_text()) - (int(cached[1]) if cached else 0)
        free = min(free, max(0, int(most) - taken))
    return free
