"""How far a variant's numbers may be from float32: multiples of what honest code of its precision shows.

Relative to the eager pipeline of the same precision, measured in the same run, so no stored number is
needed and the budgets hold on any device.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from perfsuite.pipelines.families import FAMILIES
from perfsuite.quality.components import COMPILED, GUIDED
from perfsuite.quality.large import AT
from perfsuite.quality.loop import EXACT
from perfsuite.quality.relative_errors import Errors, Place
from perfsuite.quality.several import BATCH, SEVERAL
from perfsuite.records import Deviation, Look, PictureStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfsuite.pipelines.technique import Variant

FLOORS = {"fp32": 5e-5, "tf32": 1.5e-4, "bf16": 1e-3, "fp16": 1.5e-4}
"""Errors up to this are rounding, whatever the yardstick shows (a copy has none).

About a quarter of the rounding unit of bfloat16 (2^-8), float16 and TF32 (2^-11); float32 has room for
sums in another order, and TF32 (5e-4) is far beyond it.
"""
CHANGED = frozenset(name for family in FAMILIES.values() for name in family.models)
"""Components that techniques change."""
FACTORS = {"components": 1.25, "modules": 1.5, "loop": 1.25, "free": 3.0}
"""Allowed multiples of the same-precision error; what honest ones need: `perfsuite guide pictures`."""
KIND_FACTOR = 1.1
"""For the root mean square over all modules of one class, where a single one's luck averages out."""
KIND_LEAST = 8
"""Calls of a class from which they are judged together."""
LARGE_FACTORS = {"fp32": 1.5, "half": 3.0}
"""Of the floors, for single modules at a large size: one rounding of the output, sums in any good order."""
COMPILED_FACTOR = 2.0
"""For compiled against eager code: two roundings, each as large as the yardstick's, in any direction.

Where activations are quantized both forms round them anew, from values that differ in their last bits; what
that adds to the yardstick is added here, as errors of independent causes add up.
"""


def budget(
    look: str, place: Place, yardstick: Mapping[Place, float], variant: Variant, *, changed: bool = False
) -> tuple[float, float]:
    """The same-precision error at a place, and the budget there, both relative L2.

    `changed`: the module holds layers whose weights an optimization stores in another form, or beside it.
    """
    precision = variant.optimizations[0].name
    if place.component == "loop" and place.part.removeprefix(SEVERAL) in EXACT:
        return 0.0, 1e-9
    if place.part.endswith(AT):
        return 0.0, LARGE_FACTORS.get(precision, LARGE_FACTORS["half"]) * FLOORS[precision]
    own_place = place
    if place.part in (COMPILED, BATCH):
        own_place = Place(place.component, "", place.prompt, place.step)
    elif place.part.startswith(SEVERAL):  # as in a call of one prompt, whatever honest code does in this one
        own_place = replace(place, part=place.part.removeprefix(SEVERAL))
    same = yardstick.get(own_place, 0.0)
    floor = FLOORS[precision]
    coarser = math.prod(optimization.error_factor for optimization in variant.optimizations)
    if place.part == COMPILED:
        return same, math.sqrt(COMPILED_FACTOR**2 + coarser**2 - 1) * max(same, floor)
    factor = FACTORS[look]
    if (look == "components" and place.component in CHANGED) or look == "free":
        # Guidance multiplies the difference of two outputs, in which their errors do not cancel.
        factor *= coarser ** (2 if place.part == GUIDED else 1)
    allowed = factor * max(same, floor)
    if changed and look == "modules":
        allowed *= math.prod(o.layer_factor for o in variant.optimizations)
        added = sum(o.layer_error for o in variant.optimizations)
        allowed = (allowed**2 + added**2) ** 0.5
    return same, allowed


def deviations(
    found: Mapping[str, Errors],
    yardsticks: Mapping[str, Errors],
    variant: Variant,
    changed: frozenset[tuple[str, str]] = frozenset(),
    kinds: Mapping[Place, str] | None = None,
) -> tuple[list[Deviation], int]:
    """Every error beside its budget, and the number of places where the honest pipeline itself gives NaN.

    Arguments as of `judge`.
    """
    judged: list[Deviation] = []
    without = 0
    for look, errors in found.items():
        yardstick = yardsticks.get(look, {})
        for place, error in errors.items():
            other_form = (place.component, place.part) in changed
            same, allowed = budget(look, place, yardstick, variant, changed=other_form)
            if not same < float("inf"):
                without += 1
                continue
            infinite = not error < float("inf")  # NaN compares as neither larger nor smaller
            judged.append(Deviation(str(place), None if infinite else error, same, allowed))
        if kinds:
            plain = {p: e for p, e in errors.items() if (p.component, p.part) not in changed}
            judged += together(plain, yardstick, kinds, FLOORS[variant.optimizations[0].name])
    return judged, without


def judge(
    name: str,
    found: Mapping[str, Errors],
    yardsticks: Mapping[str, Errors],
    variant: Variant,
    changed: frozenset[tuple[str, str]] = frozenset(),
    kinds: Mapping[Place, str] | None = None,
) -> Look:
    """One look over the errors of `found` (by the names of `FACTORS`), against the yardstick's.

    An infinite error (NaN, another shape) is BROKEN, any other beyond its budget DEGRADED. Places where the
    honest pipeline itself gives NaN have no budget; where there are no others, the look is NOT_JUDGED.
    `kinds` names the class of modules: all calls of one class are judged together, too.
    """
    judged, without = deviations(found, yardsticks, variant, changed, kinds)
    if not judged and without:
        reason = f"honest code of this precision gives NaN at all {without} places"
        return Look(name, PictureStatus.NOT_JUDGED, detail=reason)
    look = look_of(name, judged)
    if without:
        more = f"; {without} places left out, where honest code of this precision gives NaN"
        look = replace(look, detail=look.detail + more)
    return look


def look_of(name: str, judged: Sequence[Deviation]) -> Look:
    """A look of these errors beside their budgets, which are in the order of a generation."""
    if not judged:
        return Look(name, PictureStatus.NOT_JUDGED, detail="nothing was measured")
    beyond = [deviation for deviation in judged if deviation.ratio > 1.0]
    first = beyond[0] if beyond else None
    worst = max(judged, key=lambda deviation: deviation.ratio)
    status = PictureStatus.OK
    if beyond:
        broken = any(deviation.error is None for deviation in beyond)
        status = PictureStatus.BROKEN if broken else PictureStatus.DEGRADED
    sentence = _sentence(first, worst, len(beyond), len(judged))
    return Look(name, status, len(judged), first, worst, len(beyond), sentence)


def together(
    errors: Errors,
    yardstick: Mapping[Place, float],
    kinds: Mapping[Place, str],
    floor: float,
    factor: float = KIND_FACTOR,
) -> list[Deviation]:
    """Root mean square of all errors of one class of modules in a component.

    A kernel that rounds once more raises every error by a little, which no single budget shows.
    """
    groups: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for place, error in errors.items():
        same = yardstick.get(place, 0.0)
        if place in kinds and error < float("inf") and same < float("inf"):
            groups[place.component, kinds[place]].append((error, max(same, floor)))
    found = []
    for (component, kind), pairs in groups.items():
        if len(pairs) >= KIND_LEAST:
            error, same = (_root_mean_square(side) for side in zip(*pairs, strict=True))
            where = f"{component}, all {len(pairs)} calls of {kind}"
            found.append(Deviation(where, error, same, factor * same))
    return found


def _root_mean_square(values: Sequence[float]) -> float:
    return math.sqrt(sum(value * value for value in values) / len(values))


def _amount(deviation: Deviation) -> str:
    if deviation.error is None:
        return "NaN, Inf or another shape"
    if deviation.budget < 1e-8:
        return f"differs by {deviation.error:.3g}, must be equal"
    same = f", honest {deviation.same_precision:.2g}" if deviation.same_precision else ""
    return f"error {deviation.error:.2g}{same}, allowed {deviation.budget:.2g}: {deviation.ratio:.1f} times"


def _sentence(first: Deviation | None, worst: Deviation | None, beyond: int, count: int) -> str:
    assert worst is not None
    if first is None:
        return f"largest {worst.ratio:.2f} of its budget, at {worst.place}"
    text = f"first {first.place}: {_amount(first)}"
    if worst.place != first.place:
        text += f"; worst {worst.place}: {_amount(worst)}"
    return f"{text}; {beyond} of {count} beyond their budget"
