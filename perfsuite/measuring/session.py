"""One session: first call, warm-up until steady, timed rounds, and what else there is to know."""

from __future__ import annotations

import gc
import statistics
import subprocess
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from perfsuite.device import Conditions, settings_apart, versions
from perfsuite.device.clock import now
from perfsuite.device.memory import PeakMemory, reserved_bytes
from perfsuite.measuring.control import control_s
from perfsuite.measuring.limits import limits
from perfsuite.measuring.profiling import hot
from perfsuite.measuring.stages import measure_stages
from perfsuite.records import Session

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


def apart(measured: Sequence[float], throttled: Sequence[int]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Samples that are fit, and those of the rounds that were throttled."""
    bad = set(throttled)
    return (
        tuple(s for i, s in enumerate(measured) if i not in bad),
        tuple(s for i, s in enumerate(measured) if i in bad),
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


def measure(
    prepared: Prepared,
    time_rounds: TimeRounds,
    plan: Plan,
    progress: Callable[[str], None] = lambda phase: None,
) -> Session:
    """Measure one session of a prepared pipeline.

    `time_rounds(call, rounds, before)` makes that many timed calls, each after a call of `before` that is
    not timed, and returns their seconds; the pytest plugin passes `benchmark.pedantic`. Rounds during which
    the GPU was throttled are measured again, at most as many as there were.
    """
    context = prepared.context
    started = time.monotonic()
    progress("first call")
    first_call_s = context.first_call(prepared.pipe)
    progress("warm-up")
    warmup_s, steady = warm_up(prepared.generate, plan)
    rounds = rounds_for(statistics.median(warmup_s[-3:]), plan)
    progress(f"{rounds} rounds")
    gc.collect()
    memory, conditions = PeakMemory(context.device.kind), Conditions(context.device.kind)
    measured = list(time_rounds(prepared.generate, rounds, conditions.mark))
    conditions.pause()
    latency_s, throttled_s = apart(measured, conditions.throttled())
    again = 0
    while throttled_s and len(latency_s) < rounds and again < rounds:
        count = min(rounds - len(latency_s), rounds - again)
        progress(f"{count} rounds again: the GPU was throttled")
        again += count
        measured += time_calls(prepared.generate, count, conditions.mark)
        conditions.pause()
        latency_s, throttled_s = apart(measured, conditions.throttled())
    found, peak = conditions.finish(), memory.bytes()
    reserved = reserved_bytes(context.device.kind)
    if reserved is not None:
        found["reserved_memory_bytes"] = float(reserved)
    found["control_s"] = control_s(context.device.kind)
    progress("stages")
    stages = measure_stages(prepared)
    hottest = hot(prepared) if plan.hot else {}
    progress("limits")
    ceiling = limits(prepared)
    compiled = context.variant.compiled
    return Session(
        id=uuid.uuid4().hex,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        latency_s=latency_s or throttled_s,
        throttled_s=throttled_s,
        peak_memory_bytes=peak,
        first_call_s=first_call_s,
        compile_s=max(0.0, first_call_s - statistics.median(latency_s or throttled_s)) if compiled else None,
        warmup_s=tuple(warmup_s),
        warmup_steady=steady,
        stages=stages,
        versions=versions(),
        conditions=found,
        wall_s=prepared.build_s + time.monotonic() - started,
        commit=commit(),
        limits=ceiling,
        compilation=context.compilation,
        settings=settings_apart(),
        hot=hottest,
    )
