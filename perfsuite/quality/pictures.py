"""Every variant's pictures against float32 pictures of the same run, from the same latents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.quality.metrics import broken, flip, psnr, ssim
from perfsuite.records import PictureScore, PictureStatus, Quality

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from perfsuite.records import Workload

_SEVERITY = (PictureStatus.OK, PictureStatus.NEW, PictureStatus.DEGRADED, PictureStatus.BROKEN)


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
) -> PictureScore:
    """Judge one picture: BROKEN first, then SSIM against its threshold (None: NEW).

    `with_flip` also takes the mean FLIP error, for people to read: it has no threshold.
    """
    reason = broken(picture)
    if reason is not None:
        return PictureScore(prompt, PictureStatus.BROKEN, None, None, threshold, reason)
    similarity, ratio = ssim(picture, reference), psnr(picture, reference)
    visible = flip(picture, reference) if with_flip else None
    if threshold is None:
        return PictureScore(
            prompt, PictureStatus.NEW, similarity, ratio, None, "no threshold is stored", visible
        )
    if similarity < threshold:
        detail = f"SSIM {similarity:.5f} is below {threshold:.5f}"
        if threshold < 1.0:
            times = (1 - similarity) / (1 - threshold)
            detail += f": {times:.1f} times the allowed distance from float32"
        return PictureScore(prompt, PictureStatus.DEGRADED, similarity, ratio, threshold, detail, visible)
    return PictureScore(prompt, PictureStatus.OK, similarity, ratio, threshold, "", visible)


def judge(
    workload: Workload,
    pictures: Sequence[np.ndarray],
    reference: Sequence[np.ndarray],
    thresholds: Mapping[str, float],
    *,
    with_flip: bool = False,
) -> Quality:
    """Judge one picture a prompt; `thresholds` maps prompts to the least SSIM allowed."""
    scores = tuple(
        score(prompt, picture, golden, thresholds.get(prompt), with_flip=with_flip)
        for prompt, picture, golden in zip(workload.prompts, pictures, reference, strict=True)
    )
    return Quality(worst(scores), scores)
