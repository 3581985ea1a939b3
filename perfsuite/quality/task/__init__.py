"""Whether a technique that is not exact still does the task: captions drawn with and without it, and read.

Where pictures are other pictures by design, likeness says little; what the caption asks for can be read off
them. Pairs of the same captions and first latents decide, by the margin that the technique declares.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from perfsuite import pipelines
from perfsuite.pipelines import models, prepare, release, variants
from perfsuite.quality.task.captions import everyday
from perfsuite.quality.task.reader import NAME, Reader
from perfsuite.quality.task.shapes import ShapesReader, of_shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfsuite.pipelines.technique import Context
    from perfsuite.records import Device, Workload

__all__ = ["NAME", "Reader", "marks", "marks_without", "reader_for", "unreadable"]

SMALL = ("shapes", "shapes-ssd")
"""Models that draw captioned shapes, and nothing else."""


def unreadable(workload: Workload, weights: str, judge: str | None = None) -> str | None:
    """Why nothing reads off its pictures what was asked for, None where something does.

    Args:
        judge: the CLIP model that scores pictures, None without one.
    """
    if workload.batch > 1:
        return f"{workload.name} draws {workload.batch} pictures a call, of which one is read"
    if judge is None and workload.model not in SMALL:
        return (
            f"nothing here reads what a picture of {workload.model} shows; give a CLIP model that scores it: "
            "--perf-judge=openai/clip-vit-base-patch16, or a folder"
        )
    return models.blind(workload, weights)


def reader_for(judge: str | None, device: Device, workload: Workload) -> Reader[Any]:
    """What reads the workload's pictures: the CLIP model that was named, else the small model's reader.

    Raises:
        JudgeError: there is no CLIP model.
    """
    if judge is None:
        return ShapesReader()
    from perfsuite.quality.task.clip import ClipReader

    return ClipReader.load(judge, device, of_shapes if workload.model in SMALL else everyday)


def marks(
    pipe: Any,
    context: Context,
    reader: Reader[Any],
    count: int,
    progress: Callable[[str], None] = lambda line: None,
) -> Sequence[Any]:
    """Draw so many held-out captions, and what the reader says of each picture."""
    captions = reader.captions(count)
    asked = replace(context, workload=replace(context.workload, prompts=captions))
    found = []
    for number in range(count):
        if number % 10 == 0:
            progress(f"captions, {number} of {count}")
        picture = np.nan_to_num(asked.generate(pipe, number))
        found.append(reader.read(np.rint(picture * 255.0).clip(0, 255).astype(np.uint8), number))
    return found


def marks_without(
    context: Context,
    weights: str,
    reader: Reader[Any],
    count: int,
    progress: Callable[[str], None] = lambda line: None,
) -> Sequence[Any]:
    """The same of the eager variant of the same precision with nothing that is not exact."""
    prepared = prepare(context.workload, variants.without_loss(context.variant), context.device, weights)
    try:
        return marks(prepared.pipe, prepared.context, reader, count, progress)
    finally:
        # Beside the pipeline that is judged, whose compiled code stays.
        release(prepared.pipe, forget=False)
        del prepared
        pipelines.free()
