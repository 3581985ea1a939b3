"""A benchmark of fixed work, which shows when the machine itself has moved."""

from __future__ import annotations

from perfsuite.measuring.clock import now


def control_s(kind: str) -> float:
    """Seconds of one product of 512x512 float32 matrices and one copy of 32 MiB: the least of seven.

    Args:
        kind: ``cpu`` or ``cuda``.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn((512, 512), generator=generator).to(kind)
    block = torch.zeros(8 << 20, dtype=torch.float32, device=kind)
    taken = []
    for _ in range(7):
        start = now()
        torch.mm(matrix, matrix)
        block.clone()
        taken.append(now() - start)
    return min(taken)
