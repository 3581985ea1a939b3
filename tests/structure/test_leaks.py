"""What one variant changes in the process, the next one does not see."""

import dataclasses

import numpy as np
import pytest
from machine import here

from perfsuite.device import Snapshot
from perfsuite.pipelines import prepare, release, workloads

WORKLOAD = dataclasses.replace(workloads.SHAPES, steps=2)


@pytest.fixture
def snapshot():
    """Settings before; restored afterwards whatever the test did."""
    taken = Snapshot.take()
    yield taken
    taken.restore()


def test_flags_of_a_variant_are_gone_after_it(snapshot):
    """int8 sets Inductor flags while it lives and leaves no trace."""
    prepared = prepare(WORKLOAD, here("bf16+sdpa+qkv+int8"), "cpu")
    during = snapshot.differences(Snapshot.take())
    assert "inductor.force_fuse_int_mm_with_mul" in during
    changed = release(prepared.pipe)
    assert "inductor.force_fuse_int_mm_with_mul" in changed
    assert snapshot.differences(Snapshot.take()) == {}


def test_a_flag_that_a_library_leaks_is_named_and_restored(snapshot):
    """torchao's `quantize_` with its defaults is the known offender."""
    import torch
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    prepared = prepare(WORKLOAD, here("bf16"), "cpu")
    quantize_(torch.nn.Linear(64, 64, dtype=torch.bfloat16), Int8DynamicActivationInt8WeightConfig())
    torch.set_float32_matmul_precision("high")
    changed = release(prepared.pipe)
    assert "inductor.coordinate_descent_tuning" in changed
    assert changed["torch.float32_matmul_precision"] == ("highest", "high")
    assert snapshot.differences(Snapshot.take()) == {}


def test_a_build_that_fails_leaves_no_trace(snapshot, monkeypatch):
    """An error halfway through the optimizations restores the settings too."""

    def fail(pipe, context):
        raise RuntimeError("out of memory")

    from perfsuite.pipelines import variants
    from perfsuite.pipelines.optimizations import OPTIMIZATIONS

    step = dataclasses.replace(OPTIMIZATIONS["qkv"], apply=fail)
    variant = variants.get(here("bf16+sdpa+qkv"))
    broken = dataclasses.replace(
        variant, optimizations=tuple(step if o.name == "qkv" else o for o in variant.optimizations)
    )
    with pytest.raises(RuntimeError, match="out of memory"):
        prepare(WORKLOAD, broken, "cpu")
    assert snapshot.differences(Snapshot.take()) == {}


def test_the_same_picture_before_and_after_another_variant(snapshot):
    """float32 draws bit for bit the same picture in a fresh process and after half precision with int8."""
    pictures = []
    for variant in ("fp32", here("bf16+sdpa+qkv+int8"), "fp32"):
        prepared = prepare(WORKLOAD, variant, "cpu")
        pictures.append(prepared.generate())
        release(prepared.pipe)
    assert np.array_equal(pictures[0], pictures[2])
    assert not np.array_equal(pictures[0], pictures[1])


def test_latents_do_not_depend_on_the_precision(snapshot):
    """bfloat16 starts from float32's latents, rounded, and not from other random numbers."""
    import torch

    first = prepare(WORKLOAD, "fp32", "cpu")
    exact = first.context.latents(first.pipe)
    release(first.pipe)
    second = prepare(WORKLOAD, "bf16", "cpu", forced=True)
    rounded = second.context.latents(second.pipe)
    release(second.pipe)
    assert exact.shape == (1, 4, 16, 16)
    assert torch.equal(exact.to(torch.bfloat16), rounded)


def test_release_refuses_a_stranger():
    """Only what was built here can be released here, and only once."""
    with pytest.raises(ValueError, match="not built"):
        release(object())
