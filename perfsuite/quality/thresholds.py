"""The least SSIM of each prompt: the measured noise floor of the variant, less a margin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.pipelines import variants
from perfsuite.pipelines.loaded import loaded_by, other_files
from perfsuite.pipelines.promises import Promise

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Workload
    from perfsuite.store import Thresholds

MARGIN = 3.0
"""Allowed distance from 1, in multiples of the largest distance that honest runs showed."""
LEAST_DISTANCE = 2e-4
"""A floor of exactly 1 still leaves room for another machine's rounding."""

LEAST_SSIM = 0.5
"""Below it two pictures are of different things: no threshold goes there, wherever honest runs went."""


def threshold_of(floor: float, margin: float = MARGIN) -> float:
    """The threshold that belongs to a noise floor, both SSIM; never below `LEAST_SSIM`."""
    return max(1.0 - max(margin * (1.0 - floor), LEAST_DISTANCE), LEAST_SSIM)


def declared(variant: Variant, workload: Workload) -> dict[str, float]:
    """The least SSIM of each prompt that an approximate variant's techniques declare."""
    approximate = [o for o in variant.lossy if o.promise is Promise.APPROXIMATE]
    return dict.fromkeys(workload.prompts, min(o.least_ssim(o.value) for o in approximate))


def strange(stored: Thresholds, variant: Variant, model: str) -> str:
    """Why what is stored of a variant is not for it: it was measured with other files than its techniques
    load for the model now. Empty where it is, and where nothing is stored of the variant."""
    if variant.name not in stored.variants:
        return ""
    why = other_files(stored.loaded.get(variant.name, ""), loaded_by(variant, model))
    return f"the stored threshold of {variant.name} is of something else: {why}" if why else ""


def for_variant(stored: Thresholds, variant: Variant, model: str) -> dict[str, float]:
    """Prompt to least SSIM; nothing where what is stored is of other files, see `strange`.

    A combination that was not measured itself takes, prompt by prompt, the least threshold of the
    measured variants of its precision; those with an optimization that may cost more, such as int8, count
    only if it has the same.
    """
    if variant == variants.REFERENCE:
        # The same code twice in one process: anything but the same picture is a fault.
        prompts = {prompt for measured in stored.variants.values() for prompt in measured}
        return dict.fromkeys(sorted(prompts), threshold_of(1.0))
    if strange(stored, variant, model):
        return {}
    if variant.name in stored.variants:
        of_variant = stored.variants[variant.name]
        return {prompt: max(entry.threshold, LEAST_SSIM) for prompt, entry in of_variant.items()}
    precision = variant.optimizations[0].name
    relatives = [
        of_variant
        for name, of_variant in stored.variants.items()
        if (measured := _known(name)) is not None
        and measured.optimizations[0].name == precision
        and measured.kept == variant.kept
        and not strange(stored, measured, model)
        and all(o.name in variant for o in measured.optimizations if o.error_factor > 1.0)
    ]
    least: dict[str, float] = {}
    for relative in relatives:
        for prompt, entry in relative.items():
            least[prompt] = min(max(entry.threshold, LEAST_SSIM), least.get(prompt, 1.0))
    return least


def _known(name: str) -> Variant | None:
    """A variant that thresholds are stored of; None where nobody knows it, as one that was registered where
    they were measured and is not here."""
    try:
        return variants.get(name)
    except ValueError:
        return None
