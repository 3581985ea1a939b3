"""Benchmarks of fixed work, which show when the machine itself has moved.

One is made of torch, and slows down with a torch that got slower; the other is not.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from perfsuite.device.clock import now

if TYPE_CHECKING:
    from collections.abc import Callable


WORK = {"cpu": (512, 8 << 20, 1), "cuda": (4096, 64 << 20, 4)}
"""Rows of the matrices, floats of the copy, and how often."""


def control_turn(kind: str) -> Callable[[], float]:
    """Make the fixed work: on a CPU one product of 512x512 float32 matrices and one copy of 32 MiB; on a GPU,
    where that would be a measurement of launching, four of 4096x4096 and of 256 MiB.

    Args:
        kind: ``cpu`` or ``cuda``.

    Returns:
        A function that does it once and returns its seconds.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    size, count, times = WORK[kind]
    matrix = torch.randn((size, size), generator=generator).to(kind)
    block = torch.zeros(count, dtype=torch.float32, device=kind)

    def turn() -> float:
        start = now()
        for _ in range(times):
            torch.mm(matrix, matrix)
            block.clone()
        return now() - start

    return turn


def control_s(kind: str) -> float:
    """Seconds of the fixed work, the least of seven.

    Args:
        kind: ``cpu`` or ``cuda``.
    """
    turn = control_turn(kind)
    return min(turn() for _ in range(7))


HASHED, COPIED = 6 << 20, 16 << 20
"""Bytes of the fixed work: some 10 ms on one core of a server, half of it hashing, half copying."""


def fixed_work() -> Callable[[], float]:
    """Make fixed work that is not made of torch: a hash of 6 MiB (BLAKE2b, C of Python's own) and a
    copy of 16 MiB, on one core.

    Returns:
        A function that does it once and returns its seconds.
    """
    import hashlib

    block = bytes(COPIED)
    hashed = memoryview(block)[:HASHED]

    def turn() -> float:
        start = time.perf_counter()
        hashlib.blake2b(hashed).digest()
        bytearray(block)
        return time.perf_counter() - start

    return turn
