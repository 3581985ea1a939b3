"""The process's global settings: taken before a variant is built, put back after it.

torch, diffusers and torchao keep settings that change speed and results for all that follows in the
process; a variant that leaves one changed would be measured as its successor's doing.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfsuite.device.enumerated import enumerated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ALLOCATORS = ("MALLOC_", "JE_MALLOC_", "_RJEM_", "TCMALLOC_", "MIMALLOC_", "PYTHONMALLOC")
"""Beginnings of variables that tell allocators how to serve."""
_ENVIRONMENT = (
    "TORCH", "PYTORCH_", "INDUCTOR", "TRITON_", "DIFFUSERS_", "ATEN_", "ONEDNN_", "DNNL_",
    "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_", "TBB_", "LD_PRELOAD", "GLIBC_TUNABLES",
    *ALLOCATORS, "PYTHONDEVMODE", "PYTHON_GIL", "PYTHON_JIT", "SAFETENSORS_", "XFORMERS_",
    "CUDA_", "CUBLAS_", "NVIDIA_", "NCCL_",
)  # fmt: skip
_OWN = ("PYTORCH_NVML_BASED_CUDA_CHECK",)
"""Set by the suite itself in its fresh processes."""


def _configs() -> dict[str, Any]:
    import torch._dynamo.config
    import torch._functorch.config
    import torch._inductor.config
    import torch.fx.experimental._config

    return {
        "fx": torch.fx.experimental._config,
        "inductor": torch._inductor.config,
        "dynamo": torch._dynamo.config,
        "functorch": torch._functorch.config,
    }


def _attention_backend() -> Any:
    """diffusers' global active attention backend, None where this diffusers has none."""
    try:
        from diffusers.models.attention_dispatch import _AttentionBackendRegistry
    except ImportError:
        return None
    return _AttentionBackendRegistry._active_backend


def _set_attention_backend(value: Any) -> None:
    if value is not None:
        from diffusers.models.attention_dispatch import _AttentionBackendRegistry

        _AttentionBackendRegistry._active_backend = value


_MIXED = "(set through fp32_precision)"
"""Value of a legacy TF32 setting that torch refuses to read, since the newer ones contradict it."""


def _fp32_precisions() -> dict[str, Any]:
    """The holders of the newer TF32 settings; the first two are inherited by the others."""
    from torch import backends

    return {
        "torch.fp32_precision": backends,
        "torch.cudnn.fp32_precision": backends.cudnn,
        "torch.cuda.matmul.fp32_precision": backends.cuda.matmul,
        "torch.cudnn.conv.fp32_precision": backends.cudnn.conv,
        "torch.cudnn.rnn.fp32_precision": backends.cudnn.rnn,
        "torch.mkldnn.matmul.fp32_precision": backends.mkldnn.matmul,
        "torch.mkldnn.conv.fp32_precision": backends.mkldnn.conv,
        "torch.mkldnn.rnn.fp32_precision": backends.mkldnn.rnn,
    }


def _legacy_tf32(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except RuntimeError:
        return _MIXED


@dataclass(frozen=True)
class Tf32:
    """Whether float32 products may use TF32: settings of the process, that two pipelines side by side want
    differently, and that compiled code is guarded by."""

    matmul: Any
    cudnn: Any

    @classmethod
    def take(cls) -> Tf32:
        """As they are now."""
        import torch

        return cls(
            _legacy_tf32(torch.get_float32_matmul_precision),
            _legacy_tf32(lambda: torch.backends.cudnn.allow_tf32),
        )

    def strict(self) -> Tf32:
        """The same without TF32."""
        return Tf32(
            self.matmul if self.matmul == _MIXED else "highest", self.cudnn if self.cudnn == _MIXED else False
        )

    def put(self) -> None:
        """Set them so; what torch had refused to tell is left alone."""
        import torch

        if self.matmul != _MIXED:
            torch.set_float32_matmul_precision(self.matmul)
        if self.cudnn != _MIXED:
            torch.backends.cudnn.allow_tf32 = self.cudnn


def _torch_settings() -> dict[str, Any]:
    import torch

    tf32 = Tf32.take()
    return {
        "torch.float32_matmul_precision": tf32.matmul,
        "torch.cudnn.allow_tf32": tf32.cudnn,
        **{name: holder.fp32_precision for name, holder in _fp32_precisions().items()},
        "torch.default_dtype": torch.get_default_dtype(),
        "torch.num_threads": torch.get_num_threads(),
        "torch.grad_enabled": torch.is_grad_enabled(),
        "torch.deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "torch.deterministic_warn_only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "torch.flash_attention_impl": _flash_attention_impl(),
        **{name: setting.read() for name, setting in enumerated().items()},
    }


def _flash_attention_impl() -> Any:
    """What flash attention is re-routed to, None for torch's own and where this torch cannot."""
    from torch.nn import attention

    current = getattr(attention, "current_flash_attention_impl", None)
    return None if current is None else current()


def put_flash_attention(value: str | None) -> None:
    """Re-route flash attention to an implementation, such as ``FA3``; None: torch's own.

    It holds for the whole process, so that of two pipelines side by side each call has to say it.
    """
    from torch.nn import attention

    if value != _flash_attention_impl():
        if value is None:
            attention.restore_flash_attention_impl()
        else:
            attention.activate_flash_attention_impl(value)


@contextlib.contextmanager
def flash_attention(wanted: str | None) -> Iterator[None]:
    """For a moment flash attention is this implementation, and afterwards what it was."""
    before = _flash_attention_impl()
    put_flash_attention(wanted)
    try:
        yield
    finally:
        put_flash_attention(before)


def _restore_torch(settings: dict[str, Any]) -> None:
    import torch

    Tf32(settings["torch.float32_matmul_precision"], settings["torch.cudnn.allow_tf32"]).put()
    # After the legacy settings, which write these; only where they differ, so that what was inherited
    # stays inherited.
    for name, holder in _fp32_precisions().items():
        if holder.fp32_precision != settings[name]:
            holder.fp32_precision = settings[name]
    torch.set_default_dtype(settings["torch.default_dtype"])
    torch.set_num_threads(settings["torch.num_threads"])
    torch.set_grad_enabled(settings["torch.grad_enabled"])
    torch.use_deterministic_algorithms(
        settings["torch.deterministic_algorithms"], warn_only=settings["torch.deterministic_warn_only"]
    )
    put_flash_attention(settings["torch.flash_attention_impl"])
    for name, setting in enumerated().items():
        if setting.read() != settings[name]:
            setting.write(settings[name])


_DEFAULTS: dict[str, Any] = {
    "torch.float32_matmul_precision": "highest",
    "torch.cudnn.allow_tf32": True,
    "torch.cudnn.conv.fp32_precision": "tf32",
    "torch.cudnn.rnn.fp32_precision": "tf32",
    "torch.default_dtype": "torch.float32",
    "torch.grad_enabled": True,
    "torch.deterministic_algorithms": False,
    "torch.deterministic_warn_only": False,
    "torch.autocast.cache": True,
    "torch.autocast.cpu_dtype": "torch.bfloat16",
    "torch.autocast.cuda_dtype": "torch.float16",
    "torch.autograd_fallback_mode": "warn",
    "torch.blas_preferred_backend": "_BlasBackend.Cublas",
    "torch.compiler_stance": "default",
    "torch.cublas_allow_bf16_reduced_precision_reduction": (True, True),
    "torch.cublas_allow_fp16_reduced_precision_reduction": (True, True),
    "torch.cudnn.depthwise_kernel": "auto",
    "torch.cudnn.enabled": True,
    "torch.default_device": "cpu",
    "torch.deterministic_fill_uninitialized_memory": True,
    "torch.linalg_preferred_backend": "_LinalgBackend.Default",
    "torch.mha._is_fastpath_enabled": True,
    "torch.mkldnn.enabled": True,
    "torch.nnpack.enabled": True,
    "torch.qengine": 4,
    "torch.rocm_fa_preferred_backend": "_ROCmFABackend.Default",
    "torch.sdp.cudnn": True,
    "torch.sdp.flash": True,
    "torch.sdp.math": True,
    "torch.sdp.mem_efficient": True,
    "torch.sdp.overrideable": True,
    "torch.sdp_priority_order": [1, 2, 0, 3, 4],
    "diffusers.attention_backend": "AttentionBackendName.NATIVE",
}
"""Of torch 2.13, where they are none of `_OFF`. A default that another torch has is noted as if somebody had
set it, on every side alike."""
_OFF = ("False", "None", "none")


def settings_apart() -> dict[str, str]:
    """Settings of this moment that are not the libraries' own defaults, as text, by qualified name.

    Of the environment what torch and its kin read, except paths: those say nothing about speed, and are
    nobody's business. The number of threads is always there.
    """
    values = {**_torch_settings(), "diffusers.attention_backend": _attention_backend()}
    found = {
        name: str(value)
        for name, value in values.items()
        if (str(value) != str(_DEFAULTS[name]) if name in _DEFAULTS else str(value) not in _OFF)
        and value is not None
    }
    for root, config in _configs().items():
        entries = getattr(config, "_config", {})
        for name, value in config.get_config_copy().items():
            # Of an object without a text of its own, the text is an address.
            if name in entries and value != entries[name].default and " at 0x" not in str(value):
                found[f"{root}.{name}"] = str(value)
    return {**found, **{f"env.{name}": value for name, value in variables().items()}}


def variables() -> dict[str, str]:
    """What libraries read of the environment, by name; of a preloaded library its file's name, and nothing
    else that is a path."""
    found = {k: v for k, v in os.environ.items() if k.startswith(_ENVIRONMENT) and k not in _OWN}
    preloaded = found.pop("LD_PRELOAD", "").replace(":", " ").split()
    kept = {name: value for name, value in found.items() if os.sep not in value}
    return kept | ({"LD_PRELOAD": " ".join(map(os.path.basename, preloaded))} if preloaded else {})


@dataclass(frozen=True)
class Snapshot:
    """A copy of the settings at one moment."""

    values: dict[str, Any]
    """By qualified name, for instance ``inductor.epilogue_fusion`` or ``env.OMP_NUM_THREADS``."""

    @classmethod
    def take(cls) -> Snapshot:
        """Copy the settings as they are now."""
        values = _torch_settings()
        for root, config in _configs().items():
            values.update({f"{root}.{k}": v for k, v in config.get_config_copy().items()})
        values["diffusers.attention_backend"] = _attention_backend()
        values.update({f"env.{k}": v for k, v in os.environ.items() if k.startswith(_ENVIRONMENT)})
        return cls(values)

    def differences(self, other: Snapshot) -> dict[str, tuple[Any, Any]]:
        """Settings that differ: name to (value here, value there)."""
        missing = "(not set)"
        names = sorted(self.values.keys() | other.values.keys())
        pairs = {n: (self.values.get(n, missing), other.values.get(n, missing)) for n in names}
        return {n: pair for n, pair in pairs.items() if pair[0] != pair[1]}

    def restore(self) -> dict[str, tuple[Any, Any]]:
        """Put the settings back; returns what had changed as name to (before, after)."""
        changed = self.differences(Snapshot.take())
        for root, config in _configs().items():
            values = {n: before for n, (before, _) in changed.items() if n.startswith(f"{root}.")}
            for name, before in values.items():
                setattr(config, name.removeprefix(f"{root}."), before)
        for name in [n for n in changed if n.startswith("env.")]:
            key = name.removeprefix("env.")
            if name in self.values:
                os.environ[key] = self.values[name]
            else:
                del os.environ[key]
        _restore_torch(self.values)
        _set_attention_backend(self.values["diffusers.attention_backend"])
        return changed
