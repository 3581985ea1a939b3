"""What the NVIDIA management library knows of the GPU in use: limits, clocks, heat, who else is on it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HARMFUL = 0x8 | 0x20 | 0x40 | 0x80
"""Clock reasons that make a sample unfit: hardware slowdown, software and hardware thermal slowdown, power
brake (nvml.h, ``nvmlClocksEventReason``). Not the software power cap, 0x4: it is the usual state of a large
GPU at full load, the same in every session."""


class NoNvmlError(RuntimeError):
    """The library or the device does not answer; the message says why."""


@contextlib.contextmanager
def _library() -> Iterator[Any]:
    """The library, while it is open; whatever it refuses is a `NoNvmlError`."""
    try:
        import pynvml
    except ImportError as error:
        raise NoNvmlError("nvidia-ml-py is not installed") from error
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise NoNvmlError(f"NVML: {error}") from error
    try:
        yield pynvml
    except pynvml.NVMLError as error:
        raise NoNvmlError(f"NVML: {error}") from error
    finally:
        pynvml.nvmlShutdown()


@contextlib.contextmanager
def _device() -> Iterator[tuple[Any, Any]]:
    """The library and the handle of torch's current device."""
    import torch

    with _library() as pynvml:
        uuid = str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid)
        yield pynvml, _handle(pynvml, uuid)


def _handle(pynvml: Any, uuid: str) -> Any:
    """Of a GPU, or of a slice of one, by the name that torch gives it; a slice's has its own prefix."""
    if uuid.startswith(("GPU-", "MIG-")):
        return pynvml.nvmlDeviceGetHandleByUUID(uuid)
    try:
        return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    except pynvml.NVMLError_NotFound:
        return pynvml.nvmlDeviceGetHandleByUUID(f"MIG-{uuid}")


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Keep the library open, so that what opens it meanwhile need not wake the GPUs again.

    Raises `NoNvmlError`.
    """
    with _library():
        yield


def _asked(pynvml: Any, ask: Callable[[], Any]) -> Any:
    """One answer, None where there is none: a slice of a GPU has no clocks of its own, an old driver does not
    know a question, a new one has dropped it."""
    try:
        return ask()
    except (pynvml.NVMLError_Uninitialized, pynvml.NVMLError_GpuIsLost):
        raise
    except pynvml.NVMLError:
        return None


def facts() -> dict[str, str]:
    """What tells the current device from others of its name, as text.

    Driver, power limit and its default in watts, application and greatest clocks in MHz.

    Raises:
        NoNvmlError: with the reason.
    """
    with _device() as (nvml, handle):
        limit = _asked(nvml, lambda: nvml.nvmlDeviceGetPowerManagementLimit(handle))
        usual = _asked(nvml, lambda: nvml.nvmlDeviceGetPowerManagementDefaultLimit(handle))
        found = {
            "driver": _text(nvml.nvmlSystemGetDriverVersion()),
            "power_limit_w": None if limit is None else f"{limit / 1000:.0f}",
            "default_power_limit_w": None if usual is None else f"{usual / 1000:.0f}",
        }
        for name, kind in (("sm", nvml.NVML_CLOCK_SM), ("memory", nvml.NVML_CLOCK_MEM)):
            most = _asked(nvml, partial(nvml.nvmlDeviceGetMaxClockInfo, handle, kind))
            set_ = _asked(nvml, partial(nvml.nvmlDeviceGetApplicationsClock, handle, kind))
            found[f"{name}_clock_max_mhz"] = None if most is None else str(most)
            found[f"{name}_clock_application_mhz"] = None if set_ is None else str(set_)
    return {name: value for name, value in found.items() if value is not None}


def uuid() -> str:
    """Of torch's current device, as the driver writes it; as torch does where the driver does not answer."""
    try:
        with _device() as (nvml, handle):
            return _text(nvml.nvmlDeviceGetUUID(handle))
    except NoNvmlError:
        import torch

        known = str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid)
        return known if known.startswith(("GPU-", "MIG-")) else f"GPU-{known}"


def state() -> dict[str, float]:
    """Clocks in MHz, temperature in degrees Celsius, power in watts, clock reasons, other processes.

    Raises:
        NoNvmlError: with the reason.
    """
    with _device() as (nvml, handle):
        power = _asked(nvml, lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        others = _others(nvml, handle)
        found = {
            "sm_clock_mhz": _asked(nvml, lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
            "memory_clock_mhz": _asked(
                nvml, lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)
            ),
            "temperature_c": _asked(
                nvml, lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
            ),
            "power_w": None if power is None else power / 1000.0,
            "throttle_reasons": _asked(
                nvml, lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
            ),
            "other_processes": None if others is None else len(others),
        }  # fmt: skip
    return {name: float(value) for name, value in found.items() if value is not None}


def _others(nvml: Any, handle: Any) -> list[Any] | None:
    """Processes that compute on the device and are not ours; None where it does not tell.

    In a container a driver may give the host's numbers for processes (nvidia-docker#1483): then this one is
    not among them, though it computes there, and who is whose cannot be told.
    """
    running = _asked(nvml, lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle))
    if running is None:
        return None
    import torch

    if torch.cuda.is_initialized() and os.getpid() not in {p.pid for p in running}:
        return None
    ours = _ours()
    return [p for p in running if p.pid not in ours]


def _ours() -> set[int]:
    """This process, and those that wait for it: a run whose fresh process this is keeps its context."""
    import psutil

    return {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@dataclass(frozen=True)
class Installed:
    """What the driver knows, whatever torch sees of it."""

    names: tuple[str, ...]
    """Of the GPUs."""
    driver: str
    cuda: tuple[int, int]
    """The newest CUDA version that this driver serves."""


def installed() -> Installed:
    """The machine's GPUs and driver, asked without torch.

    Raises:
        NoNvmlError: no driver, or it does not answer.
    """
    with _library() as pynvml:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        served = int(pynvml.nvmlSystemGetCudaDriverVersion())
        return Installed(
            tuple(_text(pynvml.nvmlDeviceGetName(handle)) for handle in handles),
            _text(pynvml.nvmlSystemGetDriverVersion()),
            (served // 1000, served % 1000 // 10),
        )


def other_processes() -> list[tuple[int, int | None]] | None:
    """Process id and bytes of the current device's memory of each other process that computes on it; None
    where this device does not tell.

    Raises:
        NoNvmlError: with the reason.
    """
    with _device() as (nvml, handle):
        others = _others(nvml, handle)
        return None if others is None else [(p.pid, getattr(p, "usedGpuMemory", None)) for p in others]
