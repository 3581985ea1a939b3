"""The machine's state around the timed calls: load of others on a CPU, clocks on a GPU."""

from __future__ import annotations

import time
from typing import Any


def _cuda_state() -> dict[str, float | str]:
    """Clocks, temperature and power of the first GPU by NVML; empty with the reason without it."""
    try:
        import pynvml
    except ImportError:
        return {"nvml": "nvidia-ml-py is not installed"}
    import torch

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return {"nvml": str(error)}
    try:
        uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        return {
            "sm_clock_mhz": pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM),
            "memory_clock_mhz": pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM),
            "temperature_c": pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU),
            "power_w": pynvml.nvmlDeviceGetPowerUsage(handle) / 1000.0,
            "throttle_reasons": pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle),
        }
    except pynvml.NVMLError as error:
        return {"nvml": str(error)}
    finally:
        pynvml.nvmlShutdown()


class Conditions:
    """Watches the machine from construction to `finish`."""

    def __init__(self, kind: str) -> None:
        import psutil

        self._kind = kind
        self._process = psutil.Process()
        self._before = _cuda_state() if kind == "cuda" else {}
        self._start = self._reading()

    def _reading(self) -> tuple[float, float, float]:
        import psutil

        every, own = psutil.cpu_times(), self._process.cpu_times()
        # Guest time is part of user time; stolen time is neither idle nor any process's.
        busy = every.user + every.system + every.nice + getattr(every, "steal", 0.0)
        return time.monotonic(), busy, own.user + own.system

    def finish(self) -> dict[str, Any]:
        """Conditions since construction: how many cores others kept busy, clocks before and after."""
        import torch

        then, busy_then, own_then = self._start
        now, busy, own = self._reading()
        elapsed = max(now - then, 1e-9)
        found: dict[str, Any] = {
            "threads": float(torch.get_num_threads()),
            "own_cores_busy": round((own - own_then) / elapsed, 3),
            "other_cores_busy": round(max(0.0, (busy - busy_then) - (own - own_then)) / elapsed, 3),
        }
        after = _cuda_state() if self._kind == "cuda" else {}
        for when, state in (("before", self._before), ("after", after)):
            found.update({f"{name}_{when}": value for name, value in state.items()})
        return found
