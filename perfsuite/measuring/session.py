"""One session: first call, warm-up until steady, timed rounds, and what else there is to know."""

from __future__ import annotations

import gc
import statistics
import subprocess
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from perfsuite.device import Conditions, git_hashes, nvml, settings_apart, versions
from perfsuite.device.clock import now
from perfsuite.device.environment import environment
from perfsuite.device.held import Held
from perfsuite.device.imports import IMPORTS
from perfsuite.device.load import wait_until_quiet
from perfsuite.device.memory import PeakMemory, reserved_bytes
from perfsuite.measuring.control import control_s
from perfsuite.measuring.limits import limits
from perfsuite.measuring.profiling import hot
from perfsuite.measuring.stages import measure_stages
from perfsuite.pipelines.building import free
from perfsuite.records import Session, Start

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfsuite.pipelines import Prepared

    TimeRounds = Callable[[Callable[[], object], int, Callable[[], None]], Sequence[float]]


@dataclass(frozen=True)
class Plan:
    """How long to warm up and to measure."""

    time_budget_s: float = 6.0
    """Of the timed rounds."""
    least_rounds: int = 5
    most_rounds: int = 50
    warmup_limit: int = 10
    steady_calls: int = 2
    steady_gain: float = 0.02
    wait_s: float = 0.0
    """For a quiet moment before the timed rounds, at most; on a CPU."""
    as_it_comes: bool = False
    """Measure beside whatever runs: no round is set apart or repeated for it. The session says so."""
    brief: bool = False
    """Measure what a verdict reads and no more: neither stages nor limits."""
    hot: bool = False
    """Profile a short call after the timed ones, by operator; on a CPU alone, see `profiling.profile`."""


def is_steady(warmup_s: Sequence[float], plan: Plan) -> bool:
    """The warm-up's rule: the last `steady_calls` calls lowered the minimum by no more than 2 %.

    The minimum and not the spread: on a noisy machine calls never agree, but they stop getting
    faster.
    """
    earlier = warmup_s[: -plan.steady_calls]
    if not earlier:
        return False
    return min(warmup_s[-plan.steady_calls :]) >= min(earlier) * (1.0 - plan.steady_gain)


def warm_up(call: Callable[[], object], plan: Plan) -> tuple[list[float], bool]:
    """Call until steady; seconds of each call, and whether the rule was met before the limit."""
    seconds: list[float] = []
    while len(seconds) < plan.warmup_limit:
        start = now()
        call()
        seconds.append(now() - start)
        if is_steady(seconds, plan):
            return seconds, True
    return seconds, False


def rounds_for(call_s: float, plan: Plan) -> int:
    """How many calls of `call_s` seconds fit into the time budget, within the plan's bounds."""
    return max(plan.least_rounds, min(plan.most_rounds, int(plan.time_budget_s / call_s)))


def time_calls(
    call: Callable[[], object], rounds: int, before: Callable[[], None] = lambda: None
) -> list[float]:
    """Seconds of so many calls, each after one of ``before``; garbage is not collected meanwhile."""
    seconds = []
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            before()
            start = now()
            call()
            seconds.append(now() - start)
    finally:
        if collecting:
            gc.enable()
    return seconds


class Rounds(NamedTuple):
    """Seconds of timed rounds, by what they are good for."""

    fit: tuple[float, ...]
    throttled: tuple[float, ...]
    """While the GPU had lowered its clocks."""
    contended: tuple[float, ...]
    """While others took cores that this process's threads needed."""

    @property
    def total(self) -> int:
        """All of them."""
        return len(self.fit) + len(self.throttled) + len(self.contended)

    @property
    def why(self) -> str:
        """What kept rounds from being fit."""
        reasons = ["the GPU was throttled"] * bool(self.throttled)
        return ", ".join([*reasons, *["other processes took its cores"] * bool(self.contended)])


def apart(measured: Sequence[float], throttled: Sequence[int], contended: Sequence[int] = ()) -> Rounds:
    """Rounds set apart by their numbers; one that was throttled is not also contended."""
    bad, busy = set(throttled), set(contended) - set(throttled)
    return Rounds(
        tuple(s for i, s in enumerate(measured) if i not in bad | busy),
        tuple(s for i, s in enumerate(measured) if i in bad),
        tuple(s for i, s in enumerate(measured) if i in busy),
    )


def commit() -> str | None:
    """Short hash of the checkout in the current folder, None outside one."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


class Quiet:
    """Waits until others leave the cores that so many threads need, for so long altogether."""

    def __init__(self, threads: int, limit_s: float) -> None:
        self._threads, self._limit_s = threads, limit_s
        self.waited_s = 0.0

    def wait(self) -> bool:
        """Wait; whether it is quiet now. With nothing left to wait it is not known to be."""
        left_s = self._limit_s - self.waited_s
        if left_s <= 0:
            return False
        quiet, took_s = wait_until_quiet(self._threads, left_s)
        self.waited_s += took_s
        return quiet


class _Watch(NamedTuple):
    """The machine's state and the process's memory, at every round."""

    conditions: Conditions
    held: Held

    def mark(self) -> None:
        """A round begins, and the one before it, if any, has ended."""
        self.held.mark()
        self.conditions.mark()


def _start(prepared: Prepared) -> Start:
    """What it took until the first picture was there; the process's imports are its first session's."""
    context, imports = prepared.context, IMPORTS.take()
    first_call, build = context.first_call_watched, prepared.building
    seen = {
        "build": (build.contended, build.fixed_work_s),
        "first call": (first_call.contended, first_call.fixed_work_s),
    }
    if imports is not None:
        seen["import"] = (IMPORTS.contended, IMPORTS.fixed_work_s)
    parts = getattr(prepared.pipe, "components", {}).values()
    tensors = [p for part in parts if hasattr(part, "parameters") for p in part.parameters()]
    return Start(
        build_s=max(0.0, prepared.build_s - (context.first_call_s or 0.0) * prepared.first_call_inside),
        import_s=imports,
        first=prepared.first,
        contended=tuple(name for name, (contended, _) in seen.items() if contended),
        fixed_work_s={name: work_s for name, (_, work_s) in seen.items() if all(work_s)},
        weights_bytes=sum(p.numel() * p.element_size() for p in tensors),
    )


def _timed(
    prepared: Prepared,
    time_rounds: TimeRounds,
    wanted: int,
    watch: _Watch,
    plan: Plan,
    quiet: Quiet,
    progress: Callable[[str], None],
) -> Rounds:
    """So many fit rounds, or what twice as many came to.

    Where others disturbed every one of them, and do so still, more would be no better.
    """
    measured = list(time_rounds(prepared.generate, wanted, watch.mark))
    while True:
        watch.conditions.pause()
        contended = () if plan.as_it_comes else watch.conditions.contended()
        rounds = apart(measured, watch.conditions.throttled(), contended)
        count = min(wanted - len(rounds.fit), 2 * wanted - rounds.total)
        if count <= 0 or (rounds.contended and not (quiet.wait() or rounds.fit)):
            return rounds
        progress(f"{count} rounds again: {rounds.why}")
        measured += time_calls(prepared.generate, count, watch.mark)


def _all(rounds: Rounds) -> tuple[float, ...]:
    return rounds.fit + rounds.contended + rounds.throttled


def _unfit(rounds: Rounds, beside: int, steady: bool, plan: Plan) -> str:
    """Why a session of these rounds, so many of them beside others' work, has no weight; empty if it has."""
    if rounds.total - beside < plan.least_rounds and beside:
        return f"{beside} of {rounds.total} rounds ran while other processes took its cores"
    if len(rounds.fit) < plan.least_rounds and len(rounds.fit) < rounds.total:
        return f"{rounds.total - len(rounds.fit)} of {rounds.total} rounds were disturbed: {rounds.why}"
    return "" if steady else "the warm-up did not settle"


def measure(
    prepared: Prepared,
    time_rounds: TimeRounds,
    plan: Plan,
    progress: Callable[[str], None] = lambda phase: None,
) -> Session:
    """Measure one session of a prepared pipeline.

    `time_rounds(call, rounds, before)` makes that many timed calls, each after a call of `before` that is
    not timed, and returns their seconds; the pytest plugin passes `benchmark.pedantic`. Rounds during which
    the GPU was throttled, or others took the processor, are measured again, at most as many as there were.
    A session with too few others says why it is unfit.
    """
    context = prepared.context
    started = time.monotonic()
    progress("first call")
    first_call_s = context.first_call(prepared.pipe)
    free()  # what tests before this one, or searching for kernels, took of a GPU
    progress("warm-up")
    warmup_s, steady = warm_up(prepared.generate, plan)
    quiet = Quiet(context.device.count, plan.wait_s if context.device.kind == "cpu" else 0.0)
    if plan.wait_s:
        progress("waiting for a quiet moment")
        quiet.wait()
    wanted = rounds_for(statistics.median(warmup_s[-3:]), plan)
    progress(f"{wanted} rounds")
    gc.collect()
    memory, conditions = PeakMemory(context.device.kind), Conditions(context.device.kind)
    watch = _Watch(conditions, Held(context.device.kind))
    rounds = _timed(prepared, time_rounds, wanted, watch, plan, quiet, progress)
    held = watch.held.finish(prepared.base_bytes)
    beside = len(conditions.contended()) if plan.as_it_comes else 0
    found, peak = conditions.finish(), memory.bytes()
    unfit = _unfit(rounds, beside, steady, plan)
    # Too few to stand alone: all stand, in the order of their worth, and the session says that it is unfit.
    latency_s = rounds.fit if not unfit or len(rounds.fit) >= plan.least_rounds else _all(rounds)
    reserved = reserved_bytes(context.device.kind)
    if reserved is not None:
        found["reserved_memory_bytes"] = float(reserved)
    if quiet.waited_s:
        found["waited_s"] = quiet.waited_s
    found["control_s"] = control_s(context.device.kind)
    stages, ceiling = None, None
    if not plan.brief:
        progress("stages")
        stages = measure_stages(prepared)
        progress("limits")
        ceiling = limits(prepared)
    hottest = hot(prepared) if plan.hot else {}
    compiled = context.variant.compiled
    return Session(
        id=uuid.uuid4().hex,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        latency_s=latency_s,
        throttled_s=rounds.throttled,
        contended_s=rounds.contended,
        unfit=unfit,
        peak_memory_bytes=peak,
        first_call_s=first_call_s,
        compile_s=max(0.0, first_call_s - statistics.median(latency_s)) if compiled else None,
        warmup_s=tuple(warmup_s),
        warmup_steady=steady,
        stages=stages,
        versions=versions(),
        git=git_hashes(),
        conditions=found,
        wall_s=prepared.build_s + time.monotonic() - started,
        commit=commit(),
        limits=ceiling,
        compilation=context.compilation,
        settings=settings_apart(),
        memory=held,
        start=_start(prepared),
        environment=environment(context.device),
        hot=hottest,
        gpu=nvml.uuid() if context.device.kind == "cuda" else "",
    )
