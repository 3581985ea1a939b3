"""Settings of torch that nobody wrote down: found by asking torch which it has.

Most of `torch.backends` are pairs of functions, one that tells and one that sets; what torch adds in a later
version is found like the rest. What remains are plain values of those modules, and a few settings that have
no pair.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

_OF_THE_MOMENT = (
    "thread_name", "torch_function_state", "tracing_state", "graph_exec_group", "graph_executor_optimize",
)  # fmt: skip
"""What torch is doing, not how."""
_BY_HAND = ("allow_tf32", "float32_matmul_precision", "deterministic_algorithms", "default_dtype")
"""Parts of the names of settings that write each other, which `perfsuite.device.state` puts back in order."""
_SDP = re.compile(r"(\w+)_sdp_enabled")


@dataclass(frozen=True)
class Setting:
    """One setting of the process."""

    read: Callable[[], Any]
    write: Callable[[Any], object]


@cache
def enumerated() -> dict[str, Setting]:
    """By name, such as ``torch.mkldnn_enabled``; asked of torch once."""
    return {f"torch.{name}": setting for name, setting in (*_pairs(), *_values(), *_others())}


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str, Enum)) or _is_enum(value)


def _is_enum(value: Any) -> bool:
    """Whether it is an enumeration of torch's own, which Python does not know as one."""
    return hasattr(type(value), "__members__")


def _pairs() -> Iterator[tuple[str, Setting]]:
    """``_get_X`` and ``_set_X`` of torch's own library."""
    from torch import _C

    for getter in sorted(n for n in dir(_C) if n.startswith("_get_")):
        name = getter.removeprefix("_get_")
        kind = _SDP.fullmatch(name)
        write = getattr(_C, f"_set_sdp_use_{kind[1]}" if kind else f"_set_{name}", None)
        if write is None or name in _OF_THE_MOMENT or any(part in name for part in _BY_HAND):
            continue
        read = getattr(_C, getter)
        try:
            plain = _is_plain(read())
        except (TypeError, RuntimeError):  # it wants an argument, or is none of this device's
            continue
        if plain:
            yield f"sdp.{kind[1]}" if kind else _in_its_module(name), Setting(read, _writer(write))


def _in_its_module(name: str) -> str:
    """``cudnn.enabled`` of ``cudnn_enabled``, as it is called below `torch.backends`."""
    module, _, rest = name.partition("_")
    return f"{module}.{rest}" if rest and f"torch.backends.{module}" in sys.modules else name


def _writer(write: Callable[..., object]) -> Callable[[Any], object]:
    # What is told as several values is set by several arguments, but for lists.
    return lambda value: write(*value) if isinstance(value, tuple) else write(value)


def _values() -> Iterator[tuple[str, Setting]]:
    """Plain values of the modules of `torch.backends`, such as whether opt_einsum is used."""
    for full in sorted(n for n in sys.modules if n.startswith("torch.backends.")):
        # Some stand for the module of their name, and hold it.
        module: ModuleType = getattr(sys.modules[full], "m", sys.modules[full])
        short = full.removeprefix("torch.backends.")
        for name, value in vars(module).items():
            is_library = name == f"_{short}" or name.isupper() or name.startswith("__")
            if not is_library and _is_plain(value) and not name.endswith("_str"):
                yield f"{short}.{name}", _attribute(module, name)


def _attribute(holder: Any, name: str) -> Setting:
    return Setting(lambda: getattr(holder, name), lambda value: setattr(holder, name, value))


def _others() -> Iterator[tuple[str, Setting]]:
    """Settings that slow down or change numbers, and that torch has no pair for."""
    import torch

    yield "flush_denormal", Setting(_flushes_denormals, torch.set_flush_denormal)
    yield "anomaly_detection", Setting(torch.is_anomaly_enabled, torch.set_anomaly_enabled)
    yield "default_device", Setting(lambda: str(torch.get_default_device()), _set_default_device)
    yield "autocast.cache", Setting(torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled)
    for device in ("cpu", "cuda"):
        yield f"autocast.{device}", _of_device(device, torch.is_autocast_enabled, torch.set_autocast_enabled)
        yield (
            f"autocast.{device}_dtype",
            _of_device(device, torch.get_autocast_dtype, torch.set_autocast_dtype),
        )
    yield "compiler_stance", Setting(_stance, torch.compiler.set_stance)


def _of_device(device: str, read: Callable[[str], Any], write: Callable[[str, Any], object]) -> Setting:
    return Setting(lambda: read(device), lambda value: write(device, value))


def _flushes_denormals() -> bool:
    """Torch does not tell, so by a float32 number that has a denormal half."""
    import torch

    return bool((torch.tensor([2e-39], dtype=torch.float32, device="cpu") * 0.5)[0] == 0.0)


def _set_default_device(value: str) -> None:
    import torch

    # Of "cpu" torch would make a mode that every function passes.
    torch.set_default_device(None if value == "cpu" else value)


def _stance() -> str:
    """What `torch.compiler.set_stance` was told last; without Dynamo nothing was."""
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    return str(dynamo._stance.stance) if dynamo is not None else "default"
