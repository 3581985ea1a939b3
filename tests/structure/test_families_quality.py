"""Honest half precision passes every look on every family: no kernel is wrong for everybody there."""

import dataclasses

import pytest
from machine import here

from perfsuite import quality
from perfsuite.pipelines import prepare, release, variants, workloads
from perfsuite.quality.plausibility import judge_honest
from perfsuite.quality.reference import base_of
from perfsuite.records import PictureStatus

pytestmark = pytest.mark.selftest
CASES = [
    *(
        (name, variant)
        for name in ("tiny-sd15", "tiny-pixart", "tiny-sd3", "tiny-flux")
        for variant in ("bf16+sdpa+channels-last+qkv", "bf16+sdpa+layerwise-fp8")
    ),
    ("tiny-kandinsky", "bf16+sdpa+channels-last"),
]


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_honest_code_passes(name, variant, tmp_path):
    """Flux rounds times before their sines are taken, and float8 is stored of rounded weights: the second
    opinion does so, too. Kandinsky asks its decoder's output by name."""
    workload = workloads.get(name)
    asked = dataclasses.replace(workload, prompts=workload.prompts[:2])
    made = variants.get(here(variant))
    reference = quality.record_reference(asked, "cpu", base=base_of(made))
    prepared = prepare(asked, made, "cpu")
    try:
        judged = quality.assess(prepared.pipe, reference, made)
    finally:
        release(prepared.pipe)
    assert judged.status is PictureStatus.OK, [look.detail for look in judged.looks]
    assert judge_honest(tmp_path, reference).status is PictureStatus.NEW
