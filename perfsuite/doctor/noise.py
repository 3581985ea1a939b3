"""Noise of a self-test: fixed work in turns with itself, and what a gate would find in such noise.

One process sees how its own calls scatter and how the machine drifts meanwhile. It cannot see what differs
between processes; for that the prior of the device class stands in (`perfsuite.decision.parameters`).
"""

from __future__ import annotations

import contextlib
import random
import statistics
import time
from dataclasses import dataclass, replace
from math import log
from typing import TYPE_CHECKING

from perfsuite import decision
from perfsuite.decision.basis import BUSY_CORES
from perfsuite.decision.paired import Turns, compare_turns, in_blocks
from perfsuite.decision.parameters import TOLERANCE
from perfsuite.doctor.watch import Seen, Watch
from perfsuite.measuring.control import control_s, control_turn
from perfsuite.measuring.pieces import Piece
from perfsuite.records import Cause, Finding, Health
from perfsuite.report import format as show
from perfsuite.store import Baselines, StoreError
from perfsuite.workers.lockstep import take_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from perfsuite.doctor.examination import Examination
    from perfsuite.records import Device

PAIRS_A_CALL = 4
"""Turns between two draws of the order."""
LEAST_CALLS = 10
"""Of so many pairs each, however slow they are."""
WATCH_S, REST = 1.0, 0.1
"""How long others are watched while this process rests: seconds at most, and share of the self-test."""
SOME_CORES = 0.1
"""Kept busy by others, from which on they are worth a word."""
SOME_STEAL, MUCH_STEAL = 0.01, 0.05
"""Share of the processor's time; more than the second moves a call by more than the tolerance."""
SHOWN = 5


@dataclass(frozen=True)
class Noise:
    """What the self-test measured, and what follows from it."""

    turns: int
    median_s: float
    within: float
    """Standard deviation of the log of the seconds of single turns."""
    blocks: float
    """Standard deviation of the log of the means of blocks of consecutive turns."""
    block_count: int
    noisy: bool
    """Beyond what `perfsuite.decision` calls a noisy machine."""
    prior: float
    """Standard deviation of the log latency between processes that is believed of this class of devices."""
    effect: float
    """Slowdown of seconds that one new session against one stored session would show with 80 % power."""
    relative_effect: float
    """Slowdown of a twin in turns with it that this one process would show with 80 % power."""


def self_test(kind: str, seconds: float) -> Turns:
    """Do fixed work in turns with itself, in the order ABBA or BAAB, for so many seconds."""
    # Two of them, as two pipelines are: the sides must not be one and the same function.
    one, other = _piece(kind), _piece(kind)
    until = time.monotonic() + seconds
    for _ in range(PAIRS_A_CALL):  # warm caches, and the clocks up
        one()
        other()
    return take_turns(one, other, PAIRS_A_CALL, until, random.Random(0), least_calls=LEAST_CALLS)


def _piece(kind: str) -> Callable[[], Piece]:
    turn = control_turn(kind)

    def piece() -> Piece:
        return Piece("step", turn())

    return piece


def noise_of(turns: Turns, kind: str) -> Noise:
    """What the turns say, by the functions that judge sessions and pairs.

    Raises:
        ValueError: a turn that is not positive and finite.
    """
    taken = [s for pair in zip(turns.base_s, turns.head_s, strict=True) for s in pair]
    means = [statistics.fmean(block) for block in in_blocks(taken)]
    blocks = statistics.stdev(map(log, means))
    settings = decision.DecisionSettings.for_device(kind)
    prior = settings.prior_sd
    # Processes differ at least by what this one drifts.
    verdict = decision.compare([taken], [taken], replace(settings, prior_sd=max(prior, blocks)))
    usual = decision.compare([taken], [taken], settings)
    paired = compare_turns([turns], {"step": 1})
    assert verdict.minimum_detectable_effect is not None
    assert paired.minimum_detectable_effect is not None
    return Noise(
        len(taken),
        statistics.median(taken),
        statistics.stdev(map(log, taken)),
        blocks,
        len(means),
        Cause.NOISY_MACHINE in usual.causes,
        prior,
        verdict.minimum_detectable_effect,
        paired.minimum_detectable_effect,
    )


@contextlib.contextmanager
def _pipeline_threads(device: Device) -> Iterator[None]:
    """As many threads as a measured pipeline takes, and then as before."""
    import torch

    before = torch.get_num_threads()
    try:
        if device.kind == "cpu":
            torch.set_num_threads(device.count)
        yield
    finally:
        torch.set_num_threads(before)


def control(examination: Examination) -> Iterator[Finding]:
    """Whether fixed work takes longer now than in the sessions of this device's baseline."""
    device = examination.device
    try:
        stored = Baselines(examination.baselines).of(device)
    except StoreError:  # the finding "baseline" says so
        return
    entries = stored.entries.values() if stored is not None else ()
    conditions = [session.conditions.get("control_s") for entry in entries for session in entry.sessions]
    then = [value for value in conditions if isinstance(value, float)]
    if not then:
        return
    with _pipeline_threads(device):
        now_s = control_s(device.kind)
    usual_s = statistics.median(then)
    said = f"fixed work takes {show.seconds(now_s)}, {show.seconds(usual_s)} in {len(then)} stored sessions"
    figures: dict[str, float | str | None] = {"control_s": now_s, "stored_s": usual_s, "sessions": len(then)}
    moved = decision.control_moved(then, [now_s])
    if moved is not None and moved > 1:
        found = f"this machine is slower than it was, by {_percent(moved - 1)}: {said}"
        remedy = "look at clocks and load; suspects in seconds will be INCONCLUSIVE meanwhile"
        yield Finding("control", Health.WARNING, found, remedy, figures)
    else:
        yield Finding("control", Health.OK, said, figures=figures)


def load_and_noise(examination: Examination) -> Iterator[Finding]:
    """Watch the machine while this process rests, then while the self-test runs, if there is one.

    Others are named by what they use while this process rests: beside the self-test they get less.
    """
    seconds, kind = examination.self_test_s, examination.device.kind
    watch = Watch(examination)
    resting_s = min(WATCH_S, REST * seconds) if seconds > 0 else WATCH_S
    time.sleep(resting_s)
    resting = watch.finish()
    yield load(resting, kind)
    if seconds <= 0:
        yield from interference(resting, kind)
        return
    examination.progress(f"self-test: fixed work for {seconds - resting_s:g} s")
    with _pipeline_threads(examination.device):
        watch = Watch(examination)
        turns = self_test(kind, seconds - resting_s)
        seen = watch.finish()
    yield from interference(seen, kind)
    yield from noise(noise_of(turns, kind), seconds - resting_s)


def _grave(kind: str) -> Health:
    """A GPU waits for its host now and then; a CPU is what is measured."""
    return Health.PROBLEM if kind == "cpu" else Health.WARNING


def load(seen: Seen, kind: str) -> Finding:
    """Who else used the processor."""
    shown = ", ".join(f"{u.name} (process {u.pid}) {u.cores:.2f}" for u in seen.users[:SHOWN])
    during = f"during {seen.seconds:.1f} s of rest"
    figures: dict[str, float | str | None] = {"other_cores": seen.cores, "seconds": seen.seconds}
    figures |= {f"{user.name}:{user.pid}": user.cores for user in seen.users[:SHOWN]}
    if seen.cores > SOME_CORES:
        found = f"other processes kept {seen.cores:.2f} cores busy {during}: {shown}"
        status = _grave(kind) if seen.cores > BUSY_CORES else Health.WARNING
        return Finding("load", status, found, "end them, or wait until they are done", figures)
    found = f"other processes kept {seen.cores:.2f} cores busy {during}"
    return Finding("load", Health.OK, found, figures=figures)


def interference(seen: Seen, kind: str) -> Iterator[Finding]:
    """What a hypervisor took meanwhile, and what limits and heat stopped."""
    grave, during = _grave(kind), f"during {seen.seconds:.1f} s"
    if seen.steal is not None:
        found = f"the hypervisor gave {seen.steal * 100:.1f} % of the processor's time to others {during}"
        status = (
            grave if seen.steal > MUCH_STEAL
            else Health.WARNING if seen.steal > SOME_STEAL else Health.OK
        )  # fmt: skip
        remedy = "" if status is Health.OK else "another time or host; or perfsuite ab, which takes turns"
        yield Finding("stolen time", status, found, remedy, {"steal": seen.steal})
    if seen.stops:
        found = f"the kernel stopped this container {seen.stops} times at its limit {during}"
        remedy = "give the container whole cores, as many as there are threads"
        yield Finding("container limit", grave, found, remedy, {"stops": seen.stops})
    if seen.throttled:
        found = f"heat throttled the processor {seen.throttled} times {during}"
        yield Finding("CPU heat now", grave, found, "let it cool", {"throttle_events": seen.throttled})


def noise(found: Noise, seconds: float) -> Iterator[Finding]:
    """How calm the machine is, and what gates would find."""
    said = (
        f"{found.turns} turns of {show.seconds(found.median_s)} scatter by {_percent(found.within)} (sd), "
        f"the means of {found.block_count} blocks of them by {_percent(found.blocks)}"
    )
    figures: dict[str, float | str | None] = {
        "turns": found.turns, "median_s": found.median_s, "within_sd": found.within,
        "blocks_sd": found.blocks, "blocks": found.block_count,
    }  # fmt: skip
    if found.noisy or found.blocks > 2 * found.prior:
        remedy = "look at load, stolen time, clocks and heat above; take perfsuite ab and relative latency"
        yield Finding("noise", Health.PROBLEM, f"a noisy machine: {said}", remedy, figures)
    elif found.blocks > found.prior:
        remedy = "look at load, stolen time, clocks and heat above"
        text = f"it drifts by more than processes of its class differ ({_percent(found.prior)}): {said}"
        yield Finding("noise", Health.WARNING, text, remedy, figures)
    else:
        yield Finding("noise", Health.OK, said, figures=figures)
    text = (
        f"in turns with its twin (perfsuite ab, relative latency) one process of {seconds:g} s finds "
        f"{_percent(found.relative_effect)} slower; in seconds, one session against one stored session finds "
        f"{_percent(found.effect)}. One process cannot see what differs between processes: for that the "
        f"prior of this class of devices is taken, {_percent(max(found.prior, found.blocks))} (sd)"
    )
    figures = {
        "relative_effect": found.relative_effect, "effect": found.effect, "prior_sd": found.prior,
    }  # fmt: skip
    status = Health.OK if found.relative_effect <= TOLERANCE else Health.WARNING
    remedy = (
        "" if status is Health.OK else "more time for each comparison (--time of perfsuite ab), or less load"
    )
    yield Finding("detectable", status, text, remedy, figures)


def _percent(fraction: float) -> str:
    return f"{fraction * 100:.1f} %"
