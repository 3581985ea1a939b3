"""Guidance that ends early: from a share of the steps on, the UNet is called with the prompt alone.

diffusers' own callback, which halves the batch and sets the guidance to zero. It keeps the last row of each
condition, so it draws one picture a call.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations.evidence import NotEngagedError
from perfsuite.pipelines.optimizations.proofs.repeats import check_not_identical, check_twice_the_same
from perfsuite.pipelines.optimizations.proofs.steps import check_batches, watch
from perfsuite.pipelines.promises import Card, Parameter, Promise
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context, Variant
    from perfsuite.records import Workload

STEPS = 5
"""Of a proof: few, and enough that any share cuts inside."""


def cutting(share: float | None) -> Any:
    """The callback that ends guidance after a share of the steps."""
    from diffusers.callbacks import SDXLCFGCutoffCallback

    return SDXLCFGCutoffCallback(cutoff_step_ratio=share, cutoff_step_index=None)


def _apply(pipe: Any, context: Context) -> None:
    """The callback goes with each call, see `Context.generate`; the pipeline must take it."""
    wanted = {"prompt_embeds", "add_text_embeds", "add_time_ids"}
    missing = wanted - set(pipe._callback_tensor_inputs)
    if missing:
        raise NotEngagedError(f"{type(pipe).__name__} gives its callbacks no {', '.join(sorted(missing))}")


def batches(steps: int, share: float) -> list[int]:
    """Rows of the UNet in each step; the callback comes after a step, so the one at the cut is double."""
    cut = int(steps * share)
    return [2 if step <= cut else 1 for step in range(steps)]


def _verify(pipe: Any, context: Context) -> str:
    share = context.variant.value("cfg-cutoff")
    assert share is not None
    seen = watch(pipe, context, STEPS)
    check_batches(seen, batches(len(seen.batches), share))
    check_twice_the_same(pipe, context, seen, STEPS)
    others = tuple(o for o in context.variant.optimizations if o.base != "cfg-cutoff")
    whole = replace(context, variant=replace(context.variant, optimizations=others))
    off = check_not_identical(seen, watch(pipe, whole, STEPS))
    rows = f"rows of {len(seen.batches)} UNet calls {seen.batches}"
    return f"{rows}; two calls equal; latents {off:.2g} from those with whole guidance"


def _fits(workload: Workload, variant: Variant) -> str | None:
    if workload.batch > 1:
        return (
            f"the callback keeps the last prompt alone, and {workload.name} draws {workload.batch} pictures "
            "a call; take a workload of batch 1"
        )
    guidance = variant.drawn(workload).guidance
    if guidance <= 1:
        return (
            f"a guidance of {guidance:g} calls the UNet with the prompt alone from the first step on, so "
            "there is none to end; take a workload with guidance above 1"
        )
    share, steps = variant.value("cfg-cutoff"), variant.drawn(workload).steps
    if share is not None and 1 not in batches(steps, share):
        enough = next(more for more in itertools.count(steps) if 1 in batches(more, share))
        return (
            f"guidance ends after the step at the cut, which is the last of {workload.name}'s {steps}, so "
            f"nothing would be saved; give {enough} steps or more"
        )
    return None


CFG_CUTOFF = Optimization(
    name="cfg-cutoff",
    summary="guidance ends after a share of the steps: the UNet's batch is halved from there on",
    apply=_apply,
    verify=_verify,
    phase=3,
    conflicts=("lcm",),
    fits=_fits,
    promise=Promise.APPROXIMATE,
    task_margin=0.1,
    # Of four prompts in bfloat16 the least was 0.954 at 0.4; less guidance takes them further.
    least_ssim=lambda share: 0.5 + 0.5 * (share or 0.0),
    callback=cutting,
    parameter=Parameter("share of the steps with guidance", default=0.4, least=0.1, most=0.7, whole=False),
    card=Card(
        where="SDXL with guidance above 1, one picture a call",
        proof="batch log: 2 up to the cut, 1 after it; twice the same; latents differ from whole guidance",
        measured="1.11x (n=9)",
        published="T-GATE, which also keeps cross-attention: SDXL 53.2 to 27.9 s on a 1080 Ti (its table)",
    ),
)
