"""LoRA hot-swap: another adapter's numbers go into the places of the first, and nothing is compiled anew.

The places are made for adapters of any rank up to `RANK`, before the first is loaded and before compiling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations import adapters
from perfsuite.pipelines.optimizations.evidence import NotEngagedError, eager, some
from perfsuite.pipelines.optimizations.proofs.recompiling import check_compiles_nothing
from perfsuite.pipelines.optimizations.proofs.repeats import check_not_identical
from perfsuite.pipelines.optimizations.proofs.steps import watch
from perfsuite.pipelines.promises import Card
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from pathlib import Path

    from perfsuite.pipelines.technique import Context, Variant
    from perfsuite.records import Workload

RANK = 64
PLACE = "hotswap"
"""Name of the one adapter, whose numbers change."""
STEPS = 3


def _files(context: Context) -> tuple[Path, Path]:
    model = context.workload.model
    return adapters.ADAPTERS["lora-a", model], adapters.ADAPTERS["lora-b", model]


def _apply(pipe: Any, context: Context) -> None:
    first, _ = _files(context)
    with eager(pipe):
        adapters.read(first, pipe)
        pipe.enable_lora_hotswap(target_rank=RANK)
        adapters.load(pipe, first, PLACE)


def swap(pipe: Any, path: Path) -> None:
    """Put another adapter's numbers in place. Raises `AdapterError`."""
    adapters.read(path, pipe)
    adapters.load(pipe, path, PLACE, hotswap=True)


def check_holds(pipe: Any, path: Path) -> int:
    """What each layer adds is what a fresh load of the file adds; the number of layers.

    Raises `NotEngagedError`.
    """
    import torch

    adapter, layers = adapters.read(path, pipe), adapters.targets(pipe)
    off = []
    for name, own in adapter.items():
        layer = layers.get(name)
        if layer is None or PLACE not in layer.lora_A:
            raise NotEngagedError(f"{name} has no adapter, which {path.name} is for")
        wanted = own.scale * (own.up.float().flatten(1) @ own.down.float().flatten(1))
        held = layer.lora_B[PLACE].weight.float().flatten(1) @ layer.lora_A[PLACE].weight.float().flatten(1)
        if layer.disable_adapters or layer.merged or list(layer.active_adapters) != [PLACE]:
            raise NotEngagedError(f"{name} does not add its adapter: it is switched off, merged or another's")
        scale = float(layer.scaling[PLACE])
        if not torch.allclose(held.cpu() * scale, wanted, rtol=0.02, atol=0.02 * float(wanted.abs().max())):
            off.append(name)
    # Of an adapter for fewer layers the others add nothing.
    off += [name for name, layer in layers.items() if name not in adapter and _adds(layer)]
    if off:
        raise NotEngagedError(
            f"{len(off)} of {len(layers)} layers do not add what {path.name} holds: {some(off)}"
        )
    return len(adapter)


def _adds(layer: Any) -> bool:
    """Whether what is in its place adds anything."""
    places = [part[PLACE].weight for part in (layer.lora_A, layer.lora_B) if PLACE in part]
    return bool(places) and all(bool(weight.any()) for weight in places)


def _verify(pipe: Any, context: Context) -> str:
    first, second = _files(context)
    if not adapters.targets(pipe):
        raise NotEngagedError("no layer of the UNet holds an adapter")
    count = check_holds(pipe, first)
    before = watch(pipe, context, STEPS)
    swap(pipe, second)
    try:
        check_holds(pipe, second)
        off = check_not_identical(watch(pipe, context, STEPS), before)
    finally:
        swap(pipe, first)
    compiled = _check_compiled(pipe, context)
    held = f"{count} layers held what each file holds, latents {off:.2g} apart"
    return f"{held}; {compiled}" if compiled else held


def _check_compiled(pipe: Any, context: Context) -> str | None:
    """Compiled code draws by the numbers that are in place now, and nothing is compiled for them; None where
    nothing is compiled.

    Raises `NotEngagedError`.
    """
    import numpy as np

    if context.compiled is None:
        return None
    first, second = _files(context)
    drawn: list[Any] = []

    def draw() -> None:
        drawn.append(context.generate(pipe, steps=2))

    check_compiles_nothing({"the same call": draw})
    swap(pipe, second)
    try:
        check_compiles_nothing({"another adapter": draw})
    finally:
        swap(pipe, first)
    if np.array_equal(*drawn):
        raise NotEngagedError("compiled code draws the same picture by another adapter, bit by bit")
    return "compiled code drew by either, and nothing was compiled anew"


def _fits(workload: Workload, variant: Variant) -> str | None:
    return adapters.no_adapter("lora-a", workload) or adapters.no_adapter("lora-b", workload)


LORA_HOTSWAP = Optimization(
    name="lora-hotswap",
    summary="a LoRA adapter in places that another's numbers can take, with nothing compiled anew",
    apply=_apply,
    verify=_verify,
    verify_last=_check_compiled,
    supports=adapters.without_peft,
    loads=adapters.files("lora-a", "lora-b"),
    fits=_fits,
    phase=1,
    conflicts=(
        "lcm",
        "lora",
        "qkv",
        "int8",
        "int8-weights",
        "fp8",
        "layerwise-fp8",
        "model-offload",
        "group-offload",
    ),
    same_as="lora",
    # A layer rounds its own product, the adapter's two and their sum, where one that is fused rounds once: of
    # the small model's in bfloat16 up to 1.7 times the error.
    layer_factor=2.0,
    card=Card(
        where="models with adapters of one kind; extra lora",
        proof="each layer adds what a fresh load would; latents differ between adapters; 0 compilations, "
        "and compiled code draws by either",
        measured="0.53x (n=9)",
    ),
)
