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


def test_captions_are_emptied_as_the_pipeline_does(pipe):
    """The empty prompt is zeros; the share is of the captions."""
    told = lessons.Captions(pipe, ["a"] * 40)(torch.arange(40))
    emptied = [
        n for n, states in enumerate(told.some_emptied(np.random.default_rng(0)).states) if not states.any()
    ]
    assert 0 < len(emptied) < 12
    assert not told.some_emptied(np.random.default_rng(0), 1.0).pooled.any()


def test_a_journey_ends_in_the_picture_that_the_pipeline_draws(pipe, tmp_path):
    """From the noise that it began with; and it is kept."""
    drawn = lessons.teacher()
    ways = lcm.journeys(drawn, tmp_path, 1, 2, 2.0)
    kept = lcm.journeys(drawn, tmp_path, 1, 2, 2.0)
    assert torch.equal(ways.picture, kept.picture)
    assert len(ways.captions) == len(ways.picture) == 2
    assert ways.on_the_way.shape == (2, len(ways.steps), 4, 16, 16)
    assert ways.steps[0] == 999
    picture = drawn(
        prompt=ways.captions,
        latents=ways.on_the_way[:, 0].float(),
        num_inference_steps=lcm.TEACHER_STEPS,
        guidance_scale=2.0,
        output_type="latent",
    ).images
    assert (picture - ways.picture).abs().mean() < 0.05


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
    """All that it has; no mid block, and no attention at the lowest level."""
    student = ssd.untrained(pipe.unet)
    theirs = pipe.unet.state_dict()
    assert all(torch.equal(weight, theirs[name]) for name, weight in student.state_dict().items())
    assert student.mid_block is None
    assert not hasattr(student.down_blocks[2], "attentions")
    assert student.num_parameters() < 0.6 * pipe.unet.num_parameters()
