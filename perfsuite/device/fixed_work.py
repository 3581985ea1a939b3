"""Work that is always the same and not made of torch: a yardstick of the machine's own speed.

A hash of 6 MiB (BLAKE2b, C of Python's own) and a copy of 16 MiB, on one core.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HASHED, COPIED = 6 << 20, 16 << 20
"""Bytes: some 5 to 10 ms on one core of a server, most of it hashing."""
TURNS = 9
"""Of a probe, of which the median counts."""


def fixed_work(clock: Callable[[], float] = time.perf_counter) -> Callable[[], float]:
    """Make a function that does the work once and returns its seconds by that clock."""
    block = bytes(COPIED)
    hashed = memoryview(block)[:HASHED]

    def turn() -> float:
        start = clock()
        hashlib.blake2b(hashed).digest()
        bytearray(block)
        return clock() - start

    return turn


@dataclass
class Probe:
    """Takes the machine's speed now and then."""

    spent_s: float = 0.0
    """By all probing so far: what is timed around it leaves it out."""

    def take(self) -> float:
        """Processor seconds of the fixed work just now, the median of `TURNS`.

        What it waits for is not the machine's speed: a thread of this process that never rests holds
        Python's lock, and must not slow the measure of what it slows.
        """
        start = time.monotonic()
        turn = fixed_work(time.thread_time)
        found = median(turn() for _ in range(TURNS))
        self.spent_s += time.monotonic() - start
        return found


PROBE = Probe()
"""One a process."""
