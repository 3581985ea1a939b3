"""Which GPU it is and in what state, as its management library says; the library is stood in for."""

import importlib
import os
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import fake_nvml
import pytest

from perfsuite.device import NoDeviceError, fingerprint, nvml
from perfsuite.device.telemetry import Conditions

Gpu = Callable[..., None]


def test_fingerprint_holds_what_tells_devices_apart(gpu: Gpu) -> None:
    gpu()

    found = fingerprint("cuda")

    assert (found.kind, found.slug, found.place) == ("cuda", "nvidia-h100-80gb-hbm3", "cuda:0")
    assert found.details["driver"] == "575.57.08"
    assert found.details["power_limit_w"] == found.details["default_power_limit_w"] == "700"
    assert found.details["sm_clock_max_mhz"] == "1980"
    assert "sm_clock_application_mhz" not in found.details


@pytest.mark.parametrize(
    ("name", "limit", "slug"),
    [
        ("NVIDIA H100 80GB HBM3", 450_000, "nvidia-h100-80gb-hbm3-450w"),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", 700_000, "nvidia-a100-sxm4-40gb-mig-1g-5gb"),
        ("NVIDIA H100 80GB HBM3", fake_nvml.NotSupported("no"), "nvidia-h100-80gb-hbm3"),
        ("NVIDIA H100 80GB HBM3", fake_nvml.NoPermission("no"), "nvidia-h100-80gb-hbm3"),
    ],
)
def test_another_power_limit_is_another_device(name: str, limit: Any, slug: str, gpu: Gpu) -> None:
    """It has a baseline file of its own; a slice of a GPU has its profile in its name."""
    gpu(name=name, DeviceGetPowerManagementLimit=limit)

    assert fingerprint("auto").slug == slug


def test_a_gpu_has_one_name_whoever_tells_it(gpu: Gpu) -> None:
    """The driver's, and where it does not answer torch's in the driver's form."""
    gpu(DeviceGetUUID=b"GPU-0000-0")
    assert nvml.uuid() == "GPU-0000-0"
    gpu(DeviceGetUUID=fake_nvml.NotSupported("no"))
    assert nvml.uuid() == "GPU-0000-0"
    gpu(name="NVIDIA A100-SXM4-40GB MIG 1g.5gb", DeviceGetUUID="MIG-0000-0")
    assert nvml.uuid() == "MIG-0000-0"


TOO_OLD = "CUDA initialization: The NVIDIA driver on your system is too old (found 11040)."


@pytest.mark.parametrize(
    ("built", "warning", "reason"),
    [
        (None, None, "is a CPU build; install a CUDA build"),
        ("12.8", None, "is built for CUDA 12.8, and finds no GPU; check nvidia-smi and CUDA_VISIBLE_DEVICES"),
        ("12.8", f"{TOO_OLD}\nUpdate it.", f"is built for CUDA 12.8: {TOO_OLD}; check nvidia-smi"),
    ],
)
def test_no_gpu_says_why_and_what_to_do(
    built: str | None, warning: str | None, reason: str, gpu: Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For every way to name one; torch warns once a process, and the second try still knows."""
    import torch

    gpu(count=0)
    said = [warning] if warning else []

    def is_available() -> bool:
        if said:
            warnings.warn(said.pop(), stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(importlib.import_module("perfsuite.device.fingerprint"), "_REASONS", [])
    for choice in ("cuda", "cuda:3"):
        with pytest.raises(NoDeviceError) as found:
            fingerprint(choice)
        assert str(found.value).startswith(f"no CUDA device for {choice}: torch ")
        assert reason in str(found.value)
        assert str(found.value).endswith(", or use the CPU (cpu)")
    assert fingerprint("auto").kind == "cpu"


def test_one_of_several(gpu: Gpu) -> None:
    import torch

    gpu(count=2)

    assert fingerprint("cuda:1").place == "cuda:1"
    assert torch.cuda.current_device() == 1
    with pytest.raises(NoDeviceError, match=r"no device cuda:2: there is cuda:0 NVIDIA .*, cuda:1 NVIDIA"):
        fingerprint("cuda:2")


@pytest.mark.parametrize("choice", ["cuda:", "cuda:-1", "cuda:x", "CUDA", "mps", "", "cpu:0"])
def test_what_is_no_device(choice: str) -> None:
    with pytest.raises(ValueError, match=r"unknown device .*: one of auto, cpu, cuda, cuda:N"):
        fingerprint(choice)


def test_without_the_library_the_reason_is_kept(gpu: Gpu) -> None:
    gpu(Init=fake_nvml.NVMLError("Driver/library version mismatch"))

    assert fingerprint("cuda").details["nvml"] == "NVML: Driver/library version mismatch"
    conditions = Conditions("cuda")
    conditions.mark()
    conditions.pause()
    assert conditions.throttled() == []
    assert conditions.finish()["nvml"] == "NVML: Driver/library version mismatch"


def test_state_counts_the_processes_of_others(gpu: Gpu, process: Callable[[int], SimpleNamespace]) -> None:
    """The run that waits for this process is none of them, though its context is on the GPU."""
    ours, others = [process(os.getpid()), process(os.getppid())], [process(2**23), process(2**23 + 1)]
    gpu(DeviceGetComputeRunningProcesses=lambda handle: [*ours, *others])

    assert nvml.state() == {
        "sm_clock_mhz": 1755.0,
        "memory_clock_mhz": 2619.0,
        "temperature_c": 61.0,
        "power_w": 350.5,
        "throttle_reasons": 0.0,
        "other_processes": 2.0,
    }


@pytest.mark.parametrize(
    ("reasons", "rounds", "throttled"),
    [
        ([0, 0, 0, 0], 3, []),
        ([0, 0x40, 0, 0], 3, [0, 1]),
        ([0, 0, 0, 0x8], 3, [2]),
        ([0x20, 0, 0], 2, [0]),
        ([0x4, 0x1, 0x2], 2, []),
    ],
)
def test_a_round_is_throttled_if_the_gpu_was_before_or_after_it(
    reasons: list[int], rounds: int, throttled: list[int], gpu: Gpu
) -> None:
    """Heat and hardware count; idle, set clocks and the software's power cap are no fault."""
    gpu(DeviceGetCurrentClocksThrottleReasons=list(reasons))
    conditions = Conditions("cuda")

    for _ in range(rounds):
        conditions.mark()
    conditions.pause()

    assert conditions.throttled() == throttled
    seen = 0
    for value in reasons:
        seen |= value
    assert conditions.finish()["throttle_reasons"] == seen


def test_what_lies_between_two_batches_of_rounds_is_none(gpu: Gpu) -> None:
    gpu(DeviceGetCurrentClocksThrottleReasons=[0, 0, 0x8, 0, 0])
    conditions = Conditions("cuda")

    conditions.mark()
    conditions.pause()
    conditions.pause()
    conditions.mark()
    conditions.pause()

    assert conditions.throttled() == []


def test_readings_are_shown_by_their_range(gpu: Gpu) -> None:
    gpu(DeviceGetPowerUsage=[300_000, 500_000, 400_000], DeviceGetTemperature=fake_nvml.NotSupported("no"))
    conditions = Conditions("cuda")

    conditions.mark()
    conditions.mark()
    conditions.pause()
    found = conditions.finish()

    assert [found[f"power_w_{word}"] for word in ("min", "median", "max")] == [300.0, 400.0, 500.0]
    assert "temperature_c_min" not in found


def test_a_slice_goes_by_its_own_name(gpu: Gpu) -> None:
    """torch gives the number without a prefix, and a whole GPU has another."""
    asked: list[str] = []

    def handle(name: str) -> str:
        asked.append(name)
        if name.startswith("GPU-"):
            raise fake_nvml.NotFound("no")
        return "handle"

    gpu(DeviceGetHandleByUUID=handle)

    assert nvml.state()["sm_clock_mhz"] == 1755.0
    assert asked == ["GPU-0000-0", "MIG-0000-0"]


def test_one_question_that_is_refused_loses_one_answer(gpu: Gpu) -> None:
    """A new driver has dropped some, an old one does not know some; a GPU that is lost answers none."""
    gpu(DeviceGetCurrentClocksThrottleReasons=fake_nvml.NVMLError("deprecated"))
    assert "throttle_reasons" not in nvml.state()
    assert nvml.state()["power_w"] == 350.5
    gpu(DeviceGetPowerUsage=fake_nvml.GpuIsLost("GPU is lost"))
    with pytest.raises(nvml.NoNvmlError, match="GPU is lost"):
        nvml.state()


def test_in_a_container_whose_processes_have_other_numbers_nobody_is_counted(
    gpu: Gpu, process: Callable[[int], SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process computes on the GPU and is not among those listed: the numbers are not ours."""
    import torch

    gpu(DeviceGetComputeRunningProcesses=lambda handle: [process(2**23)])
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)

    assert "other_processes" not in nvml.state()
    assert nvml.other_processes() is None


def test_the_library_stays_open_while_conditions_are_watched(gpu: Gpu) -> None:
    """So that no reading has to wake the GPUs; every opening is closed."""
    opened: list[int] = []
    gpu(Init=lambda: opened.append(1), Shutdown=lambda: opened.append(-1))

    conditions = Conditions("cuda")
    conditions.mark()
    conditions.pause()
    assert sum(opened) == 1
    conditions.finish()
    assert sum(opened) == 0
