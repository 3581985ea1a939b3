"""A benchmark of fixed work, which shows when the machine itself has moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.measuring.clock import now

if TYPE_CHECKING:
    from collections.abc import Callable


def control_turn(kind: str) -> Callable[[], float]:
    """Make the fixed work: one product of 512x512 float32 matrices and one copy of 32 MiB.

    Args:
        kind: ``cpu`` or ``cuda``.

    Returns:
        A function that does it once and returns its seconds.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn((512, 512), generator=generator).to(kind)
    block = torch.zeros(8 << 20, dtype=torch.float32, device=kind)

    def turn() -> float:
        start = now()
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
