"""The denoiser's weights stored in float8, and cast to the pipeline's own type while a layer uses them.

It halves what bfloat16 weights take, and costs a cast of every weight in every step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.dtypes import dtype_of
from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.evidence import NotEngagedError, eager, models, some
from perfsuite.pipelines.optimizations.proofs.residency import watch_weights
from perfsuite.pipelines.promises import Card, Promise
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context


def _apply(pipe: Any, context: Context) -> None:
    import torch

    with eager(pipe):
        models(pipe)[family_of(pipe).denoiser].enable_layerwise_casting(
            storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype_of(context.variant)
        )


def stored_elsewhere(model: Any) -> frozenset[str]:
    """Names of the parameters that are stored in another type than they are used in."""
    return frozenset(
        f"{name}.{own}" if name else own
        for name, module in model.named_modules()
        if _is_cast(module)
        for own, _ in module.named_parameters(recurse=False)
    )


def to_be_cast(model: Any) -> frozenset[str]:
    """Names of the weights of linear layers and convolutions that no pattern of diffusers leaves out."""
    import re

    import torch
    from diffusers.hooks.layerwise_casting import DEFAULT_SKIP_MODULES_PATTERN

    patterns = (
        *DEFAULT_SKIP_MODULES_PATTERN, *(model._keep_in_fp32_modules or ()),
        *(model._skip_layerwise_casting_patterns or ()),
    )  # fmt: skip
    return frozenset(
        f"{name}.weight"
        for name, module in model.named_modules()
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d))
        # A pattern leaves out what stands below, too.
        and not any(re.search(pattern, above) for pattern in patterns for above in _prefixes(name))
    )


def _prefixes(name: str) -> list[str]:
    """A module's name and those of all that hold it."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _is_cast(module: Any) -> bool:
    hooks = getattr(module, "_diffusers_hook", None)
    return hooks is not None and hooks.get_hook("layerwise_casting") is not None


def _verify(pipe: Any, context: Context) -> str:
    family = family_of(pipe)
    denoiser = models(pipe)[family.denoiser]
    cast = stored_elsewhere(denoiser)
    if not cast:
        raise NotEngagedError(
            f"no layer of the {family.said_denoiser} is cast: its weights are stored as they are used"
        )
    left = to_be_cast(denoiser) - cast
    if left:
        raise NotEngagedError(
            f"{len(left)} of {len(left | cast)} weights are stored as they are used: {some(sorted(left))}"
        )
    found = watch_weights(pipe, context)
    device, used = context.device.kind, str(dtype_of(context.variant)).removeprefix("torch.")
    for when, kinds in (("before", found.before), ("after", found.after)):
        wide = [n for n in sorted(cast) if not kinds[f"{family.denoiser}.{n}"].endswith("float8_e4m3fn")]
        if wide:
            raise NotEngagedError(f"weights not in float8 {when} a call: {some(wide)}")
    if set(found.used) != {f"{device} {used}"}:
        said = ", ".join(f"{count} in {kind}" for kind, count in sorted(found.used.items())) or "none"
        raise NotEngagedError(f"weights were used as {said}; wanted {device} {used}")
    narrow = sum(p.numel() for name, p in denoiser.named_parameters() if name in cast)
    share = narrow / sum(p.numel() for p in denoiser.parameters())
    of_all = f"{len(cast)} weights ({share:.1%} of the {family.said_denoiser})"
    return f"{of_all} rest in float8 and were used in {used}"


LAYERWISE_FP8 = Optimization(
    name="layerwise-fp8",
    summary="float8 storage of the denoiser's weights, cast layer by layer while they are used (diffusers)",
    apply=_apply,
    verify=_verify,
    phase=3,
    conflicts=("compile", "compile-regional", "int8", "int8-weights", "fp8", "tf32", "lcm", "lora-hotswap"),
    promise=Promise.APPROXIMATE,
    task_margin=0.05,
    # Of four prompts the least was 0.9973 in bfloat16.
    least_ssim=lambda value: 0.99,
    card=Card(
        where="every denoiser but Kandinsky 2.2's; it cannot be undone, and fits no quantization beside it",
        proof="residency log: float8 before and after a call, the pipeline's type in every product",
        measured="0.44x (n=9)",
    ),
)
