"""Counts that changed, as a person reads them: what came, what went, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.records import Cause, Status
from perfsuite.report import format as show
from perfsuite.report.messages import OWN_WEIGHTS, differences, see
from perfsuite.report.terminal import merged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfsuite.records import CountChange, CountVerdict, Result

MOST = 12
"""Lines of one kind of count."""
_SUMS = {
    "flop": "FLOPs",
    "weights_bytes": "weights",
    "peak_bytes": "peak of allocations",
    "code_bytes": "code",
}
_NEXT = (
    (Status.REGRESSED, "accept it", "reset"),
    (Status.IMPROVED, "take it as the new baseline", "reset"),
    (Status.NEW, "record it", "new"),
    (Status.INCOMPATIBLE, "record it anew", "reset"),
)
"""What a person may do about counts, and the mode of updating that does it."""
_NAMES = {"operators": "operators", "kernels": "kernels in generated code", **_SUMS}


def change(found: CountChange) -> str:
    """One change: ``+42 aten.clone in BasicTransformerBlock (12 -> 54)``, ``FLOPs of unet +1.2 % (...)``."""
    if found.measure not in _SUMS:
        was = "new" if not found.before else "gone" if not found.after else f"{found.before} -> {found.after}"
        return f"{found.difference:+d} {found.name} ({was})"
    figure = show.flop if found.measure == "flop" else show.exact_memory
    share = f"{100 * found.difference / found.before:+.2g} %" if found.before else "new"
    return f"{_SUMS[found.measure]} of {found.name} {share} ({figure(found.before)} -> {figure(found.after)})"


def lines(changes: Sequence[CountChange], most: int = MOST) -> list[str]:
    """One line a change, each kind below its own heading where it is a list of many."""
    found = []
    for measure, name in _NAMES.items():
        of_measure = [c for c in changes if c.measure == measure]
        if measure in _SUMS:
            found += [change(c) for c in of_measure]
            continue
        if of_measure:
            found.append(f"{name} {sum(c.difference for c in of_measure):+d}:")
            found += [f"  {change(c)}" for c in of_measure[:most]]
        if len(of_measure) > most:
            found.append(f"  and {len(of_measure) - most} smaller differences")
    return found


def message(result: Result, verdict: CountVerdict, stored_versions: Mapping[str, str] | None) -> str:
    """What a failing test of counts says."""
    name = f"{result.workload} {result.variant}"
    found = [f"{name}: counts {verdict.status}: {detail(verdict)}"]
    found += [f"  {line}" for line in lines(verdict.changes)]
    found += _unjudged(verdict)
    if stored_versions is not None and result.counts is not None:
        found.append(f"differs from the stored run: {differences(result.counts.versions, stored_versions)}")
    if _foreign(verdict):
        found.append(f"{OWN_WEIGHTS}, or leave the counts out")
    else:
        found += [f"{what}: {command([result], mode)}" for of, what, mode in _NEXT if of is verdict.status]
    if verdict.status is not Status.OK:
        found.append(see("structure"))
    return "\n".join(found)


def _foreign(verdict: CountVerdict) -> bool:
    """Whether the stored counts are of weights from elsewhere, which these must not replace."""
    return Cause.OTHER_WEIGHTS in verdict.causes


def command(results: Sequence[Result], mode: str) -> str:
    """The command that stores the counts of these variants of one workload."""
    workload, names = results[0].workload, [f"--perf-variant={r.variant}" for r in results]
    return f"pytest -k test_counts --perf-workload={workload} {' '.join(names)} --perf-update={mode}"


def detail(verdict: CountVerdict) -> str:
    """What it says in a line; empty where nothing moved."""
    if verdict.detail:
        return verdict.detail
    if not verdict.changes:
        return ""
    first = verdict.changes[0]
    more = len(verdict.changes) - 1
    return change(first) + (f" and {more} more changes" if more else "")


def _unjudged(verdict: CountVerdict) -> list[str]:
    return [f"  {_NAMES[field]} not compared: {reason}" for field, reason in verdict.unjudged.items()]


def remarks(results: Sequence[Result], *, recorded: bool = False) -> list[str]:
    """What the summary says: every verdict on counts that is not a plain OK, and what was not compared.

    `recorded`: this run stores what is NEW, so that nobody need be told how.
    """
    judged = [(r, r.counted) for r in results if r.counted is not None]
    said = [
        (r, f"counts {v.status}: {detail(v)}")
        for r, v in judged
        if v.status is not Status.OK and not (recorded and v.status is Status.NEW)
    ]
    said += [(r, line.strip()) for r, v in judged for line in _unjudged(v)]
    return merged(said)


def steps(results: Sequence[Result], *, recorded: bool = False) -> list[str]:
    """What a person may do next about counts, one command a line."""
    found = []
    for status, what, mode in _NEXT:
        some = [r for r in results if r.counted and r.counted.status is status and not _foreign(r.counted)]
        if some and not (recorded and status is Status.NEW):
            for workload in dict.fromkeys(r.workload for r in some):
                found.append(f"{what}: {command([r for r in some if r.workload == workload], mode)}")
    return found
