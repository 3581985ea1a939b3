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


def fixed_work() -> Callable[[], float]:
    """Make a function that does the work once and returns its seconds."""
    block = bytes(COPIED)
    hashed = memoryview(block)[:HASHED]

    def turn() -> float:
        start = time.perf_counter()
        hashlib.blake2b(hashed).digest()
        bytearray(block)
        return time.perf_counter() - start

    return turn


@dataclass
class Probe:
    """Takes the machine's speed now and then."""

    spent_s: float = 0.0
    """By all probing so far: what is timed around it leaves it out."""

    def take(self) -> float:
        """Seconds of the fixed work just now, the median of `TURNS`."""
        start = time.monotonic()
        turn = fixed_work()
        found = median(turn() for _ in range(TURNS))
        self.spent_s += time.monotonic() - start
        return found


PROBE = Probe()
"""One a process."""
