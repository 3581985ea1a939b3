"""Stands for `pynvml` and for torch's view of a GPU: there is none where these tests run."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


class NVMLError(Exception):
    pass


class NotSupported(NVMLError):
    pass


class NoPermission(NVMLError):
    pass


class NotFound(NVMLError):
    pass


class Uninitialized(NVMLError):
    pass


class GpuIsLost(NVMLError):
    pass


def make(answers: dict[str, Any]) -> ModuleType:
    """A module whose queries give these answers: a value, an exception to raise, or a list to take from."""
    module = ModuleType("pynvml")

    def query(name: str) -> Any:
        def ask(*arguments: Any) -> Any:
            answer = answers[name]
            if isinstance(answer, list):
                answer = answer.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer(*arguments) if callable(answer) else answer

        return ask

    usual: dict[str, Any] = {
        "Init": None,
        "Shutdown": None,
        "DeviceGetCount": 1,
        "DeviceGetHandleByIndex": "handle",
        "DeviceGetHandleByUUID": "handle",
        "DeviceGetName": "NVIDIA H100 80GB HBM3",
        "SystemGetCudaDriverVersion": 12090,
        "SystemGetDriverVersion": b"575.57.08",
        "DeviceGetPowerManagementLimit": 700_000,
        "DeviceGetPowerManagementDefaultLimit": 700_000,
        "DeviceGetMaxClockInfo": lambda handle, kind: 1980 if kind == 1 else 2619,
        "DeviceGetApplicationsClock": NotSupported("no"),
        "DeviceGetPowerUsage": 350_500,
        "DeviceGetComputeRunningProcesses": lambda handle: [],
        "DeviceGetClockInfo": lambda handle, kind: 1755 if kind == 1 else 2619,
        "DeviceGetTemperature": 61,
        "DeviceGetCurrentClocksThrottleReasons": 0,
    }
    answers = usual | answers
    for name in answers:
        setattr(module, f"nvml{name}", query(name))
    for name, value in {
        "NVMLError": NVMLError,
        "NVMLError_NotSupported": NotSupported,
        "NVMLError_NoPermission": NoPermission,
        "NVMLError_NotFound": NotFound,
        "NVMLError_Uninitialized": Uninitialized,
        "NVMLError_GpuIsLost": GpuIsLost,
        "NVML_CLOCK_SM": 1,
        "NVML_CLOCK_MEM": 2,
        "NVML_TEMPERATURE_GPU": 0,
    }.items():
        setattr(module, name, value)
    return module


def properties(index: int = 0, name: str = "NVIDIA H100 80GB HBM3") -> SimpleNamespace:
    """As `torch.cuda.get_device_properties` has them."""
    return SimpleNamespace(
        name=name, uuid=f"0000-{index}", major=9, minor=0, multi_processor_count=132, total_memory=85 * 10**9
    )


def place(
    monkeypatch: pytest.MonkeyPatch, count: int = 1, name: str = "NVIDIA H100 80GB HBM3", **answers: Any
) -> None:
    """Put so many GPUs in place of torch's, whose management library gives these answers."""
    import torch

    monkeypatch.setitem(sys.modules, "pynvml", make(answers))
    chosen = [0]
    for attribute, value in {
        "is_available": lambda: count > 0,
        "device_count": lambda: count,
        "get_device_name": lambda index: name,
        "get_device_properties": lambda index: properties(index, name),
        "set_device": lambda index: chosen.__setitem__(0, index),
        "current_device": lambda: chosen[0],
    }.items():
        monkeypatch.setattr(torch.cuda, attribute, value)
