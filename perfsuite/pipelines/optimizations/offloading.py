"""Weights that wait in the host's memory: of whole models, or of groups of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

    models(pipe)["unet"].enable_group_offload(
        onload_device=torch.device(context.device.kind),
        offload_device=torch.device("cpu"),
        offload_type="leaf_level",
        use_stream=context.device.kind == "cuda",
    )


def check_offloaded(pipe: Any, context: Context) -> str:
    """The UNet's weights wait on the host before and after a call, and are used on the device.

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
    names = [
        name
        for name in ("text_encoder", "text_encoder_2", "unet", "vae")
        if _hook_of(getattr(pipe, name, None))
    ]
    if len(names) < 3:
        raise NotEngagedError(f"{len(names)} models have a hook that moves them: {some(names) or 'none'}")
    return f"{', '.join(names)} are moved when called; {check_offloaded(pipe, context)}"


def _hook_of(model: Any) -> Any:
    return getattr(model, "_hf_hook", None)


def _verify_groups(pipe: Any, context: Context) -> str:
    unet = models(pipe)["unet"]
    hooked = [name for name, module in unet.named_modules() if _is_grouped(module)]
    if not hooked:
        raise NotEngagedError("no group of the UNet's layers is offloaded")
    return f"{len(hooked)} modules of the UNet are moved when called; {check_offloaded(pipe, context)}"


def _is_grouped(module: Any) -> bool:
    hooks = getattr(module, "_diffusers_hook", None)
    return hooks is not None and hooks.get_hook("group_offloading") is not None


def _supports(device: Device) -> str | None:
    if device.kind != "cuda":
        return f"on a {device.kind} weights are in the host's memory already: there is nowhere to offload to"
    return None


_AGAINST = (
    "compile",
    "compile-regional",
    "int8",
    "int8-weights",
    "fp8",
    "layerwise-fp8",
    "lcm",
    "lora-hotswap",
)
MODEL_OFFLOAD = Optimization(
    name="model-offload",
    summary="text encoders, UNet and VAE wait in the host's memory, each but while it is called",
    apply=_apply_models,
    verify=_verify_models,
    supports=_supports,
    phase=3,
    conflicts=("group-offload", *_AGAINST),
    card=Card(
        where="every pipeline of diffusers on a GPU",
        proof="residency log: on the host before and after a call, on the GPU in every product",
    ),
)
GROUP_OFFLOAD = Optimization(
    name="group-offload",
    summary="layers of the UNet wait in the host's memory, each but while it is called",
    apply=_apply_groups,
    verify=_verify_groups,
    supports=_supports,
    phase=3,
    conflicts=("model-offload", *_AGAINST),
    card=Card(
        where="every model of diffusers on a GPU",
        proof="residency log: on the host before and after a call, on the GPU in every product",
    ),
)
