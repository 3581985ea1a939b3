"""A LoRA adapter as everybody loads it, fused into the weights: what a swapped one is compared with.

It makes another model of the model, so nothing of the task is lost by it: what is judged is whether it is
run rightly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations import adapters
from perfsuite.pipelines.optimizations.fusing import check_fused, fuse
from perfsuite.pipelines.promises import Card
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context, Variant
    from perfsuite.records import Workload

ADAPTER = "lora-a"


def _apply(pipe: Any, context: Context) -> None:
    fuse(pipe, adapters.ADAPTERS[ADAPTER, context.workload.model])


def _verify(pipe: Any, context: Context) -> str:
    return f"{check_fused(pipe)} layers changed by the adapter, and as it left them"


def _fits(workload: Workload, variant: Variant) -> str | None:
    return adapters.no_adapter(ADAPTER, workload)


LORA = Optimization(
    name="lora",
    summary="a LoRA adapter loaded and fused into the UNet's weights",
    apply=_apply,
    verify=_verify,
    supports=adapters.without_peft,
    loads=adapters.files(ADAPTER),
    fits=_fits,
    phase=1,
    conflicts=("lcm", "lora-hotswap", "layerwise-fp8", "model-offload", "group-offload"),
    same_as="lora",
    card=Card(
        where="models with an adapter; extra lora",
        proof="each layer changed by what the file holds, and still as it left them",
        measured="1.00x (n=9)",
    ),
)
