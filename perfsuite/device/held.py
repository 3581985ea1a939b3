"""How much memory this process holds just now, to the byte where the allocators tell.

The resident set moves in pages, and keeps what was freed; a leak of some kilobytes a call drowns in it.
glibc counts what it has given out (mallinfo2(3)), and torch's CPU tensors, numpy and Python's large objects
all come from there. Python's small objects have an allocator of their own, which counts blocks.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from functools import cache
from typing import TYPE_CHECKING

from perfsuite.records import Memory

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK_BYTES = 64
"""Of one of Python's small objects, on average; they have 16 to 512."""
_FIELDS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks",
           "keepcost")  # fmt: skip


class _MallocInfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in _FIELDS]


@cache
def _mallinfo() -> Callable[[], _MallocInfo] | None:
    """glibc's own count; None where it is not the allocator or does not count."""
    from perfsuite.device.environment import allocator

    if not allocator().startswith("glibc"):
        return None
    function = getattr(ctypes.CDLL(None), "mallinfo2", None)  # since 2.33
    if function is not None:
        function.restype = _MallocInfo
    return function


def is_exact() -> bool:
    """Whether `held_bytes` is what allocators have given out, not the resident set."""
    return _mallinfo() is not None


def resident_bytes() -> int:
    """Resident set of the process."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def held_bytes() -> int:
    """What is given out just now; the resident set where no allocator tells."""
    count = _mallinfo()
    if count is None:
        return resident_bytes()
    found = count()
    return int(found.uordblks) + int(found.hblkhd) + BLOCK_BYTES * sys.getallocatedblocks()


def threads() -> int:
    """Threads of the process, of C and of Python; each may hold megabytes that no allocator counts."""
    import psutil

    return int(psutil.Process().num_threads())


def files() -> int:
    """Files, sockets and pipes that the process has open; 0 where the system does not tell."""
    import psutil

    process = psutil.Process()
    return int(process.num_fds()) if hasattr(process, "num_fds") else 0


def device_bytes(kind: str) -> int:
    """Allocated by torch on CUDA; 0 on a CPU."""
    if kind != "cuda":
        return 0
    import torch

    return int(torch.cuda.memory_allocated())


def base_bytes(kind: str) -> int:
    """What a pipeline's peak stands on: allocated on CUDA, resident on a CPU."""
    return device_bytes(kind) if kind == "cuda" else resident_bytes()


def trim() -> None:
    """Give freed memory back to the system, where the C library can: it would count as the next one's."""
    function = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if function is not None:
        function(0)


class Held:
    """Looks at the process's memory, threads and open files before each timed call and after the last."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._held: list[int] = []
        self._resident: list[int] = []
        self._device: list[int] = []
        self._threads: list[int] = []
        self._files: list[int] = []

    def mark(self) -> None:
        """A call begins, or the last one has ended."""
        self._held.append(held_bytes())
        self._resident.append(resident_bytes())
        self._threads.append(threads())
        self._files.append(files())
        if self._kind == "cuda":
            self._device.append(device_bytes(self._kind))

    def finish(self, base: int) -> Memory:
        """All that was seen, once the calls' garbage is collected."""
        self.mark()
        gc.collect()
        return Memory(
            held_bytes=tuple(self._held),
            resident_bytes=tuple(self._resident),
            collected_bytes=held_bytes(),
            base_bytes=base,
            device_bytes=tuple(self._device),
            device_collected_bytes=device_bytes(self._kind),
            threads=tuple(self._threads),
            files=tuple(self._files),
            files_collected=files(),
        )
