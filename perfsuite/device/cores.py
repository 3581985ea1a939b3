"""The cores that torch's threads really get, which neither torch nor the process's affinity tells.

A variable such as ``OMP_PROC_BIND`` binds the thread that imports torch to one core, and the others to cores
of their own, once they are there: its affinity is then that of one thread. Others (``OMP_THREAD_LIMIT``)
give fewer threads than torch was told to take.
"""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TASKS, _MAPS = Path("/proc/self/task"), Path("/proc/self/maps")
_PRODUCT = 768
"""Rows and columns of the matrices by whose products the pool is seen: milliseconds of work."""


def allowed() -> frozenset[int] | None:
    """Numbers of the cores that this process's threads may run on, None where the system does not tell.

    Those of OpenMP's places where threads are bound to places.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    return _places() or frozenset(os.sched_getaffinity(0))


def _places() -> frozenset[int]:
    """Cores of OpenMP's places, by its own interface; none where threads are not bound, or before torch."""
    found = frozenset[int]()
    for library in _openmp():
        numbers = []
        for place in range(library.omp_get_num_places()):
            ids = (ctypes.c_int * library.omp_get_place_num_procs(place))()
            library.omp_get_place_proc_ids(place, ids)
            numbers += list(ids)
        found |= frozenset(numbers)
    return found


def _openmp() -> list[ctypes.CDLL]:
    """The OpenMP libraries that torch has loaded."""
    if "torch" not in sys.modules or not _MAPS.exists():
        return []
    paths = {line.split(maxsplit=5)[-1] for line in _MAPS.read_text().splitlines() if "omp" in line}
    names = ("libgomp", "libiomp", "libomp")
    libraries = [ctypes.CDLL(path) for path in sorted(paths) if Path(path).name.startswith(names)]
    return [library for library in libraries if hasattr(library, "omp_get_num_places")]


@dataclass(frozen=True)
class Pool:
    """Torch's threads, as they were seen at work."""

    threads: int
    cores: frozenset[int]
    """Where they may run, together."""

    @property
    def parallel(self) -> int:
        """How many of them can run at the same time."""
        return min(self.threads, len(self.cores))


def pool(threads: int) -> Pool | None:
    """Torch's threads if it is told to take so many; None where the system does not tell them apart."""
    return _seen(threads, allowed()) if _TASKS.exists() else None


@cache
def _seen(threads: int, within: frozenset[int] | None) -> Pool | None:
    """Let torch work, and see which threads of this process got processor time meanwhile."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        matrix = torch.ones((_PRODUCT, _PRODUCT))
        earlier = _worked_ns()
        for _ in range(3):
            torch.mm(matrix, matrix)
        later = _worked_ns()
    finally:
        torch.set_num_threads(before)
    worked = {thread: ns - earlier.get(thread, 0) for thread, ns in later.items()}
    most = max(worked.values(), default=0)
    # Threads of others than torch wake up for microseconds.
    busy = [thread for thread, ns in worked.items() if ns > most / 10]
    if not most:
        return None
    cores = frozenset(core for thread in busy for core in os.sched_getaffinity(thread))
    return Pool(len(busy), cores)


def _worked_ns() -> dict[int, int]:
    """Processor time of each thread of this process; nothing where the kernel does not count it."""
    found = {}
    for folder in _TASKS.iterdir():
        try:
            found[int(folder.name)] = int((folder / "schedstat").read_text().split()[0])
        except FileNotFoundError:  # a thread that has ended, or a kernel that does not count
            continue
    return found


def span(cores: frozenset[int]) -> str:
    """Numbers as the kernel writes them: ``0-3,8``."""
    parts: list[list[int]] = []
    for number in sorted(cores):
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
