"""A benchmark of fixed work made of torch, which shows when the machine itself has moved.

It slows down with a torch that got slower, which `perfsuite.device.fixed_work` does not.
"""

from __future__ import annotations

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
