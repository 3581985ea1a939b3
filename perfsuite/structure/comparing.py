"""Counts against stored counts: what came, what went, and a verdict. Pure: no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from perfsuite.records import CountChange, Counts, CountVerdict, Status

if TYPE_CHECKING:
    from collections.abc import Mapping


class Tolerance(NamedTuple):
    """By how much a count may differ and still be the same."""

    fraction: float
    why: str


MEASURES: Mapping[str, Tolerance] = {
    "operators": Tolerance(0.0, "exact: a call is made or not"),
    "flop": Tolerance(0.0, "exact: by shapes"),
    "weights_bytes": Tolerance(0.0, "exact: by shapes and dtypes"),
    "kernels": Tolerance(0.0, "exact: the generated code is the same, from a compiler or a cache"),
    "peak_bytes": Tolerance(0.001, "scratch memory of libraries is rounded to pages and lines of a cache"),
    "code_bytes": Tolerance(0.001, "numbers of graphs and buffers, and paths, are part of the text"),
}
"""Fields of `Counts` that are compared, in the order in which they are told."""
CODE = frozenset({"peak_bytes", "code_bytes"})
"""What is otherwise on a CPU with other instructions or another number of threads: for AVX2 and one thread,
in place of AVX-512 and two, .2 % less at the peak and 7 % less text. Kernels were all the same."""


def changed(before: Mapping[str, int], after: Mapping[str, int], measure: str) -> list[CountChange]:
    """Counts beyond their tolerance, the largest difference first; what is not there is none."""
    allowed = MEASURES[measure].fraction
    found = [
        CountChange(measure, name, before.get(name, 0), after.get(name, 0))
        for name in sorted({*before, *after})
    ]
    found = [c for c in found if abs(c.difference) > allowed * c.before]
    return sorted(found, key=lambda c: (-abs(c.difference), -c.difference))


def compare(stored: Counts, fresh: Counts) -> CountVerdict:
    """What differs of `fresh` from `stored`, where both were counted.

    REGRESSED: some count rose. IMPROVED: some fell, none rose. What replaces an operator by another raises
    one and lowers one, and is REGRESSED: whether it is slower no count can tell, and a person must look.
    """
    changes: list[CountChange] = []
    unjudged: dict[str, str] = {}
    for measure in MEASURES:
        before, after = getattr(stored, measure), getattr(fresh, measure)
        if before is None and after is None and measure not in {*stored.absent, *fresh.absent}:
            continue  # does not apply
        reason = _why_not(stored, fresh, measure)
        if reason is not None:
            unjudged[measure] = reason
        else:
            changes += changed(before or {}, after or {}, measure)
    if any(c.difference > 0 for c in changes):
        status = Status.REGRESSED
    else:
        status = Status.IMPROVED if changes else Status.OK
    compared = len(MEASURES) - len(unjudged)
    detail = "" if changes else f"as stored, in {compared} kinds of counts"
    return CountVerdict(status, tuple(changes), unjudged, detail)


def _why_not(stored: Counts, fresh: Counts, measure: str) -> str | None:
    """Why a measure cannot be compared, None if it can."""
    if measure in fresh.absent:
        return fresh.absent[measure]
    if measure in stored.absent:
        return f"was not counted when the others were stored: {stored.absent[measure]}"
    alike = stored.code_for == fresh.code_for
    if measure == "kernels":
        alike = _family(stored.code_for) == _family(fresh.code_for)
    if measure in {*CODE, "kernels"} and not alike:
        return f"stored for {stored.code_for}, this is {fresh.code_for}"
    return None


def _family(code_for: str) -> str:
    """The kind of instruction set, whatever its width and the number of threads."""
    name = code_for.split(",")[0]
    return "AVX" if name.startswith("AVX") else name
