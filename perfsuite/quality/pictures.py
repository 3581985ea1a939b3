"""Every variant's pictures against float32 pictures of the same run, from the same latents."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from perfsuite.quality.metrics import broken, flip, psnr, ssim
from perfsuite.records import PictureScore, PictureStatus, Quality

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfsuite.records import Workload

_SEVERITY = (PictureStatus.NOT_JUDGED, PictureStatus.OK, PictureStatus.INCONCLUSIVE, PictureStatus.NEW,
             PictureStatus.INCOMPATIBLE, PictureStatus.DEGRADED, PictureStatus.BROKEN)  # fmt: skip


def worst(scores: Sequence[PictureScore]) -> PictureStatus:
    """The gravest status of several pictures."""
    return max((s.status for s in scores), key=_SEVERITY.index)


def score(
    prompt: str,
    picture: np.ndarray,
    reference: np.ndarray,
    threshold: float | None,
    *,
    with_flip: bool = False,
    batch: int = 1,
    blind: str | None = None,
) -> PictureScore:
    """Judge one picture: BROKEN first, then SSIM against its threshold (None: NEW).

    `with_flip` also takes the mean FLIP error, for people to read: it has no threshold. `batch`
    pictures stand side by side in it. `blind`: why SSIM says nothing, which makes it NOT_JUDGED.
    """
    parts = np.split(picture, batch, axis=1) if batch > 1 else [picture]
    reasons = [reason for part in parts if (reason := broken(part)) is not None]
    if reasons:
        reason = reasons[0] if batch == 1 else f"{len(reasons)} of {batch} pictures, {reasons[0]}"
        return PictureScore(prompt, PictureStatus.BROKEN, None, None, threshold, reason)
    nothing = broken(reference)
    # Random weights may draw grey, but nobody's pictures hold NaN.
    if nothing is not None and (blind is None or not np.isfinite(reference).all()):
        detail = f"what it is compared with is no picture: {nothing}"
        return PictureScore(prompt, PictureStatus.BROKEN, None, None, threshold, detail)
    similarity, ratio = ssim(picture, reference), psnr(picture, reference)
    visible = flip(picture, reference) if with_flip else None
    if blind is not None:
        return PictureScore(prompt, PictureStatus.NOT_JUDGED, similarity, ratio, None, blind, visible)
    if threshold is None:
        return PictureScore(
            prompt, PictureStatus.NEW, similarity, ratio, None, "no threshold is stored", visible
        )
    if not similarity >= threshold:  # nor NaN
        detail = f"SSIM {similarity:.5f} is below {threshold:.5f}"
        if threshold < 1.0:
            times = (1 - similarity) / (1 - threshold)
            detail += f": {times:.1f} times the allowed distance from float32"
        return PictureScore(prompt, PictureStatus.DEGRADED, similarity, ratio, threshold, detail, visible)
    return PictureScore(prompt, PictureStatus.OK, similarity, ratio, threshold, "", visible)


def unlike(scores: Sequence[PictureScore], why: str) -> tuple[PictureScore, ...]:
    """The same pictures where their stored thresholds are of something else, and why: none of them was
    compared with what it should be, but a broken one is broken."""
    return tuple(
        s
        if s.status is PictureStatus.BROKEN
        else replace(s, status=PictureStatus.INCOMPATIBLE, threshold=None, detail=why)
        for s in scores
    )


def judge(
    workload: Workload,
    pictures: Sequence[np.ndarray],
    reference: Sequence[np.ndarray],
    thresholds: Mapping[str, float],
    *,
    with_flip: bool = False,
    blind: str | None = None,
) -> Quality:
    """Judge one picture a prompt; `thresholds`: least SSIM by prompt; `blind` as in `score`."""
    scores = tuple(
        score(
            prompt,
            picture,
            golden,
            thresholds.get(prompt),
            with_flip=with_flip,
            batch=workload.batch,
            blind=blind,
        )
        for prompt, picture, golden in zip(workload.prompts, pictures, reference, strict=True)
    )
    return Quality(worst(scores), scores)
