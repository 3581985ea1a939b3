"""Errors after which a process cannot go on, told by the words of torch, CUDA and its libraries."""

import sys
from types import SimpleNamespace

import pytest

from perfsuite.device import failures as errors

ILLEGAL = (
    "CUDA error: an illegal memory access was encountered\n"
    "Search for `cudaErrorIllegalAddress' in https://docs.nvidia.com/cuda/ for more information.\n"
    "CUDA kernel errors might be asynchronously reported at some other API call"
)
NO_ROOM = (
    "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which "
    "3.25 GiB is free. Including non-PyTorch memory, this process has 75.00 GiB memory in use."
)


@pytest.mark.parametrize(
    "said",
    [
        ILLEGAL,
        "CUDA error: device-side assert triggered",
        "CUDA error: unspecified launch failure",
        "CUDA error: misaligned address",
        "Triton Error [CUDA]: an illegal memory access was encountered",
        "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx( handle, opa, opb, m, n, k)`",
        "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER",
        "CUDA error: uncorrectable ECC error encountered",
    ],
)
def test_a_lost_device_is_told_by_its_words(said: str) -> None:
    assert errors.sticky(RuntimeError(said)) is not None


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: invalid configuration argument"),
        RuntimeError("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasLtMatmul`"),
        RuntimeError(NO_ROOM),
        RuntimeError("misaligned address"),  # whose?
        ValueError(ILLEGAL),  # says so, and is none
        AssertionError("not equal"),
    ],
)
def test_other_errors_leave_the_device(error: Exception) -> None:
    assert errors.sticky(error) is None


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("no room"),
        RuntimeError(NO_ROOM),
        RuntimeError("CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation'"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:128] err == 0. DefaultCPUAllocator: can't allocate memory: you "
            "tried to allocate 1099511627776 bytes. Error code 12 (Cannot allocate memory)"
        ),
    ],
)
def test_lack_of_memory_is_told_on_both_sides(error: Exception) -> None:
    assert errors.out_of_memory(error) is error
    assert errors.out_of_memory(RuntimeError(ILLEGAL)) is None


def _wrapped(inner: Exception, *, hidden: bool) -> None:
    """Raise a `ValueError` from another error, or in its place."""
    try:
        raise inner
    except RuntimeError as error:
        raise ValueError("backend failed") from (None if hidden else error)


@pytest.mark.parametrize("hidden", [False, True])
def test_the_chain_of_an_error_is_searched(hidden: bool) -> None:
    """Compilers wrap what went wrong in errors of their own; what was hidden on purpose stays hidden."""
    inner = RuntimeError(ILLEGAL)
    with pytest.raises(ValueError, match="backend") as found:
        _wrapped(inner, hidden=hidden)
    assert errors.sticky(found.value) is (None if hidden else inner)


def test_a_real_allocation_that_is_too_large_is_told() -> None:
    """torch's own words on a CPU, as this version has them."""
    torch = pytest.importorskip("torch")
    with pytest.raises(RuntimeError) as found:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert errors.out_of_memory(found.value) is found.value


def _cuda(monkeypatch: pytest.MonkeyPatch, *, initialized: bool, error: Exception | None) -> list[str]:
    asked: list[str] = []

    def synchronize() -> None:
        asked.append("synchronize")
        if error is not None:
            raise error

    cuda = SimpleNamespace(is_initialized=lambda: initialized, synchronize=synchronize)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    return asked


def test_a_probe_finds_what_a_kernel_did_behind_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("CUDA error: an error of next year")
    asked = _cuda(monkeypatch, initialized=True, error=error)
    assert errors.probe("cuda") is error
    assert errors.probe("cpu") is None
    assert asked == ["synchronize"]


def test_a_probe_of_a_device_that_works_or_was_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    _cuda(monkeypatch, initialized=True, error=None)
    assert errors.probe("cuda") is None
    asked = _cuda(monkeypatch, initialized=False, error=RuntimeError("never asked"))
    assert errors.probe("cuda") is None
    assert asked == []
