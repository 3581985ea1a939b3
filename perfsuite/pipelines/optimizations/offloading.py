"""Weights that wait in the host's memory: of whole models, or of groups of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.evidence import NotEngagedError, models, some
from perfsuite.pipelines.optimizations.proofs.residency import watch_weights
from perfsuite.pipelines.promises import Card
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context
    from perfsuite.records import Device


def _apply_models(pipe: Any, context: Context) -> None:
    pipe.enable_model_cpu_offload(device=context.device.kind)


def _apply_groups(pipe: Any, context: Context) -> None:
    import torch

    models(pipe)[family_of(pipe).denoiser].enable_group_offload(
        onload_device=torch.device(context.device.kind),
        offload_device=torch.device("cpu"),
        offload_type="leaf_level",
        use_stream=context.device.kind == "cuda",
    )


def check_offloaded(pipe: Any, context: Context) -> str:
    """The denoiser's weights wait on the host before and after a call, and are used on the device.

    Raises `NotEngagedError`.
    """
    found, device = watch_weights(pipe, context), context.device.kind
    for when, kinds in (("before", found.before), ("after", found.after)):
        there = [name for name, kind in kinds.items() if not kind.startswith("cpu ")]
        if there:
            raise NotEngagedError(
                f"{len(there)} of {len(kinds)} weights are on the {device} {when} a call: {some(there)}"
            )
    away = {kind: count for kind, count in found.used.items() if not kind.startswith(f"{device} ")}
    if away or not found.used:
        raise NotEngagedError(f"weights were used elsewhere than on the {device}: {away or 'none was used'}")
    return f"{len(found.before)} weights wait on the host, {found.used.total()} uses on the {device}"


def _verify_models(pipe: Any, context: Context) -> str:
    names = [name for name in family_of(pipe).components if getattr(pipe, name, None) is not None]
    still = [name for name in names if not hasattr(getattr(pipe, name), "_hf_hook")]
    if still:
        raise NotEngagedError(
            f"{len(still)} of {len(names)} models have no hook that moves them: {some(still)}"
        )
    return f"{', '.join(names)} are moved when called; {check_offloaded(pipe, context)}"


def _verify_groups(pipe: Any, context: Context) -> str:
    family = family_of(pipe)
    denoiser = models(pipe)[family.denoiser]
    hooked = [name for name, module in denoiser.named_modules() if _is_grouped(module)]
    if not hooked:
        raise NotEngagedError(f"no group of the {family.said_denoiser}'s layers is offloaded")
    moved = f"{len(hooked)} modules of the {family.said_denoiser} are moved when called"
    return f"{moved}; {check_offloaded(pipe, context)}"


def _is_grouped(module: Any) -> bool:
    hooks = getattr(module, "_diffusers_hook", None)
    return hooks is not None and hooks.get_hook("group_offloading") is not None


def _supports(device: Device) -> str | None:
    if device.kind != "cuda":
        return (
            f"on a {device.kind} weights are in the host's memory already, and there is nowhere to offload to"
            "; take a GPU (--perf-device=cuda)"
        )
    return None


_AGAINST = (
    "compile",
    "compile-regional",
    "dynamic",
    # Either hook stands for the UNet's forward, and so would what counts its steps.
    "deepcache",
    "int8",
    "int8-weights",
    "fp8",
    "layerwise-fp8",
    "lcm",
    "lora-hotswap",
)
MODEL_OFFLOAD = Optimization(
    name="model-offload",
    summary="text encoders, denoiser and VAE wait in the host's memory, each but while it is called",
    apply=_apply_models,
    verify=_verify_models,
    supports=_supports,
    phase=3,
    conflicts=("group-offload", *_AGAINST),
    card=Card(
        where="every pipeline here, on a GPU",
        proof="residency log: on the host before and after a call, on the GPU in every product",
    ),
)
GROUP_OFFLOAD = Optimization(
    name="group-offload",
    summary="layers of the denoiser wait in the host's memory, each but while it is called",
    apply=_apply_groups,
    verify=_verify_groups,
    supports=_supports,
    phase=3,
    # A group is fetched ahead in the order of the first step; caches leave modules out of others.
    conflicts=("model-offload", "first-block-cache", "taylorseer", *_AGAINST),
    card=Card(
        where="every denoiser, on a GPU; not with what spares steps some layers",
        proof="residency log: on the host before and after a call, on the GPU in every product",
    ),
)
