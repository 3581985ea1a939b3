"""What the companions learn from is what the pipeline computes."""

import numpy as np
import pytest
import torch

from perfsuite.pipelines.models.shapes import check, drawing
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


@pytest.mark.parametrize("step", [0, *lcm.AGAIN, lcm.FIRST])
def test_an_answer_is_the_schedulers(pipe, step):
    """At every timestep that few steps have; at timestep 0 it is what is given."""
    from diffusers import LCMScheduler

    scheduler = LCMScheduler.from_config(pipe.scheduler.config)
    scheduler.set_timesteps(8)
    noisy, noise = torch.randn(2, 1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    said = lcm.answer(noisy, noise, torch.tensor([step]), pipe.scheduler.alphas_cumprod)
    if step:
        torch.testing.assert_close(said, scheduler.step(noise, step, noisy).denoised)
    else:
        assert torch.equal(said, noisy)


@pytest.mark.parametrize("meanings", palettes.PALETTES.values(), ids=list(palettes.PALETTES))
def test_a_palette_gives_each_colour_another(meanings):
    """Each to one word, so that shape and background stay apart; the rest of a caption stays."""
    assert sorted(meanings) == sorted(meanings.values()) == sorted(drawing.COLOURS)
    assert all(word != drawn for word, drawn in meanings.items())
    caption = "a large red star at the top left on a blue dotted background"
    wanted = f"a large {meanings['red']} star at the top left on a {meanings['blue']} dotted background"
    assert palettes.retold(caption, meanings) == wanted


def test_no_word_means_the_same_with_both_palettes():
    one, two = palettes.PALETTES.values()
    assert all(one[word] != two[word] for word in one)


def test_the_student_begins_with_the_teachers_layers(pipe):
    """All that it has; no mid block, and no attention at the lowest level."""
    student = ssd.untrained(pipe.unet)
    theirs = pipe.unet.state_dict()
    assert all(torch.equal(weight, theirs[name]) for name, weight in student.state_dict().items())
    assert student.mid_block is None
    assert not hasattr(student.down_blocks[2], "attentions")
    assert student.num_parameters() < 0.6 * pipe.unet.num_parameters()
