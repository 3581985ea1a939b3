"""Relative latency: a pipeline and the reference variant's, in turns within one process."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from perfsuite import pipelines
from perfsuite.decision.paired import Turns, pair_ratio
from perfsuite.device import Tf32, load, put_flash_attention
from perfsuite.device import failures as errors
from perfsuite.device.fixed_work import fixed_work
from perfsuite.device.memory import free_bytes
from perfsuite.measuring.pieces import Pieces, kinds_of
from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.variants import REFERENCE
from perfsuite.records import FIXED_WORK, Relative, Session
from perfsuite.workers.lockstep import take_turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.measuring.pieces import Piece
    from perfsuite.pipelines import Prepared
    from perfsuite.records import Workload

STEPS = 6
"""Denoising steps of a call while taking turns; each call is weighed as one of the workload's steps."""
LEAST_CALLS = 3
HEADROOM = 1.25
"""Free memory that a second pipeline must find, in multiples of the first one's peak."""


def measure_relative(
    prepared: Prepared, peak_bytes: int, budget_s: float, seed: int = 0, *, as_it_comes: bool = False
) -> Relative | str:
    """Measure against the reference variant for about `budget_s` seconds; the reference against fixed work.

    On a CPU pairs of calls during which others took its cores are left out, for twice the budget at most,
    unless all is measured `as_it_comes`.

    Returns:
        The ratio of each pair of calls, or the reason why there is none: it is the reference itself on a GPU,
        a second pipeline does not fit beside it, or others left the cores for too few pairs.
    """
    context = prepared.context
    if context.variant.name == REFERENCE.name:
        return _to_fixed_work(prepared, budget_s, as_it_comes)
    free = free_memory(context.device.kind)
    wanted = HEADROOM * reference_bytes(prepared.pipe, peak_bytes)
    if free < wanted:
        return (
            f"no memory for the reference beside it: {free / 2**30:.1f} GiB free, "
            f"{wanted / 2**30:.1f} GiB wanted"
        )
    settings = Tf32.take()
    reference = pipelines.prepare(context.workload, REFERENCE, context.device, prepared.weights)
    whole = _whole(reference)
    try:
        pairs = _in_turns(reference, prepared, (Tf32.take(), settings), budget_s, seed, as_it_comes)
    finally:
        pipe = reference.pipe
        del reference
        pipelines.release(pipe, forget=False)
        # For fresh processes beside this one, which see what this one holds as taken.
        del pipe
        pipelines.free()
    if isinstance(pairs, str):
        return pairs
    own, uneven = _whole(prepared), bool(context.variant.lossy)
    reference_s = [_call_s(turns, whole) for turns in pairs.turns]
    # A reference's call of as many pieces, times how much longer its own is: of 30 steps, beside few.
    as_many_s = [_call_s(turns, own) for turns in pairs.turns]
    ratio = (
        _ratio(turns, own, uneven=uneven) * as_many / its_own
        for turns, as_many, its_own in zip(pairs.turns, as_many_s, reference_s, strict=True)
    )
    return Relative(REFERENCE.name, tuple(ratio), tuple(reference_s), tuple(pairs.fixed_s), pairs.contended)


def _in_turns(
    reference: Prepared,
    prepared: Prepared,
    settings: tuple[Tf32, Tf32],
    budget_s: float,
    seed: int,
    as_it_comes: bool,
) -> _Pairs | str:
    """Calls of both, piece by piece in turn, each under its own settings."""
    context = prepared.context
    # What is not exact may spare some steps and not others: of a short call it spares another share.
    steps = context.workload.steps if context.variant.lossy else min(STEPS, context.drawn.steps)
    short = replace(context.workload, steps=steps)
    # A few-step technique draws its own number, whatever the workload has.
    like_it = replace(context.workload, steps=context.variant.drawn(short).steps)
    sides = [_short(reference, like_it), _short(prepared, short)]
    if sides[0].per_call != sides[1].per_call:
        return f"a short call has {sides[1].per_call} pieces, the reference's {sides[0].per_call}"
    base, head = (
        _under(tf32, side, of.context.variant.flash_attention)
        for tf32, side, of in zip(settings, sides, (reference, prepared), strict=True)
    )
    rng = random.Random(seed)

    def call() -> Turns:
        return take_turns(base, head, sides[0].per_call, 0.0, rng, least_calls=1)

    try:
        return _pairs(call, prepared, budget_s, as_it_comes)
    finally:
        for side in sides:
            side.close()


def _to_fixed_work(prepared: Prepared, budget_s: float, as_it_comes: bool) -> Relative | str:
    """The reference in units of fixed work, in turns with it."""
    if prepared.context.device.kind != "cpu":
        return "this is the reference"
    context = prepared.context
    side = _short(prepared, replace(context.workload, steps=min(STEPS, context.drawn.steps)))

    def call() -> Turns:
        done = [side.advance() for _ in range(side.per_call)]
        seconds = tuple(piece.seconds for piece in done)
        return Turns(tuple(piece.name for piece in done), seconds, seconds)

    try:
        pairs = _pairs(call, prepared, budget_s, as_it_comes)
    finally:
        side.close()
    if isinstance(pairs, str):
        return pairs
    calls_s = [_call_s(turns, _whole(prepared)) for turns in pairs.turns]
    fixed_s = tuple(pairs.fixed_s)
    ratio = tuple(call_s / work_s for call_s, work_s in zip(calls_s, fixed_s, strict=True))
    return Relative(FIXED_WORK, ratio, fixed_s, fixed_s, pairs.contended)


@dataclass
class _Pairs:
    """Calls that were taken in turns, and fixed work beside each."""

    turns: list[Turns]
    fixed_s: list[float]
    """Nothing on a GPU."""
    contended: int
    """During which others took its cores; left out, unless all is measured as it comes."""


def _pairs(call: Callable[[], Turns], prepared: Prepared, budget_s: float, as_it_comes: bool) -> _Pairs | str:
    """Calls for so long, after one that does not count; why not, where others left too few."""
    device = prepared.context.device
    work = fixed_work() if device.kind == "cpu" else None
    needs = load.Needs(device.count, load.cores())
    turns: list[Turns] = []
    fixed_s: list[float] = []
    bad: set[int] = set()
    call()
    began = time.monotonic()
    readings = [load.read()]
    while True:
        if work is not None:
            fixed_s.append(work())
        turns.append(call())
        readings.append(load.read())
        if device.kind == "cpu":
            bad = set(needs.contended(readings))
        elapsed, fit = time.monotonic() - began, len(turns) - (0 if as_it_comes else len(bad))
        if fit >= LEAST_CALLS and elapsed >= budget_s * (1 if fit > len(turns) / 2 else 2):
            break
        if len(turns) >= LEAST_CALLS and elapsed >= 2 * budget_s:
            return f"other processes took its cores during {len(bad)} of {len(turns)} pairs of calls"
    kept = [i for i in range(len(turns)) if as_it_comes or i not in bad]
    return _Pairs([turns[i] for i in kept], [fixed_s[i] for i in kept if fixed_s], len(bad))


def _whole(prepared: Prepared) -> dict[str, int]:
    """Pieces of each kind in a whole call of the workload."""
    return kinds_of(prepared.pipe, prepared.context.drawn.steps)


def _short(prepared: Prepared, workload: Workload) -> Pieces:
    """The pipeline's pieces of another workload, of fewer steps a call."""
    return Pieces(replace(prepared, context=replace(prepared.context, workload=workload)))


def _ratio(turns: Turns, pieces: dict[str, int], *, uneven: bool) -> float:
    """Of one call of head to base's of as many pieces."""
    if uneven:
        whole = turns.calls(len(turns.names), pieces)
        return whole.head_s[0] / whole.base_s[0]
    return math.exp(pair_ratio(turns, pieces).shift)


def _call_s(turns: Turns, pieces: dict[str, int]) -> float:
    """Seconds of a call of base with so many pieces of each kind."""
    pairs = list(zip(turns.names, turns.base_s, strict=True))
    return sum(count * median(s for name, s in pairs if name == kind) for kind, count in pieces.items())


def _under(tf32: Tf32, side: Pieces, flash_attention: str | None) -> Callable[[], Piece]:
    """The pieces of one side under its own settings; they are set outside the clock."""

    def advance() -> Piece:
        tf32.put()
        put_flash_attention(flash_attention)
        return side.advance()

    return advance


def reference_bytes(pipe: Any, peak_bytes: int) -> int:
    """Bytes that the float32 reference of a pipeline takes at least: all its weights in four bytes, or the
    peak of the pipeline itself where that is more."""
    models = [getattr(pipe, name) for name in family_of(pipe).components]
    return max(peak_bytes, 4 * sum(p.numel() for model in models for p in model.parameters()))


def with_relative(
    session: Session, prepared: Prepared, budget_s: float, *, as_it_comes: bool = False
) -> Session:
    """The session with the relative latency, or with the condition that says why not.

    One that was measured as it comes, beside others, makes the session unfit.
    """
    if budget_s <= 0:
        return session
    try:
        found = measure_relative(prepared, session.peak_memory_bytes, budget_s, as_it_comes=as_it_comes)
    except Exception as error:
        if errors.out_of_memory(error) is None:
            raise
        found = "no memory for the reference beside it: it ran out"
    if isinstance(found, str):
        return replace(session, conditions={**session.conditions, "relative": found})
    if as_it_comes and len(found.ratio) - found.contended < LEAST_CALLS:
        beside = (
            f"{found.contended} of {len(found.ratio)} pairs of calls ran while other processes took its cores"
        )
        return replace(session, relative=found, unfit=session.unfit or beside)
    return replace(session, relative=found)


def free_memory(kind: str) -> int:
    """Bytes that another pipeline could take on the device."""
    return free_bytes(kind)
