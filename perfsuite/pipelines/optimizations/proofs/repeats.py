"""Two drawings of one pipeline: equal where nothing of a call may last, different where a step is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations.evidence import NotEngagedError
from perfsuite.pipelines.optimizations.proofs.steps import watch

if TYPE_CHECKING:
    from perfsuite.pipelines.optimizations.proofs.steps import Steps
    from perfsuite.pipelines.technique import Context


def check_twice_the_same(pipe: Any, context: Context, first: Steps, steps: int | None = None) -> None:
    """A second equal call gives equal bits: nothing of the call before is left, and no noise is its own.

    `first`: what a call of as many steps gave. Raises `NotEngagedError`.
    """
    import torch

    second = watch(pipe, context, steps)
    for step, (one, other) in enumerate(zip(first.latents, second.latents, strict=False)):
        if not torch.equal(one, other):
            raise NotEngagedError(
                f"two equal calls differ from step {step} on, by {difference(other, one):.2g}: something of "
                "the call before is left, or noise is not drawn from the call's generator"
            )
    if len(first.latents) != len(second.latents):
        raise NotEngagedError(f"two equal calls took {len(first.latents)} and {len(second.latents)} steps")


def check_not_identical(with_it: Steps, without: Steps) -> float:
    """How far a technique that changes numbers takes the latents; none at all means that it is not there.

    Raises `NotEngagedError`.
    """
    import torch

    if torch.equal(with_it.final, without.final):
        raise NotEngagedError("the latents are those without it, bit by bit: it does nothing")
    return difference(with_it.final, without.final)


def difference(found: Any, wanted: Any) -> float:
    """Relative L2 distance."""
    import torch

    wanted = wanted.float()
    return float(torch.linalg.vector_norm(found.float() - wanted) / torch.linalg.vector_norm(wanted))
