"""Clock policy and heat, of a CPU made of files and of a GPU that is stood in for."""

from collections.abc import Callable
from typing import Any

import fake_nvml
import pytest
from examining import GPU, Examine, Only

from perfsuite.doctor import clocks
from perfsuite.records import Health

CPUS = "sys/devices/system/cpu"


def governors(*names: str) -> dict[str, str]:
    return {f"{CPUS}/cpu{i}/cpufreq/scaling_governor": name for i, name in enumerate(names)}


@pytest.mark.parametrize(
    ("files", "status", "said"),
    [
        ({}, Health.WARNING, "does not show its clock policy"),
        (governors("performance", "performance"), Health.OK, "governor performance"),
        (governors("schedutil"), Health.WARNING, "governor schedutil: clocks follow the load"),
        (governors("performance", "powersave"), Health.WARNING, "performance (1 cores), powersave (1 cores)"),
        (governors("performance") | {f"{CPUS}/intel_pstate/no_turbo": "0"}, Health.WARNING, "turbo on"),
        (governors("performance") | {f"{CPUS}/intel_pstate/no_turbo": "1"}, Health.OK, "turbo off"),
        (governors("performance") | {f"{CPUS}/cpufreq/boost": "1"}, Health.WARNING, "clocks follow heat"),
        (governors("performance") | {f"{CPUS}/cpufreq/boost": "0"}, Health.OK, "turbo off"),
    ],
)
def test_cpu_policy(files: dict[str, str], status: Health, said: str, examine: Examine, only: Only) -> None:
    found = only(clocks.cpu_clocks(examine(files=files)))
    assert found.status is status
    assert said in found.found
    assert bool(found.remedy) is (status is not Health.OK)


def test_the_hosts_clocks_matter_less_for_a_gpu(examine: Examine, only: Only) -> None:
    assert only(clocks.cpu_clocks(examine(GPU, governors("powersave")))).status is Health.OK


def test_heat_since_the_start(examine: Examine) -> None:
    files = governors("performance") | {
        f"{CPUS}/cpu0/thermal_throttle/core_throttle_count": "7",
        f"{CPUS}/cpu1/thermal_throttle/package_throttle_count": "5",
    }
    policy, heat = clocks.cpu_clocks(examine(files=files))
    assert (policy.status, heat.status) == (Health.OK, Health.WARNING)
    assert "12 times" in heat.found


def test_no_heat(examine: Examine, only: Only) -> None:
    files = governors("performance") | {f"{CPUS}/cpu0/thermal_throttle/core_throttle_count": "0"}
    assert only(clocks.cpu_clocks(examine(files=files))).figures["throttle_events"] == 0


@pytest.mark.parametrize(
    ("answers", "name", "status", "said"),
    [
        ({}, "GPU limits", Health.OK, "power limit 700 W, SM clock at most 1980 MHz"),
        ({"DeviceGetPowerManagementLimit": 450_000}, "GPU limits", Health.WARNING, "450 W"),
        ({"DeviceGetApplicationsClock": 1200}, "GPU limits", Health.WARNING, "application clock 1200 MHz"),
        ({}, "GPU clocks", Health.OK, "1755 MHz, 61 degrees Celsius"),
        ({"DeviceGetCurrentClocksThrottleReasons": 0x4}, "GPU clocks", Health.OK, "power cap"),
        (
            {"DeviceGetCurrentClocksThrottleReasons": 0x40 | 0x4}, "GPU clocks", Health.PROBLEM,
            "lowered now: power cap, hardware thermal slowdown",
        ),
        ({"DeviceGetCurrentClocksThrottleReasons": 0x80}, "GPU clocks", Health.PROBLEM, "power brake"),
        ({"DeviceGetTemperature": 91}, "GPU clocks", Health.WARNING, "hot: "),
    ],
)  # fmt: skip
def test_gpu(
    answers: dict[str, Any], name: str, status: Health, said: str, examine: Examine, gpu: Callable[..., None]
) -> None:
    gpu(**answers)
    found = {f.name: f for f in clocks.gpu_clocks(examine(GPU))}[name]
    assert found.status is status
    assert said in found.found
    assert bool(found.remedy) is (status is not Health.OK)


def test_a_gpu_that_does_not_answer_is_unknown(
    examine: Examine, only: Only, gpu: Callable[..., None]
) -> None:
    gpu(Init=fake_nvml.NVMLError("Driver Not Loaded"))
    found = only(clocks.gpu_clocks(examine(GPU)))
    assert (found.status, "Driver Not Loaded" in found.found) == (Health.UNKNOWN, True)


def test_a_slice_tells_nothing_and_that_is_said(examine: Examine, gpu: Callable[..., None]) -> None:
    no = fake_nvml.NotSupported("no")
    gpu(
        DeviceGetPowerManagementLimit=no, DeviceGetPowerManagementDefaultLimit=no, DeviceGetMaxClockInfo=no,
        DeviceGetPowerUsage=no, DeviceGetClockInfo=no, DeviceGetTemperature=no,
        DeviceGetCurrentClocksThrottleReasons=no,
    )  # fmt: skip
    limits, now = clocks.gpu_clocks(examine(GPU))
    assert "tells no limits" in limits.found
    assert "tells no clocks" in now.found


def test_no_gpu_no_finding(examine: Examine) -> None:
    assert list(clocks.gpu_clocks(examine())) == []
