"""The arithmetic that is counted is that of the real call, and stands beside the device's rates."""

import dataclasses

from machine import here

from perfsuite.measuring import limits
from perfsuite.pipelines import prepare, release, workloads

WORKLOAD = dataclasses.replace(workloads.SHAPES, steps=2)


def test_counted_without_data_as_in_the_real_call():
    """Without SDPA, for which torch has no formula on a CPU; the text encoders use it in any variant."""
    from torch.utils.flop_counter import FlopCounterMode

    prepared = prepare(WORKLOAD, "fp32", "cpu")
    try:
        with FlopCounterMode(display=False) as counter:
            prepared.generate()
        text, step, vae = limits.work(prepared.pipe, WORKLOAD)
        unguided = limits.work(prepared.pipe, dataclasses.replace(WORKLOAD, guidance=1.0))
    finally:
        release(prepared.pipe)

    real = {name: sum(counts.values()) for name, counts in counter.get_flop_counts().items()}
    rest = real["Global"] - real["UNet2DConditionModel"] - vae
    assert real["UNet2DConditionModel"] == 2 * step
    assert real["CLIPTextModel"] + real["CLIPTextModelWithProjection"] == rest
    assert rest < text < 1.5 * rest
    assert unguided == (text, step // 2, vae)


def test_what_a_variant_changes_does_not_change_its_arithmetic():
    """Fused projections and int8 layers do the same mathematics; nothing is run."""
    plain = prepare(WORKLOAD, here("bf16-sdpa"), "cpu")
    expected = limits.work(plain.pipe, WORKLOAD)
    release(plain.pipe)
    changed = prepare(WORKLOAD, "fp32+sdpa+qkv+int8", "cpu")
    try:
        assert limits.work(changed.pipe, WORKLOAD) == expected
    finally:
        release(changed.pipe)


def test_limits_of_a_pipeline_are_its_work_and_this_devices_rates():
    """How near a call comes is a benchmark's matter: beside other processes neither time means much."""
    prepared = prepare(WORKLOAD, "fp32-sdpa", "cpu")
    try:
        found = limits.limits(prepared)
        expected = limits.work(prepared.pipe, WORKLOAD)
    finally:
        release(prepared.pipe)

    assert (found.text_flop, found.step_flop, found.vae_flop) == expected
    assert found.product_flop_per_s > 0
    assert found.copy_bytes_per_s > 0
