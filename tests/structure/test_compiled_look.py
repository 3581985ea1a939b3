"""What the look into compiled code finds that the looks at outputs do not: mistakes planted into real code.

In blocks that are compiled alone, which takes seconds; over whole models: perfsuite faults --compiled.
"""

import dataclasses

import pytest
from machine import needs_bfloat16

from perfsuite.pipelines import variants, workloads
from perfsuite.quality.compiled.look import NAME
from perfsuite.quality.compiled_trials import CompiledBench
from perfsuite.quality.faults.compiler import MISTAKES
from perfsuite.quality.trials import Honest

SMALL = dataclasses.replace(
    workloads.get("shapes@64x64+6steps"), prompts=workloads.SHAPES.prompts[:2], name="shapes-small"
)
REGIONAL = "bf16-sdpa-compile-regional"


@pytest.fixture(scope="module")
def bench():
    """The reference is recorded once."""
    needs_bfloat16()
    return CompiledBench(SMALL, "cpu")


@pytest.mark.selftest
@pytest.mark.parametrize(
    "name",
    ["one-attention-scale-doubled", "attention-scales-off-by-2-percent", "layer-norm-tail-lost",
     "linear-bias-lost", "linear-summed-in-bf16", "gelu-by-tanh"],
)  # fmt: skip
def test_a_mistake_is_found_where_it_is(bench, name):
    """Smaller than rounding at the UNet's output, and plain at its own place."""
    found = bench.mistake(variants.get(REGIONAL), MISTAKES[name])
    assert found.change > 0
    assert found.caught(NAME), found.quality.look(NAME).detail
    assert found.near, (found.place, found.planted)
    assert "computed by" in found.quality.look(NAME).detail or ", all " in found.place


@pytest.mark.selftest
def test_honest_code_passes_and_nothing_of_the_pipeline_changes(bench):
    """Every value is within its budget; the pipeline's own compiled code runs afterwards as before."""
    found = bench.compiled_honestly(Honest("as built", REGIONAL))
    look = found.quality.look(NAME)
    assert not found.caught(), look.detail
    assert look.count > 200
    assert "34 taps in 2 graphs" in look.detail
