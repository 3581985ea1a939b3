"""Random weights in the real pipeline, at the small model's size: every part takes part."""

import dataclasses
import re

import numpy as np
import pytest

from perfsuite.pipelines import models, prepare, release, workloads
from perfsuite.pipelines.families import SDXL
from perfsuite.quality.generation import call_denoiser, call_encoder, call_vae, record
from perfsuite.quality.relative_errors import relative_l2, tensors_in

WORKLOAD = dataclasses.replace(workloads.SHAPES, steps=6)
LAST = re.compile(r"(conv2|to_out\.0|out_proj|ff\.net\.2|fc2|proj_out)$")
"""Last layers of the branches that are added to a stream."""
LEAST = 0.02
"""Least change of a component's output when one branch is silent: five rounding units of bfloat16."""


@pytest.fixture(scope="module")
def built():
    """The pipeline, what passed between its components, and the largest value of every module."""
    import torch

    prepared = prepare(WORKLOAD, "fp32", "cpu", "random")
    largest = {}

    def hear(name):
        def heard(module, args, output):
            values = [float(t.abs().max()) for t in tensors_in(output)]
            largest[name] = max([largest.get(name, 0.0), *values])

        return heard

    hooks = [
        module.register_forward_hook(hear(f"{component}.{name}"))
        for component in SDXL.components
        for name, module in getattr(prepared.pipe, component).named_modules()
    ]
    trace = record(prepared.pipe, prepared.context, 0)
    for hook in hooks:
        hook.remove()
    assert not torch.is_inference_mode_enabled()
    yield prepared, trace, largest
    release(prepared.pipe)


def run(prepared, trace, component):
    """The output of one component on its recorded inputs, early in the schedule."""
    if component == "unet":
        return call_denoiser(prepared.pipe, prepared.context, trace, 1)
    if component == "vae":
        return call_vae(prepared.pipe, prepared.context, trace)
    return call_encoder(prepared.pipe, prepared.context, trace, component)[1]


def test_it_says_that_the_weights_are_random(built):
    """Among the evidence of the variant."""
    assert built[0].evidence[-1].startswith("weights: random")


def test_activations_are_finite_in_float16(built):
    """The largest of any module lies far below float16's 65504, after every one was reached."""
    _, _, largest = built
    assert len(largest) > 300
    assert max(largest.values()) < 6550.0


def test_the_prediction_has_unit_size_and_the_loop_stays_bounded(built):
    """The UNet's output in every step; latents no larger than the schedule allows; a picture at the end."""
    _, trace, _ = built
    assert all(0.7 < float(noise.std()) < 1.4 for noise in trace["noise"])
    assert float(trace["latents"].std()) < 100.0
    assert trace.picture.std() > 0.05
    assert float(((trace.picture <= 0.0) | (trace.picture >= 1.0)).mean()) < 0.5


@pytest.mark.selftest
@pytest.mark.parametrize("component", SDXL.components)
def test_every_residual_branch_contributes(built, component):
    """Silence the last layer of each branch alone: the component's output moves well beyond rounding."""
    import torch

    prepared, trace, _ = built
    whole = run(prepared, trace, component)
    moved = {}
    for name, module in getattr(prepared.pipe, component).named_modules():
        if not LAST.search(name) or (component == "vae" and name.startswith("encoder.")):
            continue  # the picture does not come from the VAE's encoder
        hook = module.register_forward_hook(lambda module, args, output: torch.zeros_like(output))
        moved[name] = relative_l2(run(prepared, trace, component), whole)
        hook.remove()
    assert len(moved) >= 4
    weakest = min(moved, key=moved.get)
    assert moved[weakest] > LEAST, f"{weakest}: {moved[weakest]:.4f}"


def test_prompts_and_guidance_matter(built):
    """With and without the prompt the UNet predicts something else, in every step."""
    _, trace, _ = built
    for noise in trace["noise"]:
        assert relative_l2(noise[1], noise[0]) > 0.05


def test_a_batch_draws_its_first_picture_as_alone(built):
    """Side by side; the others are of latents of their own."""
    prepared, trace, _ = built
    both = dataclasses.replace(prepared.context, workload=dataclasses.replace(WORKLOAD, batch=2))
    picture = both.generate(prepared.pipe)
    assert picture.shape == (128, 256, 3)
    one, other = np.split(picture, 2, axis=1)
    assert np.abs(one - trace.picture).max() < 1e-3
    assert np.abs(one - other).mean() > 0.02


def test_pictures_of_random_weights_are_not_judged(built):
    """Shown, and never OK; a broken one is still BROKEN, in either half of a batch."""
    from perfsuite.quality.pictures import judge
    from perfsuite.records import PictureStatus

    _, trace, _ = built
    workload = dataclasses.replace(WORKLOAD, prompts=WORKLOAD.prompts[:1], batch=2)
    picture = np.concatenate([trace.picture, trace.picture], axis=1)
    blind = models.blind(WORKLOAD, "random")
    found = judge(workload, [picture], [picture], {}, blind=blind)
    assert (found.status, found.ssim) == (PictureStatus.NOT_JUDGED, 1.0)
    assert found.scores[0].detail == blind
    black = picture.copy()
    black[:, 128:] = 0.0
    found = judge(workload, [black], [picture], {}, blind=blind)
    assert found.status is PictureStatus.BROKEN
    assert found.scores[0].detail.startswith("1 of 2 pictures, flat")


def test_a_schedule_of_another_precision_is_found(built):
    """Exactly: the latents of bfloat16, which round by as much themselves, stayed within their budget."""
    import copy

    from perfsuite.quality.faults import plant
    from perfsuite.quality.loop import measure_loop
    from perfsuite.quality.relative_errors import Place

    prepared, trace, _ = built
    place = Place("loop", "sigmas", 0, 0)
    assert measure_loop(prepared.pipe, prepared.context, [trace])[place] == 0.0
    pipe = copy.deepcopy(prepared.pipe)
    plant("sigmas-in-bf16", pipe, prepared.context)
    assert 1e-4 < measure_loop(pipe, prepared.context, [trace])[place] < 2.0**-8
