"""Techniques beyond the ladder beside each other, and under the gates: what is honest is not refused."""

import dataclasses

import pytest

from perfsuite.pipelines import prepare, release, workloads
from perfsuite.structure.gates import GATES

EIGHT = dataclasses.replace(workloads.SHAPES, steps=8)
TWO = dataclasses.replace(EIGHT, batch=2)
FLUX = dataclasses.replace(workloads.get("tiny-flux"), steps=6)


@pytest.mark.parametrize(
    ("workload", "variant", "evidence"),
    [
        # The decoder is called once a tile, each time with its one attention.
        (EIGHT, "fp32+sdpa+vae-tiling:64+deepcache:3+cfg-cutoff", "9 tiles of at most 8x8"),
        (TWO, "fp32+sdpa+vae-tiling:64+vae-slicing", "2 pictures decoded one after another"),
        # What an adapter changed is quantized then, some of it in a layer around the layer.
        (EIGHT, "fp32+sdpa+qkv+int8+lcm:4", "4 UNet calls of 1 rows"),
        (EIGHT, "fp32+sdpa+lora-hotswap+deepcache:2+tiny-vae+sdpa-math", "layers held what each file holds"),
        (FLUX, "fp32+sdpa+taylorseer:2+vae-tiling:32", "tiles of at most 4x4"),
    ],
)
def test_honest_combinations_are_engaged(workload, variant, evidence):
    """Each proof holds, also once all are applied, and the numbers are the architecture's."""
    if "lora" in variant or "lcm" in variant:
        pytest.importorskip("peft")
    prepared = prepare(workload, variant, "cpu")
    try:
        found = GATES["engagement"](prepared)
        assert evidence in "\n".join(found.facts)
        assert found.problems == ()
    finally:
        release(prepared.pipe)


@pytest.mark.parametrize(
    ("workload", "variant", "place"),
    [
        (EIGHT, "fp32+sdpa+lcm:4", "schedulers/scheduling_lcm.py"),
        (FLUX, "fp32+sdpa+first-block-cache:2", "hooks/first_block_cache.py"),
    ],
)
def test_what_a_technique_waits_for_by_its_nature_is_said(workload, variant, place):
    """And is no problem; another wait is."""
    if "lcm" in variant:
        pytest.importorskip("peft")
    prepared = prepare(workload, variant, "cpu")
    try:
        found = GATES["syncs"](prepared)
        assert f"of them are diffusers' own, in {place}" in "\n".join(found.facts)
        assert found.problems == ()
        scheduler = type(prepared.pipe.scheduler)

        def reading(self, output, timestep, *args, **kwargs):
            output.sum().item()
            return scheduler.step(self, output, timestep, *args, **kwargs)

        prepared.pipe.scheduler.__class__ = type(scheduler.__name__, (scheduler,), {"step": reading})
        (problem,) = GATES["syncs"](prepared).problems
        assert "in every step" in problem
        assert "output.sum().item()" in problem
    finally:
        release(prepared.pipe)
