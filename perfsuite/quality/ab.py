"""Pictures of two environments, drawn from the same prompts and latents, against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.pipelines import models
from perfsuite.quality.golden import GOLDEN_SSIM
from perfsuite.quality.pictures import score, unlike, worst
from perfsuite.quality.thresholds import for_variant, strange
from perfsuite.records import Quality
from perfsuite.store import load_thresholds, thresholds_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Workload


def compare_sides(
    files: Mapping[str, str],
    workload: Workload,
    variant: Variant,
    reference_folder: Path,
    weights: str = "auto",
    device_kind: str = "cpu",
) -> Quality | None:
    """Head's pictures against base's: no further apart than the variant may be from float32.

    Float32 variants without stored thresholds are held to the golden pictures' SSIM.

    Args:
        files: ``base`` and ``head``: safetensors of float32 (height, width, 3), named by prompt number.
        workload: what was drawn.
        variant: how.
        reference_folder: where the thresholds may be.
        weights: what they were drawn with.
        device_kind: ``cpu`` or ``cuda``.

    Returns:
        None where one side has drawn nothing.

    Raises:
        StoreError: the thresholds are bad.
        QualityError: pictures of unequal size.
    """
    from safetensors.numpy import load_file

    if files.keys() != {"base", "head"}:
        return None
    base, head = load_file(files["base"]), load_file(files["head"])
    path = thresholds_path(reference_folder, device_kind)
    stored = load_thresholds(path)
    allowed = for_variant(stored, variant, workload.model) if stored is not None else {}
    why = strange(stored, variant, workload.model) if stored is not None else ""
    if not allowed and "fp32" in variant:
        allowed = dict.fromkeys(workload.prompts, GOLDEN_SSIM)
    blind = models.blind(workload, weights)
    scores = tuple(
        score(prompt, head[key], base[key], allowed.get(prompt), batch=workload.batch, blind=blind)
        for key in sorted(base)
        for prompt in [workload.prompts[int(key)]]
    )
    if why:
        scores = unlike(scores, f"{path}: {why}")
    return Quality(worst(scores), scores)
