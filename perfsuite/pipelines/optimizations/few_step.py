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
from perfsuite.pipelines.optimizations.evidence import NotEngagedError, models, some
from perfsuite.pipelines.optimizations.fusing import check_fused, fuse
from perfsuite.pipelines.optimizations.proofs.repeats import check_twice_the_same
from perfsuite.pipelines.optimizations.proofs.steps import check_batches, watch
from perfsuite.pipelines.promises import Card, Parameter, Promise
from perfsuite.pipelines.schedules import ScheduleError, calls_in
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from perfsuite.pipelines.technique import Context, Variant
    from perfsuite.records import Workload


MADE = "_perfsuite_scheduler"
"""Attribute of a UNet: the settings of the scheduler that was made for its adapter."""
EXCLUDED = (
    "deepcache", "cfg-cutoff", "lcm", "lora", "lora-hotswap", "layerwise-fp8", "model-offload",
    "group-offload",
)  # fmt: skip
"""What no recipe goes with, of whatever name."""


@dataclass(frozen=True)
class Recipe:
    """What a few-step technique is made of, beside its number of steps."""

    name: str
    adapter: str | Path
    """Its file, or its name in `perfsuite.pipelines.optimizations.adapters.ADAPTERS`."""
    scheduler: str
    """A class of diffusers."""
    guidance: float
    """Up to 1 the UNet is called with the prompt alone."""
    settings: Mapping[str, object]
    """Of the scheduler, beside those of the pipeline's own."""
    waits: tuple[str, ...] = ()
    """What the places have in their text where that scheduler waits for the device in a step."""


def _apply(pipe: Any, context: Context, recipe: Recipe) -> None:
    import diffusers

    path = adapters.path_of(recipe.adapter, context.workload.model)
    assert path is not None
    fuse(pipe, path)
    kind = getattr(diffusers, recipe.scheduler, None)
    if kind is None:
        raise ScheduleError(
            f"{recipe.name}: diffusers has no class {recipe.scheduler!r}; name the scheduler that the "
            "adapter was distilled for, as in LCMScheduler"
        )
    pipe.scheduler = kind.from_config(pipe.scheduler.config, **recipe.settings)
    setattr(models(pipe)["unet"], MADE, dict(pipe.scheduler.config))


def _verify(pipe: Any, context: Context, recipe: Recipe) -> str:
    kind = type(pipe.scheduler).__name__
    if kind != recipe.scheduler:
        raise NotEngagedError(f"the scheduler is {kind}, wanted {recipe.scheduler}")
    _check_settings(pipe, recipe)
    moved = check_fused(pipe)
    steps = context.variant.value(recipe.name)
    assert steps is not None
    seen = watch(pipe, context)
    rows = (2 if recipe.guidance > 1 else 1) * context.workload.batch
    check_batches(seen, [rows] * calls_in(pipe.scheduler, int(steps)))
    wanted = [float(t) for t in pipe.scheduler.timesteps]
    if seen.timesteps != wanted:
        raise NotEngagedError(f"the UNet was called at timesteps {seen.timesteps}, wanted {wanted}")
    check_twice_the_same(pipe, context, seen)
    return (
        f"{kind}, {len(seen.batches)} UNet calls of {rows} rows at timesteps {seen.timesteps}; {moved} "
        "layers changed by the adapter; two calls equal"
    )


def _check_settings(pipe: Any, recipe: Recipe) -> None:
    """diffusers passes over a setting that a scheduler does not know; and one that was made anew with others
    takes its steps at other times, at which the adapter was not distilled."""
    scheduler = pipe.scheduler
    for name, wanted in recipe.settings.items():
        if name not in scheduler.config:
            raise NotEngagedError(f"{recipe.scheduler} has no setting {name!r}, so it changed nothing")
        if scheduler.config[name] != wanted:
            raise NotEngagedError(f"the scheduler's {name} is {scheduler.config[name]!r}, wanted {wanted!r}")
    made = getattr(models(pipe)["unet"], MADE, {})
    other = [f"{n} is {scheduler.config.get(n)!r}, was {v!r}" for n, v in made.items()
             if scheduler.config.get(n) != v]  # fmt: skip
    if other:
        raise NotEngagedError(f"the scheduler is not as it was made: {some(other)}")


def _fits(workload: Workload, variant: Variant, recipe: Recipe) -> str | None:
    return adapters.no_adapter(recipe.adapter, workload)


def _draws(workload: Workload, steps: float | None, recipe: Recipe) -> Workload:
    return workload if steps is None else replace(workload, steps=int(steps), guidance=recipe.guidance)


def few_step(
    recipe: Recipe, summary: str, steps: Parameter, margin: float, measured: str = "", published: str = ""
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
        conflicts=tuple(name for name in EXCLUDED if name != recipe.name),
        like="lcm",
        waits=recipe.waits,
        promise=Promise.RESAMPLED,
        task_margin=margin,
        # Few steps cost more of the score than caches do: of a whole guided model, and of its own steps.
        clip_margin=2.0,
        loads=adapters.files(recipe.adapter),
        fits=functools.partial(_fits, recipe=recipe),
        draws=functools.partial(_draws, recipe=recipe),
        parameter=steps,
        card=Card(
            where="UNets of SDXL and SD 1.5 with an adapter that was distilled for them, and no other; not "
            "with layerwise-fp8 or offloading; extra lora",
            proof="scheduler, timesteps and batch log; each layer has what its file adds; twice the same",
            measured=measured,
            published=published,
        ),
    )


LCM = few_step(
    # It looks its noise level up on the host.
    Recipe("lcm", "lcm-lora", "LCMScheduler", 1.0, {}, ("schedulers/scheduling_lcm.py:",)),
    "LCM-LoRA: so many steps by the LCM scheduler, without guidance",
    Parameter("number of steps", default=4, least=1, most=16),
    margin=0.15,
    measured="7.2x at 4, 4.2x at 8 (n=5)",
    published="SDXL: 53.2 to 3.8 s on a 1080 Ti, FID 24.6 to 25.0 (T-GATE's table in diffusers' docs)",
)
