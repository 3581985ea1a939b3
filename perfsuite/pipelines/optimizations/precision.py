"""Precision of weights and activations: strict float32, float32 with TF32 products, bfloat16, float16."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.dtypes import NAMES
from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.casting import stored_elsewhere
from perfsuite.pipelines.optimizations.evidence import NotEngagedError, observe, some
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context
    from perfsuite.records import Device


def wrong_parameters(pipe: Any, dtype: Any) -> list[str]:
    """Weights and buffers of all components that are used in another floating dtype, in words."""
    return [
        f"{component}.{name} is {tensor.dtype}"
        for component in _components(pipe)
        if (module := getattr(pipe, component, None)) is not None
        for stored in [stored_elsewhere(module)]
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]
        if tensor.is_floating_point() and tensor.dtype != dtype and name not in stored
    ]


def _components(pipe: Any) -> tuple[str, ...]:
    family = family_of(pipe)
    return (*family.models, *family.encoders)


def _cast(pipe: Any, dtype: Any) -> None:
    import diffusers.utils.logging as diffusers_logging

    # It warns of modules to be kept in float32 even where its list of them is empty.
    level = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity_error()
    try:
        for component in _components(pipe):
            module = getattr(pipe, component, None)
            if module is not None:
                module.to(dtype=dtype)
    finally:
        diffusers_logging.set_verbosity(level)


def is_upcast(pipe: Any) -> bool:
    """True if the pipeline decodes in float32: a float16 VAE whose config asks for it, on every call.

    The stock SDXL VAE overflows in float16 and does ask.
    """
    import torch

    family = family_of(pipe)
    if not family.upcasts:
        return False
    decoder = getattr(pipe, family.decoder)
    return bool(decoder.dtype == torch.float16 and decoder.config.force_upcast)


def _verify(pipe: Any, context: Context, dtype: Any) -> str:
    wrong = wrong_parameters(pipe, dtype)
    if wrong:
        raise NotEngagedError(f"weights not in {dtype}: {some(wrong)}")
    seen = observe(pipe, context).dtypes
    if is_upcast(pipe):
        if seen != {str(dtype), "torch.float32"}:
            raise NotEngagedError(
                f"activations in {', '.join(sorted(seen))}, wanted {dtype} and, in the VAE, float32"
            )
        return f"all weights and the output of the UNet in {dtype}, the VAE up-cast to float32 on every call"
    if seen != {str(dtype)}:
        raise NotEngagedError(f"activations in {', '.join(sorted(seen))}, wanted {dtype}")
    return f"all weights and the outputs of UNet and VAE in {dtype}"


def _apply_fp32(pipe: Any, context: Context) -> None:
    import torch

    # Ampere and later run float32 products in TF32 where allowed: ten bits of mantissa.
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    _cast(pipe, torch.float32)


def _tf32_settings(problem: str) -> tuple[str, bool]:
    """torch's matmul precision and whether cuDNN may use TF32."""
    import torch

    try:
        return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    except RuntimeError as error:
        # torch refuses to answer once its newer settings contradict these.
        raise NotEngagedError(f"{problem}: {error}") from error


def _verify_fp32(pipe: Any, context: Context) -> str:
    import torch

    found = _tf32_settings("float32 may not be strict")
    if found != ("highest", False):
        raise NotEngagedError(
            f"float32 is not strict: matmul precision {found[0]!r}, cudnn.allow_tf32 {found[1]}"
        )
    if context.device.kind == "cuda" and _drops_bits("cuda"):
        raise NotEngagedError(
            "float32 is not strict: a matrix product lost bits, whatever the settings say; "
            "is NVIDIA_TF32_OVERRIDE set?"
        )
    return _verify(pipe, context, torch.float32) + ", TF32 off"


def _apply_tf32(pipe: Any, context: Context) -> None:
    import torch

    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    _cast(pipe, torch.float32)


def _drops_bits(kind: str) -> bool:
    """Whether a matrix product loses the twelfth bit of its factors' mantissa: TF32 keeps ten."""
    import torch

    factor = torch.full((1024, 1024), 1.0 + 2.0**-12, device=kind)
    return not torch.equal(factor @ torch.eye(1024, device=kind), factor)


def _verify_tf32(pipe: Any, context: Context) -> str:
    import torch

    found = _tf32_settings("TF32 may be off")
    # torch's newer settings outrank the others, which need not show it.
    newer = torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision
    if found != ("high", True) or newer != ("tf32", "tf32"):
        raise NotEngagedError(
            f"TF32 is off: matmul precision {found[0]!r}, cudnn.allow_tf32 {found[1]}, "
            f"fp32_precision {newer[0]!r} and {newer[1]!r}"
        )
    evidence = _verify(pipe, context, torch.float32) + ", TF32 allowed in matrix products and cuDNN"
    if context.device.kind != "cuda":
        return evidence
    if not _drops_bits(context.device.kind):
        raise NotEngagedError("TF32 is allowed, but a float32 matrix product kept all of its bits")
    return evidence + ", and used by a matrix product"


def _supports_tf32(device: Device) -> str | None:
    if device.kind != "cuda":
        return "TF32 is a number format of CUDA GPUs; this device has none"
    if float(device.details.get("capability", "9.0")) < 8.0:
        return f"TF32 needs compute capability 8.0, {device.name} has {device.details['capability']}"
    return None


def _apply_bf16(pipe: Any, context: Context) -> None:
    import torch

    _cast(pipe, torch.bfloat16)


def _verify_bf16(pipe: Any, context: Context) -> str:
    import torch

    return _verify(pipe, context, torch.bfloat16)


def _supports_bf16(device: Device) -> str | None:
    if device.kind == "cuda" and float(device.details.get("capability", "9.0")) < 8.0:
        return f"bfloat16 needs compute capability 8.0, {device.name} has {device.details['capability']}"
    if device.kind == "cpu" and device.details.get("bfloat16") == "emulated":
        return "bfloat16 is emulated on this CPU (oneDNN needs AVX-512), about 8 times slower than float32"
    return None


def _apply_fp16(pipe: Any, context: Context) -> None:
    import torch

    _cast(pipe, torch.float16)


def _verify_fp16(pipe: Any, context: Context) -> str:
    import torch

    return _verify(pipe, context, torch.float16)


def _supports_fp16(device: Device) -> str | None:
    if device.kind == "cpu":
        return "float16 is emulated on a CPU, 10 to 20 times slower than float32"
    return None


def _others(name: str) -> tuple[str, ...]:
    return tuple(other for other in NAMES if other != name)


_TF32_SETTINGS = ("torch.float32_matmul_precision", "torch.cudnn.allow_tf32", "torch.*fp32_precision")
"""By their names in `perfsuite.device.Snapshot`."""

FP32 = Optimization(
    name="fp32",
    summary="strict float32: no TF32 in matrix products or cuDNN",
    apply=_apply_fp32,
    verify=_verify_fp32,
    settings=_TF32_SETTINGS,
    conflicts=_others("fp32"),
)
TF32 = Optimization(
    name="tf32",
    summary="float32 with TF32 matrix products and convolutions, as the published float32 ran",
    apply=_apply_tf32,
    verify=_verify_tf32,
    settings=_TF32_SETTINGS,
    supports=_supports_tf32,
    conflicts=_others("tf32"),
)
BF16 = Optimization(
    name="bf16",
    summary="bfloat16 weights and activations",
    apply=_apply_bf16,
    verify=_verify_bf16,
    supports=_supports_bf16,
    conflicts=_others("bf16"),
)
FP16 = Optimization(
    name="fp16",
    summary="float16 weights and activations",
    apply=_apply_fp16,
    verify=_verify_fp16,
    supports=_supports_fp16,
    conflicts=_others("fp16"),
)
