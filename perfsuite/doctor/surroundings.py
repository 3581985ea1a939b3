"""What of this machine decides whether figures may be compared, and whether the baseline's was the same."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from perfsuite.decision.surroundings import apart
from perfsuite.device import cores, environment, state
from perfsuite.device.fingerprint import available_threads
from perfsuite.records import Finding, Health
from perfsuite.store import Baselines, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfsuite.doctor.examination import Examination
    from perfsuite.records import Session

_BINDING = ("OMP_", "GOMP_", "KMP_")
_SERVING = ("LD_PRELOAD", "GLIBC_TUNABLES", *state.ALLOCATORS)


def _set(*beginnings: str) -> str:
    """Variables that begin so, in words; empty for none."""
    return ", ".join(f"{n}={v}" for n, v in state.variables().items() if n.startswith(beginnings))


def pool(examination: Examination) -> Iterator[Finding]:
    """Torch's threads at work: how many there are, and on which cores they may run."""
    if examination.device.kind != "cpu":
        return
    wanted = available_threads()
    seen, set_ = cores.pool(wanted), _set(*_BINDING)
    if seen is None:
        yield Finding("thread pool", Health.UNKNOWN, "this system does not tell threads apart", "none needed")
        return
    figures: dict[str, float | str | None] = {
        "wanted": wanted, "parallel": seen.parallel, "cores": cores.span(seen.cores)
    }  # fmt: skip
    found = f"torch works with {seen.threads} threads on core {cores.span(seen.cores)}"
    if seen.parallel < wanted:
        said = f"{found}, so {seen.parallel} at a time instead of {wanted}: {set_ or 'nothing here says why'}"
        remedy = (
            f"unset what binds or limits threads; as it is, this is a device of its own: {_slug(examination)}"
        )
        yield Finding("thread pool", Health.PROBLEM, said, remedy, figures)
    elif hasattr(os, "sched_getaffinity") and frozenset(os.sched_getaffinity(0)) < seen.cores:
        said = f"{found}, each bound to one ({set_}): compilers that it starts are bound likewise"
        yield Finding("thread pool", Health.WARNING, said, "unset it, or keep it so in every run", figures)
    else:
        yield Finding("thread pool", Health.OK, found, figures=figures)


def _slug(examination: Examination) -> str:
    return examination.device.slug


def instructions(examination: Examination) -> Iterator[Finding]:
    """The instruction set that torch uses, and variables that forbid a part of it."""
    if examination.device.kind != "cpu":
        return
    sets = environment.instruction_sets()
    forbidden = _set(*environment.ISA_VARIABLES)
    found = f"torch uses {sets['instruction_set']}"
    if forbidden:
        said = f"{found}; {forbidden} forbids instructions: a device of its own, {_slug(examination)}"
        remedy = "unset it, or keep it so in every run"
        yield Finding("instructions", Health.WARNING, said, remedy, {**sets})
    else:
        yield Finding("instructions", Health.OK, found, figures={**sets})


def allocator(examination: Examination) -> Iterator[Finding]:
    """Who serves memory, which moves both time and peak memory."""
    who, set_ = environment.allocator(), _set(*_SERVING)
    figures: dict[str, float | str | None] = {"allocator": who}
    if set_:
        found, remedy = f"{who} serves memory ({set_})", "unset it, or keep it so in every run"
        yield Finding("allocator", Health.WARNING, found, remedy, figures)
    else:
        yield Finding("allocator", Health.OK, f"{who} serves memory", figures=figures)


def variables(examination: Examination) -> Iterator[Finding]:
    """All that libraries read of the environment: it is recorded with each session."""
    found = state.variables()
    said = _set("") or "none is set that torch or its libraries read"
    yield Finding("variables", Health.OK, said, figures={**found})


def same(examination: Examination) -> Iterator[Finding]:
    """Whether the stored sessions are of this machine, threads and instructions included."""
    device, store = examination.device, Baselines(examination.baselines)
    try:
        stored = store.of(device)
        kin = [] if stored else store.kin(device)
    except StoreError:  # the finding "baseline" says so
        return
    if kin:
        names = ", ".join(found.device.slug for found in kin)
        said = f"the baselines of {device.name} are of another machine: {names}, this is {device.slug}"
        remedy = "measure as they were measured, or keep this one apart with --perf-update=reset"
        yield Finding("same machine", Health.PROBLEM, said, remedy)
    sessions = [e.sessions[-1] for e in stored.entries.values()] if stored else []
    if sessions:
        yield _compared(sessions[-1], environment.environment(device, examination.root))


def _compared(newest: Session, now: dict[str, str]) -> Finding:
    then = newest.environment
    if not then:
        said = "the newest stored session is of before its environment was recorded"
        return Finding("same machine", Health.OK, said)
    decisive = apart(then, now)
    if decisive:
        remedy = "measure as it was measured, or replace it with --perf-update=reset"
        return Finding("same machine", Health.PROBLEM, f"not that of the baseline: {decisive}", remedy)
    pairs = {n: (then.get(n, "not set"), now.get(n, "not set")) for n in sorted({*then, *now})}
    pairs |= _variables_apart(newest)
    differs = ", ".join(f"{n} {a} -> {b}" for n, (a, b) in pairs.items() if a != b)
    if differs:
        remedy = "keep it as it was, or record the baselines anew"
        return Finding("same machine", Health.WARNING, f"not quite the baseline's: {differs}", remedy)
    return Finding("same machine", Health.OK, "environment as when the newest baseline was recorded")


def _variables_apart(newest: Session) -> dict[str, tuple[str, str]]:
    then = {n.removeprefix("env."): v for n, v in newest.settings.items() if n.startswith("env.")}
    now = state.variables()
    return {n: (then.get(n, "not set"), now.get(n, "not set")) for n in sorted({*then, *now})}
