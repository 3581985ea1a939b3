"""Relative latency: a pipeline and the reference variant's, in turns within one process."""

from __future__ import annotations

import math
import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from perfsuite import pipelines
from perfsuite.decision.paired import Turns, pair_ratio
from perfsuite.device import Tf32
from perfsuite.device import failures as errors
from perfsuite.device.memory import free_bytes
from perfsuite.measuring.pieces import Pieces
from perfsuite.pipelines.variants import REFERENCE
from perfsuite.records import Relative, Session
from perfsuite.workers.lockstep import take_turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.measuring.pieces import Piece
    from perfsuite.pipelines import Prepared

STEPS = 6
"""Denoising steps of a call while taking turns; each call is weighed as one of the workload's steps."""
LEAST_CALLS = 3
HEADROOM = 1.25
"""Free memory that a second pipeline must find, in multiples of the first one's peak."""


def measure_relative(prepared: Prepared, peak_bytes: int, budget_s: float, seed: int = 0) -> Relative | str:
    """Measure against the reference variant for about `budget_s` seconds.

    Returns:
        The ratio of each pair of calls, or the reason why there is none: it is the reference itself, or
        a second pipeline does not fit beside it.
    """
    context = prepared.context
    if context.variant.name == REFERENCE.name:
        return "this is the reference"
    free = free_memory(context.device.kind)
    wanted = HEADROOM * reference_bytes(prepared.pipe, peak_bytes)
    if free < wanted:
        return (
            f"no memory for the reference beside it: {free / 2**30:.1f} GiB free, "
            f"{wanted / 2**30:.1f} GiB wanted"
        )
    own = Tf32.take()
    reference = pipelines.prepare(context.workload, REFERENCE, context.device, prepared.weights)
    settings = Tf32.take(), own
    short = replace(context.workload, steps=min(STEPS, context.workload.steps))
    sides = [Pieces(replace(p, context=replace(p.context, workload=short))) for p in (reference, prepared)]
    base, head = (_under(tf32, side) for tf32, side in zip(settings, sides, strict=True))
    try:
        rng = random.Random(seed)
        take_turns(base, head, sides[0].per_call, 0.0, rng, least_calls=1)
        until = time.monotonic() + budget_s
        turns = take_turns(base, head, sides[0].per_call, until, rng, least_calls=LEAST_CALLS)
    finally:
        for side in sides:
            side.close()
        pipe = reference.pipe
        del reference, sides, base, head
        pipelines.release(pipe, forget=False)
        # For fresh processes beside this one, which see what this one holds as taken.
        del pipe
        pipelines.free()
    pieces = {"text": 1, "step": context.workload.steps, "vae": 1}
    return Relative(
        REFERENCE.name, tuple(math.exp(pair_ratio(t, pieces).shift) for t in _calls(turns, short.steps + 2))
    )


def _under(tf32: Tf32, side: Pieces) -> Callable[[], Piece]:
    """The pieces of one side under its own settings; they are set outside the clock."""

    def advance() -> Piece:
        tf32.put()
        return side.advance()

    return advance


def reference_bytes(pipe: Any, peak_bytes: int) -> int:
    """Bytes that the float32 reference of a pipeline takes at least: all its weights in four bytes, or the
    peak of the pipeline itself where that is more."""
    models = (pipe.unet, pipe.vae, pipe.text_encoder, pipe.text_encoder_2)
    return max(peak_bytes, 4 * sum(p.numel() for model in models for p in model.parameters()))


def with_relative(session: Session, prepared: Prepared, budget_s: float) -> Session:
    """The session with the relative latency, or with the condition that says why not."""
    if budget_s <= 0:
        return session
    try:
        found = measure_relative(prepared, session.peak_memory_bytes, budget_s)
    except Exception as error:
        if errors.out_of_memory(error) is None:
            raise
        found = "no memory for the reference beside it: it ran out"
    if isinstance(found, str):
        return replace(session, conditions={**session.conditions, "relative": found})
    return replace(session, relative=found)


def _calls(turns: Turns, per_call: int) -> list[Turns]:
    """Cut into whole calls."""
    return [
        Turns(turns.names[i : i + per_call], turns.base_s[i : i + per_call], turns.head_s[i : i + per_call])
        for i in range(0, len(turns.names), per_call)
    ]


def free_memory(kind: str) -> int:
    """Bytes that another pipeline could take on the device."""
    return free_bytes(kind)
