"""The quality gate on the real small model: it finds every planted fault, and leaves honest code alone.

Where bfloat16 is emulated, float32 stands for it, unless it is the point. Two prompts must show every fault.
Honest code is left alone in all four, but on such machines, which are also slower.
"""

import shutil
from dataclasses import replace

import pytest
from machine import here, needs_bfloat16, why_no_bfloat16
from selftest import all_but

from perfsuite import pipelines, quality
from perfsuite.pipelines import variants, workloads
from perfsuite.pipelines.dtypes import dtype_of
from perfsuite.pipelines.models import shapes
from perfsuite.quality.faults import FAULTS, plant
from perfsuite.quality.levels import compare_levels, write_levels
from perfsuite.quality.trials import HONEST, Bench, scores
from perfsuite.records import PictureStatus

BAD = (PictureStatus.DEGRADED, PictureStatus.BROKEN)
# Real faults that float32 hides least and that pictures hide best.
IN_FLOAT32 = ("rounding-kept", "sigmas-in-bf16", "timesteps-in-bf16", "group-norm-affine-dropped")
IN_INT8 = ("int4-weights", "int8-scale-clipped", "attention-output-zero")
# One a component, and the loop: asked every time, all others by the self-test.
KEPT = (
    "vae-attention-zero", "sigmas-in-bf16", "keys-replaced-by-values", "text-encoder-last-layer",
    "text-bias-dropped",
)  # fmt: skip
TWO = replace(workloads.SHAPES, prompts=workloads.SHAPES.prompts[:2])


@pytest.fixture(scope="module")
def bench():
    """References are recorded once, without the user's cache."""
    return Bench(TWO, "cpu")


@pytest.fixture(scope="module")
def whole_bench():
    """Likewise, with all prompts."""
    return Bench(workloads.SHAPES if why_no_bfloat16() is None else TWO, "cpu")


def variant_for(name):
    """The plainest bfloat16 variant that takes the fault."""
    return next(
        variant
        for variant in (variants.get(here("bf16+sdpa")), variants.get(here("bf16+sdpa+qkv")))
        if FAULTS[name].applies(variant) is None
    )


def places(found):
    """Where the failing looks first left their budgets."""
    return [look.first.place for look in found.looks if look.first is not None]


@pytest.mark.parametrize(
    "name", all_but(KEPT, [name for name, fault in FAULTS.items() if not fault.harmless])
)
def test_fault_is_found(bench, name):
    """In bfloat16, and a failing look names the component that it sits in."""
    found = bench.fault(variant_for(name), name, with_peers=False).quality
    assert found.status in BAD, [look.detail for look in found.looks]
    assert any(place.startswith(FAULTS[name].component) for place in places(found)), places(found)


def test_code_that_is_compiled_stays_while_it_is_judged(monkeypatch):
    """The yardstick may be measured only then; its pipelines come and go without a reset of Dynamo."""
    import torch

    reference = quality.record_reference("shapes@64x64+2steps", "cpu")
    monkeypatch.setattr(torch._dynamo, "reset", lambda: pytest.fail("compiled code is thrown away"))
    assert reference.yardstick(here("bf16")).errors["components"]


@pytest.mark.selftest
@pytest.mark.parametrize("name", IN_FLOAT32)
def test_fault_is_found_in_float32(bench, name):
    """Where a wrong rounding is no part of any honest run."""
    assert bench.fault("fp32", name, with_peers=False).caught()


@pytest.mark.selftest
@pytest.mark.parametrize("name", IN_INT8)
def test_fault_is_found_behind_quantization(bench, name):
    """What int8 may cost does not cover it."""
    needs_bfloat16()  # int8's budget is a multiple of bfloat16's error
    assert bench.fault("bf16+sdpa+qkv+int8", name, with_peers=False).caught()


@pytest.mark.selftest
@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.harmless])
def test_harmless_change_passes(whole_bench, name):
    """What is nearer to float32 than eager code, or no further, is no fault."""
    needs_bfloat16()
    found = whole_bench.fault("bf16+sdpa", name, with_peers=False).quality
    assert found.status is PictureStatus.OK, [look.detail for look in found.looks]


@pytest.mark.selftest
@pytest.mark.parametrize(
    "case",
    [case for case in HONEST if "compile" not in case.variant and "fp32" not in case.variant],
    ids=lambda case: f"{case.variant}: {case.name}",
)
def test_honest_case_passes(whole_bench, case):
    """Other kernels, layouts, threads, seeds and prompts are no fault. Compiled rungs: tests/quality."""
    if "int8" in case.variant:
        needs_bfloat16()
    found = whole_bench.honest(replace(case, variant=here(case.variant)), with_peers=False).quality
    assert found.status is PictureStatus.OK, [look.detail for look in found.looks]
    assert all(look.count > 0 for look in found.looks)


@pytest.mark.selftest
def test_peers_pass_faults_that_are_found_here(bench):
    """One cross-attention without output: the peers' gates on pictures pass it, this one does not."""
    trial = bench.fault(here("bf16+sdpa"), "attention-output-zero")
    assert trial.caught("modules")
    assert not trial.peers["ssim-0.95"]
    assert not trial.peers["vllm-omni"]
    by_gate = {score.gate: score for score in scores([trial])}
    assert (by_gate["perfsuite"].faults, by_gate["vllm-omni"].faults) == (1, 0)


def test_any_pipeline_can_be_assessed(bench):
    """As a user does: build, change by hand, assess; the message names module and step."""
    reference = bench.reference(bench.workload)
    variant = here("bf16+sdpa")
    pipe = pipelines.build(bench.workload, variant, device="cpu")
    try:
        before = quality.assess(pipe, reference, variant)
        plant("keys-replaced-by-values", pipe, pipelines.prepared_of(pipe).context)
        after = quality.assess(pipe, reference, variant)
    finally:
        pipelines.release(pipe)
    assert before.status is PictureStatus.OK
    look = after.look("modules")
    assert look.status is PictureStatus.DEGRADED
    assert "attn" in look.first.place
    assert "step" in look.first.place
    assert look.first.ratio > 5
    assert before.scores[0].flip < after.scores[0].flip


@pytest.mark.selftest
def test_worse_eager_code_moves_the_levels(bench, monkeypatch, tmp_path):
    """A layer norm that is worse in bfloat16 for everybody: the budgets widen with it, the levels do not."""
    import torch

    precision = here("bf16")
    before = bench.reference(bench.workload)
    before.yardstick(precision)
    only = replace(before, yardsticks={precision: before.yardsticks[precision]})
    write_levels(tmp_path, only)
    assert compare_levels(tmp_path, only).status is PictureStatus.OK
    honest = torch.nn.functional.layer_norm

    def worse(values, *args, **kwargs):
        found = honest(values, *args, **kwargs)
        return found * 1.01 if values.dtype == dtype_of(precision) else found

    monkeypatch.setattr(torch.nn.functional, "layer_norm", worse)
    after = replace(before, yardsticks={})
    after.yardstick(precision)
    found = compare_levels(tmp_path, after)
    assert found.status is PictureStatus.DEGRADED
    assert found.beyond >= 3
    assert "eager code itself has moved" in found.detail


def test_other_steps_are_refused(bench):
    """A pipeline that was built for another number of steps, with both numbers."""
    reference = bench.reference(bench.workload)
    shorter = replace(bench.workload, steps=20)
    variant = here("bf16+sdpa")
    pipe = pipelines.build(shorter, variant, device="cpu")
    try:
        with pytest.raises(quality.WrongReferenceError, match=r"steps 20, the reference recorded with 30"):
            quality.assess(pipe, reference, variant)
    finally:
        pipelines.release(pipe)


def test_other_architecture_is_refused(bench):
    """Component, entry and both values are named."""
    reference = bench.reference(bench.workload)
    variant = here("bf16+sdpa")
    pipe = pipelines.build(bench.workload, variant, device="cpu")
    try:
        pipe.unet.register_to_config(cross_attention_dim=99)
        with pytest.raises(quality.WrongReferenceError, match=r"unet\.config\.cross_attention_dim is 99"):
            quality.assess(pipe, reference, variant)
    finally:
        pipelines.release(pipe)


def test_other_weights_are_refused(bench, tmp_path):
    """The same architecture from another folder with other contents; a mere copy is accepted."""
    reference = bench.reference(bench.workload)
    copied = shutil.copytree(shapes.WEIGHTS, tmp_path / "copied")
    other = shutil.copytree(shapes.WEIGHTS, tmp_path / "other")
    index = other / "model_index.json"
    index.write_text(index.read_text() + "\n")
    for folder, refused in ((copied, False), (other, True)):
        variant = here("bf16+sdpa")
        pipe = pipelines.build(bench.workload, variant, device="cpu", weights=str(folder))
        try:
            if refused:
                with pytest.raises(quality.WrongReferenceError, match=r"weights are those of .*other"):
                    quality.assess(pipe, reference, variant)
            else:
                assert quality.assess(pipe, reference, variant).status is PictureStatus.OK
        finally:
            pipelines.release(pipe)


@pytest.mark.selftest
def test_modules_are_exact_on_the_reference_itself(bench):
    """Fed with its own inputs every module of the float32 pipeline gives its own output, bit for bit."""
    found = bench.honest(next(c for c in HONEST if (c.name, c.variant) == ("as built", "fp32")))
    look = found.quality.look("modules")
    assert look.count > 400
    assert look.worst.error == 0.0
