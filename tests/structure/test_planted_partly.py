"""Techniques that hold in a part, or with what is not theirs: nothing is switched off, and it is found."""

import dataclasses

import pytest
from proving import holds, refuses

from perfsuite.pipelines import building, prepare, release, variants, workloads
from perfsuite.pipelines.optimizations import casting, tiny
from perfsuite.pipelines.optimizations.proofs.steps import watch
from perfsuite.pipelines.watching.stepwise import stepwise_of

# -- DeepCache -------------------------------------------------------------------------------------


def first_alone(cached):
    """The features of the call's first step serve all others."""
    whole = cached.whole

    def once(*given):
        output, features = whole(*given)
        return output, features if cached.features is None else cached.features

    cached.whole = once


def other_rows(cached):
    """Rows with and without the prompt change places."""
    shallow = cached.shallow
    cached.shallow = lambda *given: shallow(*given[:-1], given[-1].flip(0))


def another_output(cached):
    """Whole steps are not what the UNet computes: here as if it had no conditions of size."""
    embedded = cached._embedded
    cached._embedded = lambda *given: embedded(
        *given[:-1], {**given[-1], "time_ids": given[-1]["time_ids"] * 0}
    )


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (first_alone, r"step 4 works on features .* from those of step 3, the last whole one"),
        (other_rows, r"step 1 works on features .* from those of step 0"),
        (another_output, "a whole step is .* from that of the UNet's own forward"),
    ],
)
def test_features_that_are_not_the_last_whole_steps_are_found(built, plant, said):
    """Deep layers run when they are to, and two calls are equal."""
    honest = built("fp32+sdpa+deepcache:3")
    plant(stepwise_of(honest[0].unet))
    refuses(honest, said)


def stop_at_second(pipe, step, timestep, values):
    """A callback by which a call ends in its middle, as by Ctrl-C."""
    if step == 1:
        raise KeyboardInterrupt
    return values


def test_a_call_that_was_cut_off_leaves_nothing_in_the_next(built):
    """Of another prompt, and in the middle of an interval."""
    import torch

    pipe, context, technique = built("fp32+sdpa+deepcache:3")
    wanted = watch(pipe, context, 4).final
    with pytest.raises(KeyboardInterrupt):
        context.generate(pipe, 1, steps=4, callback_on_step_end=stop_at_second)
    assert torch.equal(watch(pipe, context, 4).final, wanted)
    holds((pipe, context, technique), "two calls equal")


@pytest.mark.parametrize("cache", ["first-block-cache:2", "taylorseer:2"])
def test_a_call_that_was_cut_off_leaves_nothing_in_a_transformers_cache(cache):
    """diffusers forgets at the end of a call, which never came."""
    import numpy as np

    workload = dataclasses.replace(workloads.get("tiny-flux"), steps=6)
    prepared = prepare(workload, f"fp32+sdpa+{cache}", "cpu")
    try:
        wanted = prepared.generate()
        with pytest.raises(KeyboardInterrupt):
            prepared.context.generate(prepared.pipe, 1, callback_on_step_end=stop_at_second)
        assert np.array_equal(prepared.generate(), wanted)
    finally:
        release(prepared.pipe)


# -- weights ---------------------------------------------------------------------------------------


def test_a_layer_that_is_not_cast_is_found(built):
    """Its hook is gone, and its weight rests in the type of use."""
    import torch

    pipe, context, technique = built("bf16+sdpa+layerwise-fp8")
    holds((pipe, context, technique), "rest in float8")
    assert casting.to_be_cast(pipe.unet) <= casting.stored_elsewhere(pipe.unet)
    layer = pipe.unet.mid_block.attentions[0].proj_in
    layer.to(torch.bfloat16)
    del layer._diffusers_hook
    layer.forward = type(layer).forward.__get__(layer)
    refuses((pipe, context, technique), "1 of .* weights are stored as they are used: mid_block.*proj_in")


def test_a_tiny_decoder_of_other_weights_is_found(built, tmp_path, monkeypatch):
    """The right class, as `from_config` makes it or another model's file holds it."""
    import torch
    from diffusers import AutoencoderTiny

    blocks = {"encoder_block_out_channels": (8,) * 4, "decoder_block_out_channels": (8,) * 4}
    made = AutoencoderTiny(**blocks, num_encoder_blocks=(1,) * 4, num_decoder_blocks=(1,) * 4)
    made.save_pretrained(tmp_path)
    monkeypatch.setattr(tiny, "DECODERS", {"shapes": tmp_path})
    pipe, context, technique = built("bf16+sdpa+tiny-vae")
    holds((pipe, context, technique), "weights of its file")
    with torch.no_grad():
        next(pipe.vae.decoder.parameters()).mul_(1.5)
    refuses((pipe, context, technique), "1 weights of its decoder are not those of its file")


def test_weights_that_changed_after_the_package_was_made_are_found(built):
    """By a hundredth in one layer, which its output hardly tells."""
    import torch

    from perfsuite.pipelines.optimizations.packaged import Packaged, weights_of

    pipe, context, technique = built("fp32+sdpa+aoti", applied=False)
    forward = pipe.unet.forward
    pipe.unet.forward = Packaged(forward, forward, "0123456789abcdef", weights_of(pipe.unet))
    assert technique.verify_last(pipe, context) is None
    with torch.no_grad():
        pipe.unet.mid_block.attentions[0].proj_in.weight.mul_(1.01)
    refuses((pipe, context, technique), "1 weights of the UNet are not those that the package holds: mid_b")
    with pytest.raises(AssertionError, match="are not those that the package holds"):
        technique.verify_last(pipe, context)


# -- noise and callbacks ---------------------------------------------------------------------------


def test_a_scheduler_of_ones_own_draws_the_calls_noise(built):
    """A class that derives from diffusers' in another module: two equal calls are equal."""
    import torch
    from diffusers import LCMScheduler

    pipe, context, _ = built("fp32+sdpa")
    pipe.scheduler = type("Ours", (LCMScheduler,), {}).from_config(pipe.scheduler.config)
    assert torch.equal(watch(pipe, context, 3).final, watch(pipe, context, 3).final)


def test_a_callback_of_diffusers_beside_the_cutoff_gets_its_tensors(built):
    """It says itself which it takes; both act."""
    from diffusers.callbacks import PipelineCallback

    seen = []

    class Look(PipelineCallback):
        tensor_inputs = ("prompt_embeds", "latents")

        def callback_fn(self, pipeline, step_index, timestep, callback_kwargs):
            seen.append(len(callback_kwargs["prompt_embeds"]))
            return callback_kwargs

    pipe, context, _ = built("fp32+sdpa+cfg-cutoff:0.4")
    context.generate(pipe, steps=5, callback_on_step_end=Look())
    assert seen == [2, 2, 1, 1, 1]


# -- what would do nothing -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("workload", "variant", "said"),
    [
        ("shapes@1steps", "bf16+cfg-cutoff:0.1", "the last of shapes@1steps's 1, .*; give 2 steps or more"),
        ("shapes@2steps", "bf16+cfg-cutoff:0.5", "give 3 steps or more"),
        ("shapes@3steps", "bf16+cfg-cutoff:0.7", "give 4 steps or more"),
        ("shapes@2steps", "bf16+cfg-cutoff:0.4", None),
        ("tiny-flux@1steps", "bf16+first-block-cache", "has no other; give 2 steps or more"),
        ("tiny-flux", "bf16+first-block-cache", None),
        ("shapes@g1", "bf16+vae-slicing", r"take shapes@g1\+b2$"),
        ("shapes@g1+b2", "bf16+vae-slicing", None),
    ],
)
def test_so_few_steps_that_none_is_spared_are_refused(workload, variant, said):
    """The proof draws as many steps as it needs, and would hold."""
    found = building.unfit(workloads.get(workload), variants.get(variant))
    if said is None:
        assert found is None
    else:
        import re

        assert re.search(said, found), found
