"""What a session says of memory and start, by name, with the budget that holds where nothing is stored.

A budget follows from what is built and from rules that are written here: none is a stored figure. They are
generous: they find what is broken, and a baseline finds what got worse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING

from perfsuite.decision.amounts import PEAK, RESERVED, SIZE, START, Kind
from perfsuite.records import CodeSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfsuite.records import Compilation, Session, Start, Workload

MIB, GIB = 1 << 20, 1 << 30
CHANGED = 0.15
"""Change of the machine's speed during a part of a start from which on it is unfit. Quiet machines show up to
6 % between two probes."""
RESERVED_BYTES = "reserved_memory_bytes"
"""Among a session's conditions."""
GRAPHS = 2
"""Of a compiled pipeline: UNet and VAE decoder."""


def show_bytes(size: float) -> str:
    """``597 MiB``."""
    return f"{size / MIB:.0f} MiB"


def show_seconds(seconds: float) -> str:
    """``5.9 s``."""
    return f"{seconds:.1f} s"


@dataclass(frozen=True)
class Amount:
    """One figure of a session."""

    name: str
    unit: str
    value: float
    budget: float
    rule: str
    """Where the budget is from."""
    kind: Kind
    show: Callable[[float], str]
    first: bool
    """Whether its pipeline was the first of the process, which is slower and larger than those after it; the
    two are never compared."""
    contended: bool = False
    """Whether others disturbed it."""
    fixed_work_s: tuple[float, float] | None = None
    """Of the machine before and after it, in seconds; None where it was not taken or says nothing."""

    work_by: str = ""
    """Python and allocator, of which the fixed work is made; with others its seconds are another unit."""

    @property
    def in_work(self) -> float | None:
        """Seconds over those of the fixed work; None where that is not known."""
        return None if self.fixed_work_s is None else self.value / fmean(self.fixed_work_s)

    @property
    def changed(self) -> float:
        """By what fraction the machine's speed changed meanwhile; 0 where that is not known."""
        return 0.0 if self.fixed_work_s is None else max(self.fixed_work_s) / min(self.fixed_work_s) - 1

    @property
    def unfit(self) -> bool:
        """Whether it is compared with none: others disturbed it, or nobody knows in what units it is."""
        return self.contended or self.changed > CHANGED


def peak(session: Session, device_kind: str, workload: Workload | None = None) -> Amount | None:
    """Peak memory of the timed calls, on a CPU above what was resident before the build; None in older
    sessions. Without the workload there is no budget."""
    memory, start = session.memory, session.start
    if memory is None or start is None:
        return None
    base = memory.base_bytes if device_kind == "cpu" else 0
    value = float(max(1, session.peak_memory_bytes - base))
    return _memory("peak memory", value, PEAK[device_kind], start, workload)


def reserved(session: Session, workload: Workload | None = None) -> Amount | None:
    """The most that torch took of a GPU while the timed calls ran, which no other process could have; None on
    a CPU, and in older sessions.

    It holds what the first call needed and torch kept: where code was compiled and the fastest kernels were
    searched for, more than where all was found. So each source of code has a name of its own, as compiling.
    """
    value, start, compilation = session.conditions.get(RESERVED_BYTES), session.start, session.compilation
    if not isinstance(value, float) or value <= 0 or start is None:
        return None
    name = "reserved memory" if compilation is None else f"reserved memory, {_source(compilation)}"
    return _memory(name, value, RESERVED, start, workload)


def memories(session: Session, device_kind: str, workload: Workload | None = None) -> list[Amount]:
    """All that it says of memory."""
    return [a for a in (peak(session, device_kind, workload), reserved(session, workload)) if a is not None]


def _memory(name: str, value: float, kind: Kind, start: Start, workload: Workload | None) -> Amount:
    """Bytes with their budget, which is twice as large for what torch reserved."""
    budget, rule = math.inf, "three times the weights, 600 float32 pictures, and 1 GiB"
    if workload is not None:
        pictures = workload.batch * workload.height * workload.width * 3 * 4
        budget = float(3 * start.weights_bytes + 600 * pictures + GIB)
    if kind is RESERVED:
        budget, rule = 2 * budget, f"twice that of the peak, which is {rule}"
    return Amount(name, "bytes", value, budget, rule, kind, show_bytes, start.first)


_COMPILE_S = {
    CodeSource.COLD: 600.0, CodeSource.PARTLY: 600.0, CodeSource.WARM: 60.0,
    # On a CPU a file holds C++, which is compiled again.
    CodeSource.ARTIFACT: 300.0,
}  # fmt: skip
"""A graph, at most."""


def starts(session: Session) -> list[Amount]:
    """Seconds of each part of a start, and the artifact's size; none in older sessions.

    Compiling has a name for each source of its code, so that each is compared with its like.
    """
    start = session.start
    if start is None:
        return []
    found = []
    if start.import_s:
        found.append(_seconds("import", start.import_s, 60.0, "a minute", session))
    load_s = 30.0 + start.weights_bytes / (50 * MIB)
    rule = "30 s, and 50 MiB of weights a second"
    if start.build_s:
        found.append(_seconds("build", start.build_s, load_s, rule, session))
    call_s, compilation = median(session.latency_s), session.compilation
    if session.compile_s is None:
        rule = "10 s, and ten usual calls"
        found.append(_seconds("first call", session.first_call_s, 10.0 + 10.0 * call_s, rule, session))
    elif compilation is not None and session.compile_s:
        each_s = _COMPILE_S[compilation.source]
        rule = f"{each_s:.0f} s for each of {GRAPHS} graphs"
        name = f"compile, {_source(compilation)}"
        found.append(_seconds(name, session.compile_s, each_s * GRAPHS, rule, session))
    if compilation is not None and compilation.artifact_bytes:
        size = float(compilation.artifact_bytes)
        rule = "a GiB for the code of all variants"
        found.append(
            Amount("compiled artifact", "bytes", size, float(GIB), rule, SIZE, show_bytes, start.first)
        )
    return found


def _source(compilation: Compilation) -> str:
    """Of its code; what is partly cold is only like what is so to the same part."""
    partly = f", {compilation.misses} of {compilation.graphs} graphs"
    return f"{compilation.source}{partly if compilation.source is CodeSource.PARTLY else ''}"


def _seconds(name: str, value: float, budget: float, rule: str, session: Session) -> Amount:
    start = session.start
    assert start is not None
    work_by = f"{session.versions.get('python', '')} {session.environment.get('allocator', '')}"
    part = "first call" if name.startswith("compile") else name
    return Amount(
        name, "s", value, budget, rule, START, show_seconds, start.first,
        contended=part in start.contended, fixed_work_s=start.fixed_work_s.get(part),
        work_by=work_by,
    )  # fmt: skip


def named(name: str, session: Session) -> Amount | None:
    """That part of a session's start."""
    return next((amount for amount in starts(session) if amount.name == name), None)


def named_memory(name: str, device_kind: str, session: Session) -> Amount | None:
    """That figure of a session's memory."""
    return next((amount for amount in memories(session, device_kind) if amount.name == name), None)


def comparable(
    of: Callable[[Session], Amount | None], sessions: Sequence[Session], *, first: bool
) -> list[Amount]:
    """The figures of those sessions that have a fit one, and whose pipeline was, or was not, the first of its
    process."""
    found = [amount for session in sessions if (amount := of(session)) is not None]
    return [amount for amount in found if not amount.unfit and amount.first is first]
