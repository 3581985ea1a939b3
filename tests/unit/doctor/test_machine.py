"""Virtual machines, containers, and who else computes on the GPU."""

from collections.abc import Callable
from types import SimpleNamespace

import fake_nvml
import psutil
import pytest
from examining import CPU, GPU, Examine, Only

from perfsuite.doctor import machine
from perfsuite.records import Device, Health

VIRTUAL = {"proc/cpuinfo": "model name\t: Example\nflags\t\t: fpu hypervisor avx2"}


@pytest.mark.parametrize(
    ("files", "device", "status", "said"),
    [
        ({"proc/cpuinfo": "flags : fpu avx2"}, CPU, Health.OK, "hardware of its own"),
        ({}, CPU, Health.OK, "hardware of its own"),
        (VIRTUAL, CPU, Health.WARNING, "a virtual machine"),
        (VIRTUAL, GPU, Health.OK, "the GPU does the work"),
        (VIRTUAL | {".dockerenv": ""}, CPU, Health.WARNING, "a container on a virtual machine"),
        ({"proc/1/cgroup": "0::/kubepods/pod1"}, CPU, Health.OK, "a container on hardware of its own"),
        ({"proc/1/cgroup": "0::/init.scope"}, CPU, Health.OK, "hardware of its own"),
    ],
)
def test_kind(
    files: dict[str, str], device: Device, status: Health, said: str, examine: Examine, only: Only
) -> None:
    found = only(machine.kind(examine(device, files)))
    assert (found.status, found.found.startswith(said) or said in found.found) == (status, True)
    assert bool(found.remedy) is (status is not Health.OK)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Process 11 is a trainer, any other is of another container."""

    def process(pid: int | None = None) -> SimpleNamespace:
        if pid not in (None, 11):
            raise psutil.NoSuchProcess(pid)
        return SimpleNamespace(name=lambda: "trainer", parents=list)

    monkeypatch.setattr(psutil, "Process", process)


@pytest.mark.usefixtures("names")
def test_others_on_the_gpu_are_named(examine: Examine, only: Only, gpu: Callable[..., None]) -> None:
    running = [SimpleNamespace(pid=11, usedGpuMemory=2 << 30), SimpleNamespace(pid=12, usedGpuMemory=None)]
    gpu(DeviceGetComputeRunningProcesses=lambda handle: running)
    found = only(machine.gpu_processes(examine(GPU)))
    assert (found.status, found.figures["processes"]) == (Health.PROBLEM, 2)
    assert "trainer (process 11, 2048 MiB), unnamed (process 12, -)" in found.found


def test_nobody_on_the_gpu(examine: Examine, only: Only, gpu: Callable[..., None]) -> None:
    gpu()
    assert only(machine.gpu_processes(examine(GPU))).status is Health.OK


def test_a_slice_does_not_list(examine: Examine, only: Only, gpu: Callable[..., None]) -> None:
    gpu(DeviceGetComputeRunningProcesses=fake_nvml.NoPermission("no"))
    assert only(machine.gpu_processes(examine(GPU))).status is Health.WARNING


def test_no_answer_is_unknown(examine: Examine, only: Only, gpu: Callable[..., None]) -> None:
    gpu(Init=fake_nvml.NVMLError("gone"))
    found = only(machine.gpu_processes(examine(GPU)))
    assert (found.status, "gone" in found.found) == (Health.UNKNOWN, True)


def test_no_gpu_no_finding(examine: Examine) -> None:
    assert list(machine.gpu_processes(examine())) == []
