"""Verdicts of the single looks, and what they need to know of pipeline and reference."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from perfsuite import pipelines
from perfsuite.pipelines.families import family_of
from perfsuite.quality import budgets
from perfsuite.quality.large import AT, SIDE
from perfsuite.quality.pictures import worst
from perfsuite.quality.plausibility import believed, implausible, said, yardstick_for
from perfsuite.quality.thresholds import threshold_of
from perfsuite.records import Look, PictureStatus, Quality

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfsuite.pipelines.technique import Variant
    from perfsuite.quality.reference import Reference
    from perfsuite.quality.relative_errors import Errors
    from perfsuite.records import PictureScore, Workload


def picture_look(scores: Sequence[Any]) -> Look:
    """The pictures' verdict in the form of the other looks."""
    status = worst(scores)
    bad = next((s for s in scores if s.status is status and status is not PictureStatus.OK), None)
    detail = f"{bad.prompt!r}: {bad.detail}" if bad is not None else ""
    beyond = sum(s.status in (PictureStatus.DEGRADED, PictureStatus.BROKEN) for s in scores)
    return Look("pictures", status, len(scores), beyond=beyond, detail=detail)


def with_pictures(quality: Quality, scores: Sequence[PictureScore]) -> Quality:
    """What all looks found, with the pictures' verdict of other drawings of the same pipeline."""
    looks = tuple(picture_look(scores) if k.name == "pictures" else k for k in quality.looks)
    return Quality(gravest([look.status for look in looks]), tuple(scores), looks)


def with_look(quality: Quality | None, look: Look) -> Quality:
    """What was found before, if anything was, with another look, in place of one of its name."""
    if quality is None:
        return Quality(look.status, (), (look,))
    looks = (*(k for k in quality.looks if k.name != look.name), look)
    return Quality(gravest([quality.status, look.status]), quality.scores, looks)


def relative_thresholds(reference: Reference, precision: str) -> dict[str, float]:
    """The least SSIM of each prompt where none is stored: `MARGIN` times the honest run's distance.

    The largest distance over the prompts holds for all: one honest run is a small sample.
    """
    floor = min(believed(reference.yardstick(precision), precision).ssim)
    return dict.fromkeys(reference.workload.prompts, threshold_of(floor))


def judge_errors(
    errors: Mapping[str, Errors],
    free: Errors,
    reference: Reference,
    variant: Variant,
    changed: frozenset[tuple[str, str]],
) -> list[Look]:
    """The three looks below the pictures; one that fails says whether honest code fails, too."""
    yardstick = yardstick_for(reference, variant)
    looks = [budgets.judge("components", {"components": errors["components"]}, yardstick, variant)]
    if "modules" in errors:
        kinds = {record.place: record.kind for record in reference.modules}
        found = budgets.judge("modules", {"modules": errors["modules"]}, yardstick, variant, changed, kinds)
        looks.append(replace(found, detail=found.detail + _unseen(errors["modules"], reference.workload)))
    else:
        looks.append(
            Look("modules", PictureStatus.NOT_JUDGED, detail="the reference holds no modules' inputs")
        )
    looks.append(budgets.judge("loop", {"loop": errors["loop"], "free": free}, yardstick, variant))
    beyond = implausible(reference, variant.precision)
    if not beyond:
        return looks
    return [replace(k, detail=f"{k.detail}; {said(beyond)}") if k.beyond else k for k in looks]


def _unseen(errors: Errors, workload: Workload) -> str:
    """What a workload's small size cannot show."""
    if max(workload.width, workload.height) >= SIDE or not any(p.part.endswith(AT) for p in errors):
        return ""
    return f"; beyond {workload.width}x{workload.height} only single norms and convolutions were tried{AT}"


def gravest(statuses: Sequence[PictureStatus]) -> PictureStatus:
    """BROKEN, DEGRADED, INCOMPATIBLE, NEW, INCONCLUSIVE, OK in this order.

    Looks that could not be taken do not count.
    """
    order = (PictureStatus.NOT_JUDGED, PictureStatus.OK, PictureStatus.INCONCLUSIVE, PictureStatus.NEW,
             PictureStatus.INCOMPATIBLE, PictureStatus.DEGRADED, PictureStatus.BROKEN)  # fmt: skip
    return max(statuses, key=order.index)


def changed_modules(pipe: Any) -> frozenset[tuple[str, str]]:
    """Component and name of every module that holds weights in another form than plain tensors, or an
    adapter's beside them."""
    import torch

    found = set()
    for component in family_of(pipe).models:
        model = getattr(pipe, component)
        model = getattr(model, "_orig_mod", model)
        for name, module in model.named_modules():
            held = list(module.named_parameters())
            if any("lora_" in weight or type(p.data) is not torch.Tensor for weight, p in held):
                found.add((component, name))
    return frozenset(found)


def workload_of(pipe: Any) -> Workload | None:
    """The workload that this pipeline was built for, None if perfsuite did not build it."""
    prepared = pipelines.prepared_of(pipe)
    return prepared.context.workload if prepared is not None else None
