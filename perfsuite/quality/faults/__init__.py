"""Planted numerical faults, modelled on real ones: what a quality gate is worth is what it finds of them.

Each changes one pipeline that `perfsuite.pipelines.prepare` built for an eager variant, where the
real defect sat, so that whole generations show it and, for the faults of a model, direct calls of
that model too. Only the pipeline's own objects change: a faulty method comes from a subclass made
for the one object. Blocks are chosen by their place, so that any SDXL will do.

An optimization that silently does not engage (diffusers#8829) is missing here: its numbers are
right, and each `Optimization.verify` is there to find it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.variants import UnknownNameError
from perfsuite.quality.faults import loop, text_encoders, unet, vae
from perfsuite.quality.faults.fault import Fault

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context

__all__ = ["FAULTS", "Fault", "NotApplicableError", "plant"]

FAULTS: dict[str, Fault] = {**vae.FAULTS, **loop.FAULTS, **unet.FAULTS, **text_encoders.FAULTS}


class NotApplicableError(ValueError):
    """A fault that cannot be planted in this variant; the message says why."""


def plant(name: str, pipe: Any, context: Context) -> None:
    """Plant a fault in a pipeline built for `context.variant`.

    Raises `UnknownNameError`, which names the nearest fault, or `NotApplicableError`.
    """
    if name not in FAULTS:
        raise UnknownNameError("fault", name, list(FAULTS))
    reason = FAULTS[name].applies(context.variant)
    if reason is None and context.variant.compiled:
        reason = "compiled code would not see it; leave compile out"
    if reason is not None:
        raise NotApplicableError(f"{name} cannot be planted in {context.variant.name}: {reason}")
    FAULTS[name].plant(pipe, context)
