"""The verdict of what the taps showed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from perfsuite.quality.budgets import FLOORS, look_of, together
from perfsuite.quality.compiled.graph import COMPUTING
from perfsuite.quality.compiled.kernels import kernel_calls
from perfsuite.records import Deviation, Look, PictureStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.pipelines.technique import Variant
    from perfsuite.quality.compiled.backend import Seen
    from perfsuite.quality.compiled.looking import CompiledErrors

NAME = "compiled"
FACTOR = 1.25
"""Allowed multiple of eager code's error at a tap; honest code: `perfsuite guide measured-compiler`."""
QUANTIZED_FACTOR = 1.75
"""Where activations are quantized anew: values that differ in their last bits fall on other steps."""
FUSED_FLOOR = 2.0
"""Of the floors, where a compiler fuses: what a tap gave is rounded, what the next kernel used is not."""
QUANTIZED_FLOOR = 3.0
"""The same where layers are quantized: their sums are scaled by the same kernel that uses them."""


def floor_of(seen: Seen, variant: Variant) -> float:
    """The error at a tap that is rounding, whatever eager code shows."""
    half = seen.tap.dtype in ("bfloat16", "float16")
    precision = variant.precision
    floor = FLOORS[precision] if half or precision in ("fp32", "tf32") else FLOORS["fp32"]
    if seen.tap.operation in COMPUTING:
        return floor
    return floor * (QUANTIZED_FLOOR if any(o.layer_error for o in variant.optimizations) else FUSED_FLOOR)


def deviations(
    found: CompiledErrors, variant: Variant, changed: frozenset[tuple[str, str]] = frozenset()
) -> list[Deviation]:
    """Every tap's error beside its budget, in the order of a generation, then whole kinds of operations."""
    judged, errors, yardstick = [], {}, {}
    for place, seen in found.seen.items():
        if not seen.same < float("inf"):
            continue  # eager code gives NaN here, too
        quantized = (place.component, place.part.partition(":")[0]) in changed
        same = max(seen.same, floor_of(seen, variant))
        allowed = (QUANTIZED_FACTOR if quantized else FACTOR) * same
        error = seen.error if seen.error < float("inf") else None
        judged.append(Deviation(str(place), error, seen.same, allowed))
        if not quantized:
            errors[place], yardstick[place] = seen.error, same
    kinds = {place: found.seen[place].tap.kind for place in errors}
    return [*judged, *together(errors, yardstick, kinds, 0.0)]


def judge(found: CompiledErrors, variant: Variant, changed: frozenset[tuple[str, str]] = frozenset()) -> Look:
    """The look at compiled code; `changed` as of `perfsuite.quality.budgets.judge`."""
    look = look_of(NAME, deviations(found, variant, changed))
    if look.status is PictureStatus.NOT_JUDGED:
        return replace(look, detail="; ".join(found.without) or "no compiled code gave a value to look at")
    return replace(look, detail="; ".join([look.detail, *_kernels(look, found), *_said(found)]))


def _kernels(look: Look, found: CompiledErrors) -> list[str]:
    """Which generated functions computed the first and the worst value beyond its budget."""
    by_place = {str(place): seen for place, seen in found.seen.items()}
    chosen = dict.fromkeys(d.place for d in (look.first, look.worst) if d is not None and look.beyond)
    computed = [by_place[place] for place in chosen if place in by_place]
    names = dict.fromkeys((seen.kernel, seen.file) for seen in computed if seen.kernel)
    return [f"computed by {kernel} in {file}" if file else f"computed by {kernel}" for kernel, file in names]


def _said(found: CompiledErrors) -> list[str]:
    """How much was looked at, what was not, and what the taps changed of the code."""
    graphs = found.graphs
    said = [f"{sum(len(g.taps) for g in graphs)} taps in {len(graphs)} graphs"]
    missing = sum(g.wanted - len(g.taps) for g in graphs)
    if missing:
        said.append(f"{missing} more left out, for want of memory or because the compiler refused them")
    said += dict.fromkeys(reason for g in graphs for reason in g.refused)
    said += dict.fromkeys(found.without)
    calls = _calls([source for g in graphs for source in g.sources])
    if calls and found.untapped:
        said.append(f"{calls} calls of kernels with taps, {_calls(found.untapped)} without")
    return said


def _calls(sources: Sequence[str]) -> int:
    total: Counter[str] = Counter()
    for source in dict.fromkeys(sources):
        total += kernel_calls(source)
    return total.total()
