"""Caches of diffusion transformers: what some steps compute is kept, and other steps are spared it.

diffusers puts them on a model by `enable_cache`, which only some transformers have; the pipeline must say
when a call begins (`cache_context`), and forgets at its end. Where either is missing nothing happens, or the
first call fails, so the families that have both are named.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines import models as known_models
from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.evidence import NotEngagedError, attention_modules, eager, models
from perfsuite.pipelines.optimizations.proofs.repeats import check_not_identical, check_twice_the_same
from perfsuite.pipelines.optimizations.proofs.steps import said_calls, watch
from perfsuite.pipelines.promises import Card, Parameter, Promise
from perfsuite.pipelines.technique import Optimization
from perfsuite.pipelines.watching.stepwise import cache_of, without_cache

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.pipelines.optimizations.proofs.steps import Steps
    from perfsuite.pipelines.technique import Context, Variant
    from perfsuite.records import Workload

FAMILIES = ("flux",)
"""Whose denoiser has `enable_cache` and whose pipeline sets the context."""
WARM_STEPS = 3
"""At the start of a call, in which TaylorSeer learns and spares nothing."""


def _first_block(threshold: float) -> Any:
    from diffusers import FirstBlockCacheConfig

    return FirstBlockCacheConfig(threshold=threshold)


def _taylorseer(interval: float) -> Any:
    import torch
    from diffusers import TaylorSeerCacheConfig

    return TaylorSeerCacheConfig(
        cache_interval=int(interval), disable_cache_before_step=WARM_STEPS,
        taylor_factors_dtype=torch.float32,
    )  # fmt: skip


_CONFIGS: dict[str, Callable[[float], Any]] = {"first-block-cache": _first_block, "taylorseer": _taylorseer}


def _apply(pipe: Any, context: Context, name: str) -> None:
    value = context.variant.value(name)
    assert value is not None
    with eager(pipe):
        models(pipe)[family_of(pipe).denoiser].enable_cache(_CONFIGS[name](value))


def _verify(pipe: Any, context: Context, name: str) -> str:
    denoiser, value = models(pipe)[family_of(pipe).denoiser], context.variant.value(name)
    assert value is not None
    wanted = _CONFIGS[name](value)
    own = cache_of(denoiser)
    if str(own) != str(wanted):
        raise NotEngagedError(f"the denoiser's cache is {own}, wanted {wanted}")
    first, others = _watched(pipe)
    seen = watch(pipe, context, modules=(first, *others))
    _check_spared(seen, first, others, name)
    check_twice_the_same(pipe, context, seen)
    with without_cache(denoiser):
        off = check_not_identical(seen, watch(pipe, context))
    last = others[-1]
    return (
        f"{last} ran in {said_calls(seen.ran[last])} calls, {first} in {said_calls(seen.ran[first])}; "
        f"two calls equal; latents {off:.2g} from those of whole steps"
    )


def _watched(pipe: Any) -> tuple[str, list[str]]:
    """A layer inside each attention, by its name in the denoiser: a hook on a block runs also where the
    block is spared. The first block's, then all others'."""
    root = f"{family_of(pipe).denoiser}."
    found = [
        f"{name.removeprefix(root)}.{'to_qkv' if getattr(module, 'fused_projections', False) else 'to_q'}"
        for name, module in attention_modules(pipe).items()
        if name.startswith(root)
    ]
    return found[0], found[1:]


def _check_spared(seen: Steps, first: str, others: list[str], name: str) -> None:
    """Raise `NotEngagedError` where not all but the first block (of first-block cache) or all attention (of
    TaylorSeer) are spared in the same calls, and those some."""
    calls = seen.ran[others[-1]]
    differing = [other for other in others if seen.ran[other] != calls]
    if differing:
        raise NotEngagedError(
            f"{others[-1]} ran in {said_calls(calls)} calls, {differing[0]} in "
            f"{said_calls(seen.ran[differing[0]])}: not all blocks are cached alike"
        )
    if all(calls):
        raise NotEngagedError(
            f"every block ran in all {len(calls)} calls: nothing was spared"
            + ("; give a greater threshold (random weights take about 0.3)" if name != "taylorseer" else "")
        )
    begins = WARM_STEPS if name == "taylorseer" else 1
    if not all(calls[:begins]):
        raise NotEngagedError(f"blocks were spared in the first {begins} of {said_calls(calls)} calls")
    leader = calls if name == "taylorseer" else [True for _ in calls]
    if seen.ran[first] != leader:
        raise NotEngagedError(
            f"{first} ran in {said_calls(seen.ran[first])} calls, wanted {said_calls(leader)}"
        )


def _fits(workload: Workload, variant: Variant, name: str, on_unets: str) -> str | None:
    family = known_models.family(workload.model)
    if family.name in FAMILIES:
        if name == "first-block-cache" and workload.steps < 2:
            return f"the first step is whole, and {workload.name} has no other; give 2 steps or more"
        least = WARM_STEPS + 2
        if name == "taylorseer" and workload.steps < least:
            return f"it learns in {WARM_STEPS} steps, and {workload.name} has {workload.steps}; give {least}"
        interval = variant.value(name)
        if name == "taylorseer" and interval is not None and interval > workload.steps:
            return (
                f"an interval of {interval:g} is beyond the {workload.steps} steps of {workload.name}; "
                f"give one up to {workload.steps}"
            )
        return None
    if family.denoiser == "unet":
        return on_unets
    return (
        f"not for {family.title}: its transformer has no enable_cache and its pipeline sets no cache "
        "context, so the cache raises ValueError in the first call; it works on Flux.1"
    )


def cache(
    name: str, summary: str, parameter: Parameter, measured: str, published: str, on_unets: str
) -> Optimization:
    """The technique of a cache; `on_unets` says why it is none on a UNet."""
    return Optimization(
        name=name,
        summary=summary,
        apply=functools.partial(_apply, name=name),
        verify=functools.partial(_verify, name=name),
        fits=functools.partial(_fits, name=name, on_unets=on_unets),
        phase=3,
        # The decision of each step is code that no whole graph holds.
        conflicts=("compile", "compile-regional", "dynamic", *(other for other in _CONFIGS if other != name)),
        waits=("hooks/first_block_cache.py:",) if name == "first-block-cache" else (),
        promise=Promise.APPROXIMATE,
        task_margin=0.1,
        least_ssim=lambda value: 0.5,
        parameter=parameter,
        card=Card(
            where="Flux.1; refused elsewhere",
            proof="run matrix: all blocks spared in the same calls; twice the same; latents differ",
            measured=measured,
            published=published,
        ),
    )
