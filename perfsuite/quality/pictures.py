"""Every variant's pictures against float32 pictures of the same run, from the same latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfsuite import variants, workloads
from perfsuite.device import fingerprint
from perfsuite.pipelines import Context, prepare, release
from perfsuite.quality.metrics import broken, psnr, ssim
from perfsuite.records import PictureScore, PictureStatus, Quality

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from perfsuite.records import Device, Variant, Workload

_SEVERITY = (PictureStatus.OK, PictureStatus.NEW, PictureStatus.DEGRADED, PictureStatus.BROKEN)


@dataclass(frozen=True)
class Reference:
    """The float32 run of a workload: one picture a prompt, float32 (height, width, 3) in [0, 1]."""

    workload: Workload
    pictures: tuple[np.ndarray, ...]


def record_reference(
    workload: str | Workload, device: str | Device = "auto", weights: str = "auto"
) -> Reference:
    """Draw the workload's pictures in strict float32 on this device, in this process.

    Builds a pipeline, and releases it again.
    """
    prepared = prepare(workload, variants.REFERENCE, device, weights)
    try:
        return Reference(prepared.context.workload, tuple(prepared.pictures()))
    finally:
        release(prepared.pipe)


def worst(scores: Sequence[PictureScore]) -> PictureStatus:
    """The gravest status of several pictures."""
    return max((s.status for s in scores), key=_SEVERITY.index)


def score(prompt: str, picture: np.ndarray, reference: np.ndarray, threshold: float | None) -> PictureScore:
    """Judge one picture: BROKEN first, then SSIM against its threshold (None: NEW)."""
    reason = broken(picture)
    if reason is not None:
        return PictureScore(prompt, PictureStatus.BROKEN, None, None, threshold, reason)
    similarity, ratio = ssim(picture, reference), psnr(picture, reference)
    if threshold is None:
        return PictureScore(prompt, PictureStatus.NEW, similarity, ratio, None, "no threshold is stored")
    if similarity < threshold:
        detail = f"SSIM {similarity:.5f} is below {threshold:.5f}"
        if threshold < 1.0:
            times = (1 - similarity) / (1 - threshold)
            detail += f": {times:.1f} times the allowed distance from float32"
        return PictureScore(prompt, PictureStatus.DEGRADED, similarity, ratio, threshold, detail)
    return PictureScore(prompt, PictureStatus.OK, similarity, ratio, threshold)


def judge(
    workload: Workload,
    pictures: Sequence[np.ndarray],
    reference: Sequence[np.ndarray],
    thresholds: Mapping[str, float],
) -> Quality:
    """Judge one picture a prompt; `thresholds` maps prompts to the least SSIM allowed."""
    scores = tuple(
        score(prompt, picture, golden, thresholds.get(prompt))
        for prompt, picture, golden in zip(workload.prompts, pictures, reference, strict=True)
    )
    return Quality(worst(scores), scores)


def assess(
    pipe: Any,
    reference: Reference,
    variant: str | Variant,
    thresholds: Mapping[str, float] | None = None,
    device: str | Device = "auto",
) -> Quality:
    """Draw the reference's prompts with any pipeline, also one changed by hand, and judge them.

    `variant` names the precision that the latents are cast to. Without `thresholds` every picture
    that is not BROKEN is NEW.
    """
    device = fingerprint(device) if isinstance(device, str) else device
    context = Context(workloads.get(reference.workload), variants.get(variant), device)
    pictures = [context.generate(pipe, i) for i in range(len(reference.pictures))]
    return judge(reference.workload, pictures, reference.pictures, thresholds or {})
