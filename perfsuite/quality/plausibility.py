"""Whether honest code can be believed: what a second opinion makes plausible, without any stored number.

Budgets are multiples of honest errors, and thresholds of the distance of honest pictures. Where a kernel is
wrong for everybody those grow with it; here they end.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from perfsuite.pipelines import models
from perfsuite.pipelines.optimizations.layout import lays_out
from perfsuite.quality import levels
from perfsuite.quality.budgets import FLOORS, together
from perfsuite.quality.golden import GoldenError
from perfsuite.quality.reference_files import IN_CHANNELS_LAST
from perfsuite.quality.thresholds import LEAST_SSIM, MARGIN
from perfsuite.records import Deviation, Look, PictureStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from perfsuite.pipelines.technique import Variant
    from perfsuite.quality.reference import Reference
    from perfsuite.quality.reference_files import Yardstick
    from perfsuite.quality.relative_errors import Errors, Place

FACTORS = {"components": 3.0, "modules": 5.5, "free": 6.0}
"""Allowed multiples of the witness's errors; what honest code needs: `perfsuite guide pictures`."""
IMPLAUSIBLE = "implausible"
"""Name of the look at honest code where it cannot be believed, and so nothing of it may be stored."""
KIND_FACTOR = 1.75
"""For all modules of one class together."""
SSIM_FACTOR = 8.0
"""Allowed multiple of the distance from 1 of the witness's pictures."""
LEAST_DISTANCE = 2e-3
"""Of honest pictures from float32's: so far rounding may take them wherever the witness's are."""


def _allowed(look: str, witness: Errors, precision: str) -> Mapping[Place, float]:
    """The largest plausible error by place; where the witness has none, by its largest at such places."""
    floor, factor = FLOORS[precision], FACTORS[look]
    found = {place: factor * max(error, floor) for place, error in witness.items()}
    for place, most in list(found.items()):
        for wider in _wider(place):
            found[wider] = max(most, found.get(wider, 0.0))
    return found


def _wider(place: Place) -> tuple[Place, Place]:
    """Stand for the same place of any prompt, and of any prompt and step."""
    return replace(place, prompt=-1), replace(place, prompt=-1, step=None)


def _most(allowed: Mapping[Place, float], place: Place) -> float | None:
    return next((allowed[p] for p in (place, *_wider(place)) if p in allowed), None)


def believed(yardstick: Yardstick, precision: str) -> Yardstick:
    """The yardstick as far as it is plausible: errors beyond that count as the largest that are."""
    errors = dict(yardstick.errors)
    if precision != "fp32":  # its witness speaks of the reference, which has no errors of its own
        for look, witness in yardstick.witness.items():
            allowed = _allowed(look, witness, precision)
            for name in {look, look + IN_CHANNELS_LAST} & errors.keys():
                errors[name] = {p: _within(e, _most(allowed, p)) for p, e in errors[name].items()}
    least = -1.0 if yardstick.witness_ssim is None else _least_ssim(yardstick.witness_ssim)
    return replace(yardstick, errors=errors, ssim=tuple(max(value, least) for value in yardstick.ssim))


def yardstick_for(reference: Reference, variant: Variant) -> dict[str, Errors]:
    """What a variant's budgets are multiples of, by look: as plausible, and in the layout that it runs in."""
    errors = believed(reference.yardstick(variant.precision), variant.precision).errors
    if lays_out(variant):
        for look in ("components", "modules"):
            other = errors.get(look + IN_CHANNELS_LAST, {})
            errors[look] = {p: max(e, other.get(p, 0.0)) for p, e in errors.get(look, {}).items()}
    return errors


def _within(error: float, most: float | None) -> float:
    # NaN is less than nothing.
    return error if most is None or error <= most else most


def _least_ssim(witness: float) -> float:
    return 1.0 - max(SSIM_FACTOR * (1.0 - witness), LEAST_DISTANCE)


def implausible(reference: Reference, precision: str) -> list[Deviation]:
    """Where honest code of a precision is further from float32 than a second opinion makes plausible.

    Of float32 itself: where it is further from float64 than sums in another order take it.
    """
    yardstick, floor = reference.yardstick(precision), FLOORS[precision]
    witness = yardstick.witness.get("modules", {})
    if precision == "fp32":
        found = [
            _deviation(f"float32 {place}", error, 0.0, FACTORS["modules"] * floor)
            for place, error in witness.items()
        ]
        return [d for d in found if d.ratio > 1.0]
    found = [*_pictures(reference, yardstick, precision)]
    for look, of_look in yardstick.witness.items():
        allowed = _allowed(look, of_look, precision)
        for place, error in yardstick.errors.get(look, {}).items():
            most = _most(allowed, place)
            if most is not None and most < float("inf"):
                found.append(_deviation(f"{precision} {place}", error, most / FACTORS[look], most))
    kinds = {record.place: record.kind for record in reference.modules}
    errors = {p: e for p, e in yardstick.errors.get("modules", {}).items() if p in witness}
    found += [
        replace(d, place=f"{precision} {d.place}")
        for d in together(errors, witness, kinds, floor, KIND_FACTOR)
    ]
    return [d for d in found if d.ratio > 1.0]


def _deviation(place: str, error: float, same: float, most: float) -> Deviation:
    return Deviation(place, error if error < float("inf") else None, same, most)


def _pictures(reference: Reference, yardstick: Yardstick, precision: str) -> list[Deviation]:
    """The distance from 1 of the least honest picture's SSIM; without a witness the sane range bounds it."""
    if models.blind(reference.workload, reference.weights) is not None:
        return []
    witness = yardstick.witness_ssim
    least = 1.0 - (1.0 - LEAST_SSIM) / MARGIN if witness is None else max(_least_ssim(witness), LEAST_SSIM)
    same = 0.0 if witness is None else 1.0 - witness
    return [Deviation(f"{precision} pictures, 1 - SSIM", 1.0 - min(yardstick.ssim), same, 1.0 - least)]


def judge_honest(folder: Path, reference: Reference) -> Look:
    """Honest code of this run's precisions: whether it is plausible, and as it was when it was recorded."""
    beyond = _of_all(reference)
    if not beyond:
        return levels.compare_levels(folder, reference)
    worst = max(beyond, key=lambda deviation: deviation.ratio)
    detail = f"{said(beyond)}; nothing that is measured against it can be believed"
    return Look(IMPLAUSIBLE, PictureStatus.DEGRADED, len(beyond), beyond[0], worst, len(beyond), detail)


def check_plausible(reference: Reference) -> None:
    """Raise `GoldenError` for honest code that must not become what others are held to."""
    beyond = _of_all(reference)
    if beyond:
        raise GoldenError(f"{said(beyond)}; nothing is stored")


def _of_all(reference: Reference) -> list[Deviation]:
    return [d for precision in reference.yardsticks for d in implausible(reference, precision)]


def said(beyond: Sequence[Deviation]) -> str:
    """What is implausible, as one sentence."""
    worst = max(beyond, key=lambda deviation: deviation.ratio)
    now = "NaN" if worst.error is None else f"{worst.error:.2g}"
    return (
        f"the reference of this precision is itself implausible: {worst.place}: error {now}, "
        f"{worst.same_precision:.2g} by other kernels, plausible up to {worst.budget:.2g}; "
        f"{len(beyond)} places; a kernel is wrong for everybody"
    )
