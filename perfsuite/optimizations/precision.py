"""Precision of weights and activations: strict float32, bfloat16, float16."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.optimizations.evidence import NotEngagedError, observe, some
from perfsuite.records import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines import Context
    from perfsuite.records import Device

COMPONENTS = ("unet", "vae", "text_encoder", "text_encoder_2")
NAMES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def dtype_of(variant_or_names: Any) -> Any:
    """The torch dtype of a variant."""
    import torch

    for name, dtype in NAMES.items():
        if name in variant_or_names:
            return getattr(torch, dtype)
    raise ValueError(f"no precision in {variant_or_names!r}; one of {', '.join(NAMES)}")


def _wrong_parameters(pipe: Any, dtype: Any) -> list[str]:
    return [
        f"{component}.{name} is {tensor.dtype}"
        for component in COMPONENTS
        if (module := getattr(pipe, component, None)) is not None
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]
        if tensor.is_floating_point() and tensor.dtype != dtype
    ]


def _cast(pipe: Any, dtype: Any) -> None:
    import diffusers.utils.logging as diffusers_logging

    # It warns of modules to be kept in float32 even where its list of them is empty.
    level = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity_error()
    try:
        for component in COMPONENTS:
            module = getattr(pipe, component, None)
            if module is not None:
                module.to(dtype=dtype)
    finally:
        diffusers_logging.set_verbosity(level)


def _verify(pipe: Any, context: Context, dtype: Any) -> str:
    wrong = _wrong_parameters(pipe, dtype)
    if wrong:
        raise NotEngagedError(f"weights not in {dtype}: {some(wrong)}")
    seen = observe(pipe, context).dtypes
    # The pipeline up-casts a float16 VAE whose config asks for it, on every call.
    allowed = {str(dtype)}
    if str(dtype) == "torch.float16" and pipe.vae.config.force_upcast:
        allowed.add("torch.float32")
    if not seen <= allowed:
        raise NotEngagedError(f"activations in {', '.join(sorted(seen))}, wanted {dtype}")
    return f"all weights and the outputs of UNet and VAE in {dtype}"


def _apply_fp32(pipe: Any, context: Context) -> None:
    import torch

    # Ampere and later run float32 products in TF32 where allowed: ten bits of mantissa.
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    _cast(pipe, torch.float32)


def _verify_fp32(pipe: Any, context: Context) -> str:
    import torch

    try:
        found = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    except RuntimeError as error:
        # torch refuses to answer once its newer settings contradict these.
        raise NotEngagedError(f"float32 may not be strict: {error}") from error
    if found != ("highest", False):
        raise NotEngagedError(
            f"float32 is not strict: matmul precision {found[0]!r}, cudnn.allow_tf32 {found[1]}"
        )
    return _verify(pipe, context, torch.float32) + ", TF32 off"


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


FP32 = Optimization(
    name="fp32",
    summary="strict float32: no TF32 in matrix products or cuDNN",
    apply=_apply_fp32,
    verify=_verify_fp32,
    conflicts=("bf16", "fp16"),
)
BF16 = Optimization(
    name="bf16",
    summary="bfloat16 weights and activations",
    apply=_apply_bf16,
    verify=_verify_bf16,
    supports=_supports_bf16,
    conflicts=("fp32", "fp16"),
)
FP16 = Optimization(
    name="fp16",
    summary="float16 weights and activations",
    apply=_apply_fp16,
    verify=_verify_fp16,
    supports=_supports_fp16,
    conflicts=("fp32", "bf16"),
)
