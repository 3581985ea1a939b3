"""Two workers in lock step: a piece of a call each in turn, in balanced random order."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from perfsuite.decision.paired import Turns

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from perfsuite.measuring.pieces import Piece

PAUSE_S = 0.005
"""Before each piece on a CPU: OpenMP's threads of the other worker spin for some milliseconds after its
last piece. Measured on 2 cores: a step of 40 ms takes 80 ms with passive waiting (each parallel region wakes
its threads), 50 ms without a pause and 47 ms with it, and the ratio of two equal steps scatters by 27 % (sd)
without the pause, 17 % with it."""


def take_turns(
    base: Callable[[], Piece],
    head: Callable[[], Piece],
    pieces_per_call: int,
    until: float,
    rng: random.Random,
    least_calls: int = 2,
    pause_s: float = 0.0,
) -> Turns:
    """Run whole calls of both, piece by piece, until `time.monotonic` reaches ``until``.

    Order ABBA or BAAB, drawn for each call, so that neither side is always first. Both must be at the
    beginning of a call.

    Raises:
        RuntimeError: the two are not at the same piece.
    """
    names, base_s, head_s = [], [], []
    calls = 0
    while calls < least_calls or time.monotonic() < until:
        head_first = rng.random() < 0.5
        for index in range(pieces_per_call):
            order = (head, base) if head_first ^ (index % 2 == 1) else (base, head)
            found = {}
            for side in order:
                if pause_s:
                    time.sleep(pause_s)
                found[side] = side()
            one, other = found[base], found[head]
            if one[0] != other[0]:
                raise RuntimeError(f"out of step: base ran {one[0]!r}, head {other[0]!r}")
            names.append(one[0])
            base_s.append(one[1])
            head_s.append(other[1])
        calls += 1
    return Turns(tuple(names), tuple(base_s), tuple(head_s))
