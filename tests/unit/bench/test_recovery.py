"""What an error means for the rest of a run: in words that say when, how much, and what to do."""

import pytest

from perfsuite.bench import recovery
from perfsuite.records import Device

GPU = Device("cuda", "NVIDIA H100", "nvidia-h100", 1, 80 * 2**30, {"index": "0"})
CPU = Device("cpu", "a CPU", "a-cpu", 2, 16 * 2**30)
NO_ROOM = (
    "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which "
    "516.25 MiB is free. Including non-PyTorch memory, this process has 75.00 GiB memory in use."
)
ILLEGAL = "CUDA error: an illegal memory access was encountered\nSearch for `cudaErrorIllegalAddress'"


def test_lack_of_device_memory_says_when_how_much_and_what_to_do() -> None:
    found = recovery.explain(RuntimeError(NO_ROOM), "sdxl-base bf16", "warm-up", GPU)

    assert isinstance(found, recovery.OutOfMemoryError)
    assert str(found).startswith(
        "sdxl-base bf16: out of memory in phase 'warm-up': 20.00 GiB wanted, 516.25 MiB free of 80.0 GiB of "
        "NVIDIA H100; end other programs, or take a smaller workload"
    )
    assert str(found).endswith(f"RuntimeError: {NO_ROOM}")


def test_lack_of_host_memory_says_how_much_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "free_bytes", lambda kind: 3 * 2**30)
    said = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 10737418240 bytes."
    found = recovery.explain(RuntimeError(said), "shapes fp32", "pictures", CPU)
    assert "out of memory in phase 'pictures': 10.0 GiB wanted, 3.0 GiB free of 16.0 GiB" in str(found)
    bare = recovery.explain(MemoryError(), "shapes fp32", "pictures", CPU)
    assert "more wanted, 3.0 GiB free" in str(bare)


def test_what_a_build_was_doing_is_said() -> None:
    error = RuntimeError(NO_ROOM)
    error.add_note("while verifying compile")
    assert "out of memory while verifying compile: " in str(recovery.explain(error, "a b", "building", GPU))


def test_a_lost_device_names_variant_phase_error_and_how_to_find_the_place() -> None:
    found = recovery.explain(RuntimeError(ILLEGAL), "shapes bf16", "warm-up", GPU)

    assert isinstance(found, recovery.LostDeviceError)
    assert str(found) == (
        "shapes bf16: CUDA is lost to this process in phase 'warm-up': RuntimeError: CUDA error: an illegal "
        "memory access was encountered; what is left of the run is done in fresh processes (see: perfsuite "
        "guide gpu). To find the place: CUDA_LAUNCH_BLOCKING=1 pytest --benchmark-only "
        "--perf-workload=shapes --perf-variant=bf16"
    )
    of_reference = recovery.explain(RuntimeError(ILLEGAL), "shapes reference", "modules", GPU)
    assert str(of_reference).endswith("--perf-variant=fp32")


def test_any_error_is_asked_about_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed kernel may show as something else first: the device itself tells."""
    monkeypatch.setattr(recovery.errors, "probe", lambda kind: RuntimeError(ILLEGAL))
    found = recovery.explain(AssertionError("dtype"), "shapes bf16", "building", GPU)
    assert isinstance(found, recovery.LostDeviceError)


def test_other_errors_mean_nothing_for_the_rest() -> None:
    assert recovery.explain(AssertionError("dtype"), "shapes bf16", "building", CPU) is None
