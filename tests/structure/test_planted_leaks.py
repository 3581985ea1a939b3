"""Planted leaks: each setting is named with its values, and honest variants leak nothing."""

import os

import pytest
from gates import finds, passes
from machine import here


def test_torchaos_quantize_is_the_known_offender(rung):
    """With its defaults it changes Inductor's configuration for all that follows in the process."""
    import torch
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    prepared = rung(here("bf16+sdpa+qkv+int8"))
    assert "inductor.force_fuse_int_mm_with_mul" in passes("leaks", prepared)
    layer = torch.nn.Linear(64, 64, dtype=torch.bfloat16)
    quantize_(layer, Int8DynamicActivationInt8WeightConfig())
    said = finds("leaks", prepared)
    assert "leaked inductor.coordinate_descent_tuning: False before, True now" in said
    assert "leaked inductor.coordinate_descent_check_all_directions: False before, True now" in said
    assert "leaked inductor.force_fuse_int_mm_with_mul" not in said


def _default_dtype(torch):
    torch.set_default_dtype(torch.bfloat16)


def _tf32(torch):
    torch.set_float32_matmul_precision("high")


def _threads(torch):
    torch.set_num_threads(torch.get_num_threads() + 1)


def _dynamo(torch):
    torch._dynamo.config.suppress_errors = True


def _backend(torch):
    from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry

    _AttentionBackendRegistry._active_backend = AttentionBackendName._NATIVE_MATH


def _environment(torch):
    os.environ["PYTORCH_ALLOC_CONF"] = "expandable_segments:True"


def _benchmark(torch):
    torch.backends.cudnn.benchmark = True


def _no_onednn(torch):
    torch.backends.mkldnn.enabled = False


def _no_cudnn(torch):
    torch.backends.cudnn.enabled = False


def _denormals(torch):
    torch.set_flush_denormal(True)


def _sums(torch):
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False


@pytest.mark.parametrize(
    ("leak", "name"),
    [
        (_no_onednn, "torch.mkldnn.enabled: True before, False now"),
        (_no_cudnn, "torch.cudnn.enabled: True before, False now"),
        (_denormals, "torch.flush_denormal: False before, True now"),
        (
            _sums,
            "torch.cublas_allow_bf16_reduced_precision_reduction: (True, True) before, (False, True) now",
        ),
        (_default_dtype, "torch.default_dtype: torch.float32 before, torch.bfloat16 now"),
        (_tf32, "torch.float32_matmul_precision: 'highest' before, 'high' now"),
        (_threads, "torch.num_threads"),
        (_dynamo, "dynamo.suppress_errors: False before, True now"),
        (_backend, "diffusers.attention_backend"),
        (_environment, "env.PYTORCH_ALLOC_CONF: '(not set)' before, 'expandable_segments:True' now"),
        (_benchmark, "torch.cudnn.benchmark: False before, True now"),
    ],
)
def test_a_leaked_setting_is_named(rung, leak, name):
    """Before and now; afterwards the pipeline is as it was, leak and all."""
    import torch

    prepared = rung(here("bf16+sdpa"))
    passes("leaks", prepared)
    leak(torch)
    assert f"leaked {name}" in finds("leaks", prepared)
    assert f"leaked {name}" in finds("leaks", prepared)


def test_a_setting_that_cannot_be_put_back(rung, monkeypatch):
    """Restoring misses it: the next variant would see it."""
    from perfsuite.device import Snapshot

    prepared = rung(here("bf16+sdpa"))
    monkeypatch.setattr(Snapshot, "restore", lambda self: {})
    _benchmark(__import__("torch"))
    said = finds("leaks", prepared)
    assert "cannot be put back: torch.cudnn.benchmark" in said
    __import__("torch").backends.cudnn.benchmark = False
