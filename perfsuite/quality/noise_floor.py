"""The noise floor: how far honest runs of each variant are from float32, prompt by prompt."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from perfsuite.device import fingerprint, versions
from perfsuite.pipelines import prepare, release, unsupported, variants, workloads
from perfsuite.pipelines.loaded import loaded_by
from perfsuite.pipelines.promises import Promise
from perfsuite.quality.metrics import broken, ssim
from perfsuite.quality.reference import base_of, record_reference
from perfsuite.quality.thresholds import LEAST_SSIM, MARGIN, threshold_of
from perfsuite.store import PromptThreshold, Thresholds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np

    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Device, Workload

SEED_STEP = 1000
"""Between the seeds that are tried: prompts take the seeds that follow a workload's own."""


class NoiseError(RuntimeError):
    """An honest run that drew a broken picture: there is no noise floor to measure."""


def measure_noise(
    workload: str | Workload,
    chosen: Sequence[str | Variant],
    device: str | Device = "auto",
    seeds: int = 3,
    *,
    weights: str = "auto",
    forced: bool = False,
    progress: Callable[[str], None] = lambda line: None,
) -> Thresholds:
    """Draw every prompt with several seeds in float32 and in each variant; eager CPU variants also
    with one thread. The floor of a prompt is the least SSIM seen. An approximate variant with another picture
    than float32's is left out, and said.

    `forced` also runs what the device does not support for speed alone (float16 on a CPU).
    """
    workload = workloads.get(workload)
    device = fingerprint(device) if isinstance(device, str) else device
    tried = [replace(workload, seed=workload.seed + SEED_STEP * i) for i in range(seeds)]
    drawn: dict[tuple[str, int], Sequence[np.ndarray]] = {}

    def references(base: Variant) -> Iterator[Sequence[np.ndarray]]:
        for one in tried:
            key = base.name, one.seed
            if key not in drawn:
                progress(f"{one.name} {base.name}, seed {one.seed}")
                drawn[key] = record_reference(one, device, weights, deep=False, base=base).pictures
            yield drawn[key]

    found: dict[str, dict[str, PromptThreshold]] = {}
    for variant in map(variants.get, chosen):
        reason = unsupported(variant, device, workload)
        if reason is not None and not forced:
            progress(f"{variant.name}: left out, {reason}")
            continue
        values: dict[str, list[float]] = defaultdict(list)
        approximate = variant.promise is Promise.APPROXIMATE
        compared = [*references(variants.REFERENCE if approximate else base_of(variant))]
        for held in _machines(device, variant):
            prepared = prepare(tried[0], variant, held, weights, forced=forced)
            try:
                for one, pictures in zip(tried, compared, strict=True):
                    progress(f"{variant.name}: {held.count} threads, seed {one.seed}")
                    context = replace(prepared.context, workload=one)
                    for i, (prompt, reference) in enumerate(zip(one.prompts, pictures, strict=True)):
                        picture = context.generate(prepared.pipe, i)
                        reason = broken(picture)
                        if reason is not None:
                            raise NoiseError(f"{variant.name}, {prompt!r}: {reason}")
                        values[prompt].append(ssim(picture, reference))
            finally:
                release(prepared.pipe)
        least = min(min(seen) for seen in values.values())
        if variant.promise is Promise.APPROXIMATE and least < LEAST_SSIM:
            progress(
                f"{variant.name}: left out, a picture has SSIM {least:.3f} to float32's, below {LEAST_SSIM}; "
                "what its techniques declare stays its threshold"
            )
            continue
        found[variant.name] = {prompt: _threshold(variant, prompt, seen) for prompt, seen in values.items()}
    return Thresholds(
        workload=workload.name,
        protocol=workload.protocol,
        margin=MARGIN,
        measured_on=f"{device.name}, {device.count} threads" if device.kind == "cpu" else device.name,
        versions=versions(),
        variants=found,
        loaded={name: read for name in found if (read := loaded_by(variants.get(name), workload.model))},
    )


def _threshold(variant: Variant, prompt: str, seen: Sequence[float]) -> PromptThreshold:
    """Raises `NoiseError` for a noise in which nothing could be told from noise.

    The distance of an approximate one is no noise but what it costs, up to another picture.
    """
    floor = min(seen)
    if variant.promise is not Promise.APPROXIMATE and 1.0 - MARGIN * (1.0 - floor) < LEAST_SSIM:
        raise NoiseError(
            f"{variant.name}, {prompt!r}: an honest picture has SSIM {floor:.3f}, so its threshold would be "
            f"below {LEAST_SSIM}; is a kernel wrong? Nothing is stored"
        )
    return PromptThreshold(floor, len(seen), threshold_of(floor))


def _machines(device: Device, variant: Variant) -> list[Device]:
    """The device, and for eager variants on a CPU the same with one thread: other sums, same model."""
    if device.kind != "cpu" or device.count == 1 or variant.compiled:
        return [device]
    return [device, replace(device, count=1)]
