"""Whether a technique that is not exact still does the task: captions drawn with and without it, and read.

Where pictures are other pictures by design, likeness says little; what the caption asks for can be read off
those of the small model. Pairs of the same captions and first latents decide, by the margin that the
technique declares.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from perfsuite import pipelines
from perfsuite.decision.noninferiority import LEAST_RIGHT, Paired, paired
from perfsuite.pipelines import models, prepare, release, variants
from perfsuite.pipelines.models.shapes import check
from perfsuite.records import Look, PictureStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.pipelines.technique import Context, Variant
    from perfsuite.records import Workload

NAME = "task"
SEED = 1
"""By which captions are drawn from those that no training saw."""


def unreadable(workload: Workload, weights: str) -> str | None:
    """Why nothing reads off its pictures what was asked for, None where something does."""
    if workload.model not in ("shapes", "shapes-ssd"):
        return f"nothing here reads what a picture of {workload.model} shows; look at CLIP score or LPIPS"
    if workload.batch > 1:
        return f"{workload.name} draws {workload.batch} pictures a call, of which one is read"
    return models.blind(workload, weights)


def right(
    pipe: Any, context: Context, captions: int, progress: Callable[[str], None] = lambda line: None
) -> list[bool]:
    """Of so many held-out captions: whether colour, background and place are those of the caption."""
    scenes = check.held_out(captions, SEED)
    asked = replace(context, workload=replace(context.workload, prompts=tuple(s.caption for s in scenes)))
    found = []
    for number, scene in enumerate(scenes):
        if number % 10 == 0:
            progress(f"captions, {number} of {captions}")
        picture = np.nan_to_num(asked.generate(pipe, number))
        found.append(check.read(np.rint(picture * 255.0).clip(0, 255).astype(np.uint8)).agrees(scene))
    return found


def right_without(
    context: Context, weights: str, captions: int, progress: Callable[[str], None] = lambda line: None
) -> list[bool]:
    """The same of the eager variant of the same precision with nothing that is not exact."""
    prepared = prepare(context.workload, variants.without_loss(context.variant), context.device, weights)
    try:
        return right(prepared.pipe, prepared.context, captions, progress)
    finally:
        # Beside the pipeline that is judged, whose compiled code stays.
        release(prepared.pipe, forget=False)
        del prepared
        pipelines.free()


def margin_of(variant: Variant) -> float:
    """The share of captions that a variant may lose: the largest that any of its techniques declares."""
    return max(o.task_margin for o in variant.lossy)


def judge(variant: Variant, without: list[bool], with_it: list[bool]) -> Look:
    """OK where at most the margin is lost, DEGRADED where more is, INCONCLUSIVE between them."""
    found, margin = paired(without, with_it), margin_of(variant)
    if found.right_without < LEAST_RIGHT * found.count:
        said = f"without {_names(variant)} {found.right_without} of {found.count} captions are right"
        return Look(NAME, PictureStatus.NOT_JUDGED, detail=f"{said}: too few to see a loss")
    low, high = found.interval
    status, more = PictureStatus.INCONCLUSIVE, f"; {_needed(found, margin)}"
    if high <= margin:
        status, more = PictureStatus.OK, ""
    elif low > margin:
        status, more = PictureStatus.DEGRADED, ""
    detail = (
        f"{found.right_with} of {found.count} captions right, {found.right_without} without "
        f"{_names(variant)}: lost {found.lost}, gained {found.gained}, a loss of "
        f"{low:+.1%} to {high:+.1%}, allowed {margin:.0%}; McNemar p {found.mcnemar:.2g}"
    )
    return Look(NAME, status, found.count, beyond=found.lost, detail=detail + more)


def _names(variant: Variant) -> str:
    return " and ".join(o.name for o in variant.lossy)


def _needed(found: Paired, margin: float) -> str:
    needed = found.most_needed(margin)
    if needed is None:
        return "the loss is at the margin, which no number of captions tells apart"
    return f"about {max(needed, found.count + 1)} captions would settle it: --perf-captions"
