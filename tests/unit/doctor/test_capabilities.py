"""torch's build against the machine's GPUs, and the device that is taken."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import fake_nvml
import pytest
from examining import GPU, Examine, Only

from perfsuite.device import NoDeviceError
from perfsuite.doctor import capabilities as building
from perfsuite.pipelines import variants
from perfsuite.records import Device, Health


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A torch built for this CUDA, on a machine with one GPU that NVML shows."""
    import torch

    def make(cuda: str | None, available: bool = False, **answers: Any) -> None:
        monkeypatch.setitem(sys.modules, "pynvml", fake_nvml.make(answers))
        monkeypatch.setattr(torch.version, "cuda", cuda)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return make


def test_a_cpu_build_beside_a_gpu_is_a_problem(
    build: Callable[..., None], examine: Examine, only: Only
) -> None:
    build(None)
    found = only(building.torch_build(examine()))
    assert found.status is Health.PROBLEM
    assert (
        "a CPU build on a machine with NVIDIA H100 80GB HBM3 (driver 575.57.08, CUDA up to 12.9)"
        in found.found
    )
    assert "CUDA build" in found.remedy


def test_a_cpu_build_is_fine_where_the_cpu_was_asked_for(
    build: Callable[..., None], examine: Examine, only: Only
) -> None:
    build(None)
    assert only(building.torch_build(examine(choice="cpu"))).status is Health.OK


def test_a_cpu_build_without_a_gpu_is_fine(build: Callable[..., None], examine: Examine, only: Only) -> None:
    build(None, Init=fake_nvml.NVMLError("Driver Not Loaded"))
    found = only(building.torch_build(examine()))
    assert (found.status, found.figures["cuda"]) == (Health.OK, None)
    assert "no NVIDIA GPU" in found.found


def test_a_driver_older_than_the_build(build: Callable[..., None], examine: Examine, only: Only) -> None:
    build("12.8", SystemGetCudaDriverVersion=11040)
    found = only(building.torch_build(examine()))
    assert found.status is Health.PROBLEM
    assert "the driver is too old" in found.found
    assert "CUDA up to 11.4" in found.found
    assert "built for CUDA 11" in found.remedy


def test_a_hidden_gpu(
    build: Callable[..., None], examine: Examine, only: Only, monkeypatch: pytest.MonkeyPatch
) -> None:
    build("12.8")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = only(building.torch_build(examine()))
    assert (found.status, "hides" in found.found) == (Health.PROBLEM, True)
    assert "unset CUDA_VISIBLE_DEVICES" in found.remedy


def test_a_gpu_that_torch_does_not_reach(
    build: Callable[..., None], examine: Examine, only: Only, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def refuse() -> None:
        raise RuntimeError("CUDA unknown error\nmore")

    build("12.8")
    monkeypatch.setattr(torch.cuda, "init", refuse)
    found = only(building.torch_build(examine()))
    assert (found.status, found.found.endswith(": CUDA unknown error")) == (Health.PROBLEM, True)


def test_a_gpu_that_torch_uses(build: Callable[..., None], examine: Examine, only: Only) -> None:
    build("12.8", available=True)
    found = only(building.torch_build(examine()))
    assert found.status is Health.OK
    assert "built for CUDA 12.8" in found.found


def test_a_torch_that_does_not_import(examine: Examine, only: Only, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = only(building.torch_build(examine()))
    assert found.status is Health.PROBLEM
    assert "torch cannot be imported" in found.found


@pytest.mark.parametrize(
    ("capability", "compiled", "has"),
    [
        ("9.0", ["sm_80", "sm_90"], True),
        ("8.6", ["sm_80", "sm_90"], True),
        ("8.0", ["sm_86"], False),
        ("7.5", ["sm_80", "sm_90"], False),
        ("12.0", ["sm_90"], False),
        ("12.0", ["sm_90", "compute_90"], True),
        ("12.0", ["sm_100", "sm_120"], True),
        ("9.0", ["sm_90a"], True),
        ("9.0", [], False),
    ],
)
def test_code_for_a_capability(
    capability: str, compiled: list[str], has: bool, examine: Examine, only: Only,
    gpu: Callable[..., None], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Binary code within the major capability, PTX on every later one."""
    import torch

    gpu()
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: compiled)
    device = replace(GPU, details={"capability": capability, "index": "0"})
    found = only(building.device(examine(device)))
    assert found.status is (Health.OK if has else Health.PROBLEM)
    assert capability in found.found


def test_a_slice_is_said(
    examine: Examine, only: Only, gpu: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    gpu(count=2)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_90"])
    found = only(building.device(examine(replace(GPU, name="NVIDIA A100 MIG 1g.5gb"))))
    assert (found.status, "a slice (MIG)" in found.found) == (Health.WARNING, True)
    assert "auto takes cuda:0" in found.found
    assert "of 2 GPUs" in found.found


def test_no_such_device(examine: Examine, only: Only, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(choice: str) -> Device:
        raise NoDeviceError(f"no CUDA device for {choice}")

    monkeypatch.setattr("perfsuite.doctor.examination.fingerprint", none)
    found = only(building.device(examine(None, choice="cuda")))
    assert (found.status, found.found) == (Health.PROBLEM, "no CUDA device for cuda")


def test_the_cpu_and_its_threads(examine: Examine, only: Only) -> None:
    found = only(building.device(examine()))
    assert found.found == "auto takes cpu: Example CPU, baselines cpu-example-4t, 4 threads"


@pytest.mark.parametrize(("bfloat16", "status"), [("native", Health.OK), ("emulated", Health.WARNING)])
def test_precisions(bfloat16: str, status: Health, examine: Examine, only: Only) -> None:
    device = Device("cpu", "Example CPU", "cpu-example", 4, 2**34, {"bfloat16": bfloat16})
    found = only(building.precision(examine(device)))
    assert found.status is status
    assert ("bfloat16 is emulated" in found.found) is (bfloat16 == "emulated")
    assert "float16 is emulated" in found.found


def test_a_named_variant_in_an_emulated_precision_is_a_problem(examine: Examine, only: Only) -> None:
    device = Device("cpu", "Example CPU", "cpu-example", 4, 2**34, {"bfloat16": "emulated"})
    chosen = (variants.get("fp32-sdpa"), variants.get("bf16-sdpa"))
    found = only(building.precision(examine(device, variants=chosen)))
    assert found.status is Health.PROBLEM
    assert found.remedy.startswith("leave out bf16-sdpa;")
