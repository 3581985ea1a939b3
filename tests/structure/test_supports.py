"""What a device cannot run, or should not, is skipped with a reason that a person understands."""

import dataclasses

import pytest
from machine import here

from perfsuite.device import NoDeviceError, fingerprint
from perfsuite.pipelines import UnsupportedError, prepare, unsupported
from perfsuite.records import Device

OLD_GPU = Device("cuda", "Tesla T4", "tesla-t4", 1, 16 * 2**30, {"capability": "7.5"})
NEW_GPU = dataclasses.replace(OLD_GPU, name="NVIDIA A100", details={"capability": "8.0"})


def test_float16_is_skipped_on_a_cpu():
    """Emulated, and never faster: the reason says so."""
    assert "emulated" in unsupported("fp16-sdpa", fingerprint("cpu"))


def test_bfloat16_is_skipped_where_it_is_emulated():
    """The reason says what the CPU lacks and what it costs; float32 runs, and so do older records."""
    cpu = Device("cpu", "a laptop", "a-laptop-2t", 2, 2**30, {"bfloat16": "emulated"})
    reason = unsupported("bf16-sdpa", cpu)
    assert "AVX-512" in reason
    assert "8 times slower" in reason
    assert unsupported("fp32-sdpa", cpu) is None
    for details in ({"bfloat16": "native"}, {}):
        assert unsupported("bf16-sdpa", dataclasses.replace(cpu, details=details)) is None


def test_this_cpu_says_whether_bfloat16_is_native():
    """By torch's own word, where it gives one."""
    import torch

    found = fingerprint("cpu").details["bfloat16"]
    assert found in ("native", "emulated")
    assert (unsupported("bf16", fingerprint("cpu")) is None) == (found == "native")
    if hasattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported"):
        assert (found == "native") == torch.ops.mkldnn._is_mkldnn_bf16_supported()


@pytest.mark.parametrize(
    ("capability", "found"), [("AVX512", "native"), ("AVX2", "emulated"), ("DEFAULT", "emulated")]
)
def test_without_torchs_own_check_the_instruction_set_tells(monkeypatch, capability, found):
    """The check is no interface of torch's, and may be gone in another version."""
    import torch

    monkeypatch.setattr(torch, "ops", object())
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert fingerprint("cpu").details["bfloat16"] == found


@pytest.mark.parametrize("variant", ["bf16", "fp16+sdpa+int8"])
def test_an_old_gpu_is_told_what_it_lacks(variant):
    """bfloat16 and int8 need compute capability 8.0; float16 alone does not."""
    reason = unsupported(variant, OLD_GPU)
    assert "8.0" in reason
    assert "7.5" in reason
    assert unsupported(variant, NEW_GPU) is None
    assert unsupported("fp16", OLD_GPU) is None


@pytest.mark.parametrize(
    ("variant", "least"), [("tf32", "8.0"), ("tf32-sdpa-compile", "8.0"), ("bf16+sdpa+qkv+fp8", "8.9")]
)
def test_number_formats_of_newer_gpus(variant, least):
    """TF32 came with Ampere, float8 with Ada; a CPU has neither and is told so, weight-only int8 runs."""
    older = dataclasses.replace(OLD_GPU, details={"capability": "8.6" if least == "8.9" else "7.5"})
    reason = unsupported(variant, older)
    assert f"needs compute capability {least}, Tesla T4 has {older.details['capability']}" in reason
    assert unsupported(variant, dataclasses.replace(OLD_GPU, details={"capability": least})) is None
    assert "GPU" in unsupported(variant, Device("cpu", "a CPU", "a-cpu", 2, 2**30, {"bfloat16": "native"}))
    for device in (older, fingerprint("cpu")):
        assert unsupported("fp32+int8-weights", device) is None


def test_without_a_compiler_compiled_variants_are_skipped():
    """Inductor finds no C++ compiler: eager variants run, compiled ones say why not."""
    import torch._inductor.config as config

    device = fingerprint("cpu")
    with config.patch({"cpp.cxx": ("no-such-compiler",)}):
        assert "C++ compiler" in unsupported(here("bf16-sdpa-compile"), device)
        assert "C++ compiler" in unsupported(here("bf16-sdpa-compile-regional"), device)
        assert unsupported(here("bf16-sdpa"), device) is None
    assert unsupported(here("bf16-sdpa-compile"), device) is None


def test_building_an_unsupported_variant_is_an_error():
    """Not a slow surprise."""
    with pytest.raises(UnsupportedError, match="emulated"):
        prepare("shapes", "fp16", "cpu")


def test_a_device_that_is_not_there_is_named():
    """Asking for CUDA on a machine without it says what to do."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(NoDeviceError, match=r"no CUDA device .*use the CPU \(cpu\)"):
        fingerprint("cuda")
