"""What the companions learn from is what the pipeline computes."""

import numpy as np
import pytest
import torch

from perfsuite.pipelines.models.shapes import check
from perfsuite.pipelines.models.shapes.twins import lcm, lessons, palettes, ssd


@pytest.fixture(scope="module")
def pipe():
    return lessons.teacher()


def test_captions_are_encoded_as_the_pipeline_does(pipe):
    captions = [scene.caption for scene in check.held_out(3, 5)]
    told = lessons.Captions(pipe, captions)(torch.tensor([2, 0]))
    states, _, pooled, _ = pipe.encode_prompt([captions[2], captions[0]], device="cpu")
    torch.testing.assert_close(told.states, states)
    torch.testing.assert_close(told.pooled, pooled)


def test_guidance_is_the_pipelines(pipe):
    """Without more guidance than 1 the caption's own prediction is left; the empty prompt is zeros."""
    told = lessons.Captions(pipe, ["a large red circle at the top on a blue plain background"])(
        torch.tensor([0])
    )
    noisy, steps = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([999])
    plain = lessons.predict(pipe.unet, noisy, steps, told)
    torch.testing.assert_close(lessons.guided(pipe.unet, noisy, steps, told, 1.0), plain, atol=2e-2, rtol=0)
    assert (lessons.guided(pipe.unet, noisy, steps, told, 5.0) - plain).abs().max() > 0.1
    assert not told.emptied().states.any()


def test_the_consistency_function_is_itself_at_timestep_0(pipe):
    told = lessons.Captions(pipe, ["a"])(torch.tensor([0]))
    noisy = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    alphas = pipe.scheduler.alphas_cumprod
    assert torch.equal(lcm._answer(pipe.unet, noisy, torch.tensor([0]), told, alphas), noisy)


def test_every_palette_can_be_undone():
    pictures = np.random.default_rng(0).integers(0, 256, size=(2, 8, 8, 3)).astype(np.uint8)
    for there, back in palettes.PALETTES.values():
        assert (back(there(pictures)) == pictures).all()
        assert (there(pictures) != pictures).any()


def test_the_student_begins_with_the_teachers_layers(pipe):
    """Where both have a layer of the same size; the lowest level is gone."""
    torch.manual_seed(0)
    student = ssd.untrained(pipe.unet)
    ours, theirs = student.state_dict(), pipe.unet.state_dict()
    name = "up_blocks.1.resnets.1.conv1.weight"
    assert torch.equal(ours[name], theirs["up_blocks.2.resnets.1.conv1.weight"])
    assert torch.equal(ours["conv_in.weight"], theirs["conv_in.weight"])
    assert student.num_parameters() < 0.4 * pipe.unet.num_parameters()
