"""Every technique on one workload, built for real: it takes hold and its own proof says so, or it is refused.

Nothing else may happen: neither a proof that fails nor an error of somebody else's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines import building, models, optimizations, variants, workloads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfsuite.records import Workload

STEPS = 6
"""Enough that a cache spares some, and few."""
SPELLED = {
    "fp32": "fp32", "tf32": "tf32", "bf16": "bf16", "fp16": "fp16", "sdpa": "fp32+sdpa",
    "compile": "bf16+sdpa+compile", "compile-regional": "bf16+sdpa+compile-regional",
    "int8": "bf16+sdpa+int8", "fp8": "bf16+sdpa+fp8", "layerwise-fp8": "bf16+sdpa+layerwise-fp8",
    "deepcache": "fp32+sdpa+deepcache:2", "vae-tiling": "fp32+sdpa+vae-tiling:32",
    "first-block-cache": "fp32+sdpa+first-block-cache:2", "taylorseer": "fp32+sdpa+taylorseer:2",
}  # fmt: skip
"""Those that are not tried as ``fp32+sdpa+NAME``; with the values that fit pictures of 64 pixels."""
TOGETHER = ("bf16+sdpa+compile+qkv+int8", "bf16+sdpa+compile+deepcache:2")
"""Several that meet each other: the whole ladder, and the two functions of DeepCache compiled."""
BY_HOOKS = ("model-offload", "group-offload")
"""Of no use on a CPU, where their hooks and proofs work all the same."""
TAKES, REFUSED, DEVICE, FAILED = "takes", "refused", "not on this device", "FAILED"


@dataclass(frozen=True)
class Cell:
    """One technique on one workload."""

    spelled: str
    outcome: str
    said: str
    """The evidence, the reason, or the error."""


def spelled() -> Iterator[str]:
    """A variant for each technique, then several together."""
    for name, each in optimizations.OPTIMIZATIONS.items():
        if not each.hidden:
            yield SPELLED.get(name, f"fp32+sdpa+{name}")
    yield from TOGETHER


def asked_of(workload: Workload, variant: str) -> Workload:
    """The workload at a size at which the technique has something to do."""
    batch = 2 if "vae-slicing" in variant else workload.batch
    return replace(workload, steps=STEPS, batch=batch, prompts=workload.prompts[:1])


def try_on(workload: Workload, variant: str, device: Any) -> Cell:
    """Build it, with its proofs; what was built is released."""
    made = variants.get(variant)
    asked = asked_of(workload, variant)
    reason = building.unfit(asked, made)
    if reason is not None:
        return Cell(variant, REFUSED, reason)
    forced = any(name in made for name in BY_HOOKS)
    reason = None if forced else building.unsupported(made, device)
    if reason is not None:
        return Cell(variant, DEVICE, reason)
    try:
        prepared = building.prepare(asked, made, device, forced=forced)
    except Exception as error:
        return Cell(variant, FAILED, f"{type(error).__name__}: {error}")
    building.release(prepared.pipe)
    last = made.optimizations[-1].name
    said = next(line for line in prepared.evidence if line.startswith(f"{last}: "))
    return Cell(variant, TAKES, said)


def matrix(name: str) -> Iterator[Cell]:
    """Every cell of a workload's column."""
    from perfsuite.device import fingerprint

    workload, device = workloads.get(name), fingerprint("cpu")
    for variant in spelled():
        yield try_on(workload, variant, device)


def title(name: str) -> str:
    """Of the family, as in the guide's table."""
    return models.family(workloads.get(name).model).title
