"""The clock of every latency: wall time with the device idle on both sides."""

from __future__ import annotations

import sys
import time


def now() -> float:
    """Seconds on the performance counter, after all queued work of the GPU has finished.

    Without CUDA (or before its first use) this is `time.perf_counter`, whose calls return when the
    work is done.
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()
