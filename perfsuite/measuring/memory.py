"""Peak memory between two points."""

from __future__ import annotations

import re
from pathlib import Path

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


class PeakMemory:
    """Watches peak memory from construction on.

    CUDA: bytes allocated by torch. Linux: resident set of the process, whose high-water mark is
    reset (proc(5), clear_refs, value 5). Elsewhere: the high-water mark of the process's life.
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

        return int(torch.cuda.max_memory_allocated())
    if _STATUS.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
