"""What the look into compiled code finds that the looks at outputs do not: mistakes planted into real code.

In blocks that are compiled alone, which takes seconds; over whole models: perfsuite faults --compiled.
"""

import dataclasses
import re

import numpy as np
import pytest
from machine import needs_bfloat16

from perfsuite.pipelines import prepare, release, variants, workloads
from perfsuite.quality.assessing import inspect
from perfsuite.quality.compiled.look import NAME
from perfsuite.quality.compiled_bench import CompiledBench
from perfsuite.quality.compiled_crediting import Located
from perfsuite.quality.faults.compiler import MISTAKES
from perfsuite.records import PictureStatus

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
def test_mistakes_of_a_group_are_each_found_where_they_are(bench):
    """Two in one compilation, a third that is read by what reads one of them in another; each is smaller
    than rounding at the UNet's output, and plain at its own place."""
    variant = variants.get(REGIONAL)
    names = ("one-attention-scale-doubled", "layer-norm-tail-lost", "linear-summed-in-bf16")
    groups = bench.groups(variant, [MISTAKES[name] for name in names])
    assert [len(sites) for sites in groups] == [2, 1]
    found = [trial for i, sites in enumerate(groups) for trial in bench.group(variant, sites, i)]
    assert {trial.case for trial in found} == set(names)
    for trial in found:
        assert trial.change > 0
        assert trial.located is Located.YES, (trial.case, trial.place, trial.planted)
        assert trial.caught(NAME), trial.quality.look(NAME).detail


@pytest.mark.selftest
def test_a_mistake_alone_is_found_where_it_is(bench):
    """Among all looks; the message names what computed it."""
    found = bench.mistake(variants.get(REGIONAL), MISTAKES["attention-scales-off-by-2-percent"])
    assert found.change > 0
    assert found.caught(NAME), found.quality.look(NAME).detail
    assert found.located is Located.YES, (found.place, found.planted)
    assert "computed by" in found.quality.look(NAME).detail


@pytest.mark.selftest
def test_honest_code_passes_and_nothing_of_the_pipeline_changes(bench):
    """Every value is within its budget; the pipeline's own compiled code runs afterwards as before."""
    import torch

    prepared = prepare(SMALL, REGIONAL, "cpu")
    try:
        prepared.context.first_call(prepared.pipe)
        before = prepared.context.generate(prepared.pipe, steps=2)
        found = inspect(
            prepared.pipe, bench.reference(SMALL), prepared.context.variant, None, prepared.context.device,
            SMALL, large=False,
        )  # fmt: skip
        with torch.compiler.set_stance("fail_on_recompile"):
            after = prepared.context.generate(prepared.pipe, steps=2)
    finally:
        release(prepared.pipe)
    look = found.quality.look(NAME)
    assert found.quality.status is PictureStatus.OK, look.detail
    assert look.count > 200
    assert re.search(r"\d+ taps in 2 graphs; \d+ calls of kernels with taps, \d+ without", look.detail)
    assert np.array_equal(before, after)
