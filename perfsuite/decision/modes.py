"""Modes: sessions of one side that fall in separate groups, such as autotuning picks."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = 3.0
"""Between two modes, in standard deviations within them."""
LEAST_GAP = 0.01
"""Of the log latency: closer modes change no verdict."""
LEAST_IN_MODE = 3
"""Sessions: chance shows modes in 4 % of sides of six; with two it would be 14 %."""


def modes(logs: Sequence[float]) -> list[list[float]]:
    """Split the log latencies of one side's sessions into modes, fastest first; one where none show.

    At most two are looked for, parted by the widest gap that leaves `LEAST_IN_MODE` on either side.
    """
    ordered = sorted(logs)
    cuts = range(LEAST_IN_MODE, len(ordered) - LEAST_IN_MODE + 1)
    if not cuts:
        return [ordered]
    cut = max(cuts, key=lambda i: ordered[i] - ordered[i - 1])
    parts = [ordered[:cut], ordered[cut:]]
    centres = [fmean(part) for part in parts]
    squares = sum((v - c) ** 2 for part, c in zip(parts, centres, strict=True) for v in part)
    within = math.sqrt(squares / (len(ordered) - 2))
    return parts if ordered[cut] - ordered[cut - 1] > max(GAP * within, LEAST_GAP) else [ordered]
