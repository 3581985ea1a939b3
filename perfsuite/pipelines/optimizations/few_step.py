"""Few steps: an adapter, the scheduler that it was distilled for, a number of steps and a guidance.

Latent consistency is one of these; Lightning, Hyper-SD and Turbo differ in the four alone, see `few_step`.
The adapter is fused and its layers taken away, so that what follows (projections, quantization, compiling)
sees plain layers.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations import adapters
from perfsuite.pipelines.optimizations.evidence import NotEngagedError, eager, models, some
from perfsuite.pipelines.optimizations.proofs.repeats import check_twice_the_same
from perfsuite.pipelines.optimizations.proofs.steps import check_batches, watch
from perfsuite.pipelines.promises import Card, Parameter, Promise
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from collections.abc import Mapping

    from perfsuite.pipelines.technique import Context, Variant
    from perfsuite.records import Workload

FUSED = "_perfsuite_fused"
"""Attribute of a UNet: by layer, how far its weight is from what it was, and its sum after fusing."""


@dataclass(frozen=True)
class Recipe:
    """What a few-step technique is made of, beside its number of steps."""

    name: str
    adapter: str
    """Its name in `perfsuite.pipelines.optimizations.adapters.ADAPTERS`."""
    scheduler: str
    """A class of diffusers."""
    guidance: float
    """Up to 1 the UNet is called with the prompt alone."""
    settings: Mapping[str, object]
    """Of the scheduler, beside those of the pipeline's own."""


def fuse(pipe: Any, path: Any) -> None:
    """Load an adapter, add it to the weights, and take its layers away. Raises `AdapterError`."""
    import torch

    tensors = adapters.read(path, pipe)
    unet = models(pipe)["unet"]
    names = {adapters.target_of(key) for key in tensors if ".lora_A." in key}
    layers = dict(unet.named_modules())
    before = {name: layers[name].weight.detach().clone() for name in names}
    pipe.load_lora_weights(tensors, adapter_name="few-step")
    pipe.fuse_lora(adapter_names=["few-step"])
    pipe.unload_lora_weights()
    layers = dict(unet.named_modules())
    after = {name: layers[name].weight.detach() for name in names}
    norms = {name: float(torch.linalg.vector_norm(weight.float())) for name, weight in before.items()}
    moved = {n: float(torch.linalg.vector_norm((after[n] - before[n]).float())) / norms[n] for n in names}
    setattr(unet, FUSED, {name: (moved[name], checksum(after[name])) for name in sorted(names)})


def checksum(weight: Any) -> float:
    """Tells whether a weight was put back, whatever type it is in now."""
    return float(weight.detach().double().abs().sum())


def _apply(pipe: Any, context: Context, recipe: Recipe) -> None:
    import diffusers

    with eager(pipe):
        fuse(pipe, adapters.ADAPTERS[recipe.adapter, context.workload.model])
    kind = getattr(diffusers, recipe.scheduler)
    pipe.scheduler = kind.from_config(pipe.scheduler.config, **recipe.settings)
    if 1 < recipe.guidance < 2:
        context.note(
            f"{recipe.name}: a guidance of {recipe.guidance:g} is above 1: the UNet's batch is not halved"
        )


def _verify(pipe: Any, context: Context, recipe: Recipe) -> str:
    kind = type(pipe.scheduler).__name__
    if kind != recipe.scheduler:
        raise NotEngagedError(f"the scheduler is {kind}, wanted {recipe.scheduler}")
    moved = _check_fused(pipe)
    steps = context.variant.value(recipe.name)
    assert steps is not None
    seen = watch(pipe, context)
    rows = (2 if recipe.guidance > 1 else 1) * context.workload.batch
    check_batches(seen, [rows] * int(steps))
    wanted = [float(t) for t in pipe.scheduler.timesteps]
    if seen.timesteps != wanted:
        raise NotEngagedError(f"the UNet was called at timesteps {seen.timesteps}, wanted {wanted}")
    check_twice_the_same(pipe, context, seen)
    return (
        f"{kind}, {len(seen.batches)} UNet calls of {rows} rows at timesteps {seen.timesteps}; {moved} "
        "layers changed by the adapter; two calls equal"
    )


def _check_fused(pipe: Any) -> int:
    """The number of layers that the adapter changed, and that are as it left them."""
    unet = models(pipe)["unet"]
    fused: dict[str, tuple[float, float]] = getattr(unet, FUSED, {})
    if not fused:
        raise NotEngagedError("no adapter was fused: this is the scheduler alone")
    still = [name for name, (moved, _) in fused.items() if moved == 0.0]
    if still:
        raise NotEngagedError(
            f"the adapter changed nothing in {len(still)} of {len(fused)} layers: {some(still)}"
        )
    layers = dict(unet.named_modules())
    plain = {
        n: m.weight for n, m in layers.items() if n in fused and type(m.weight.data).__name__ == "Tensor"
    }
    back = [n for n, weight in plain.items() if abs(checksum(weight) / fused[n][1] - 1) > 1e-9]
    if back:
        raise NotEngagedError(f"weights are not as the adapter left them: {some(back)}")
    return len(fused)


def _fits(workload: Workload, variant: Variant, recipe: Recipe) -> str | None:
    return adapters.no_adapter(recipe.adapter, workload)


def _draws(workload: Workload, steps: float | None, recipe: Recipe) -> Workload:
    return workload if steps is None else replace(workload, steps=int(steps), guidance=recipe.guidance)


def few_step(
    recipe: Recipe, summary: str, steps: Parameter, margin: float, published: str = ""
) -> Optimization:
    """The technique of a recipe; `steps` is its parameter, `margin` its task margin."""
    return Optimization(
        name=recipe.name,
        summary=summary,
        apply=functools.partial(_apply, recipe=recipe),
        verify=functools.partial(_verify, recipe=recipe),
        supports=adapters.without_peft,
        # Before the projections, which fuse what the adapter is for.
        phase=1,
        conflicts=("deepcache", "cfg-cutoff"),
        promise=Promise.RESAMPLED,
        task_margin=margin,
        # Few steps cost more of the score than caches do: of a whole guided model, and of its own steps.
        clip_margin=2.0,
        fits=functools.partial(_fits, recipe=recipe),
        draws=functools.partial(_draws, recipe=recipe),
        parameter=steps,
        card=Card(
            where="every model with an adapter that was distilled for it; extra lora",
            proof="scheduler, timesteps and batch log; layers changed by the adapter; twice the same",
            published=published,
        ),
    )


LCM = few_step(
    Recipe("lcm", "lcm-lora", "LCMScheduler", 1.0, {}),
    "LCM-LoRA: so many steps by the LCM scheduler, without guidance",
    Parameter("number of steps", default=4, least=1, most=16),
    margin=0.15,
    published="SDXL: 53.2 to 3.8 s on a 1080 Ti, FID 24.6 to 25.0 (T-GATE's table in diffusers' docs)",
)
