"""A denoiser's call, taken apart and made again: the same arguments under the same names."""

from types import SimpleNamespace

import pytest
import torch

from perfsuite.pipelines.families import FLUX, PIXART, SD3, SD15, SDXL, spelling

SAMPLE, TIME = torch.ones(2, 4), torch.tensor([7.0, 7.0])
CALLS = {
    "sdxl": (
        SDXL, (SAMPLE, torch.tensor(7.0)),
        {"encoder_hidden_states": SAMPLE, "timestep_cond": None, "cross_attention_kwargs": None,
         "added_cond_kwargs": {"text_embeds": SAMPLE, "time_ids": SAMPLE}, "return_dict": False},
    ),
    "sd15": (
        SD15, (SAMPLE, torch.tensor(7.0)),
        {"encoder_hidden_states": SAMPLE, "timestep_cond": None, "cross_attention_kwargs": None,
         "added_cond_kwargs": None, "return_dict": False},
    ),
    "pixart": (
        PIXART, (SAMPLE,),
        {"encoder_hidden_states": SAMPLE, "encoder_attention_mask": SAMPLE, "timestep": TIME,
         "added_cond_kwargs": {"resolution": SAMPLE, "aspect_ratio": SAMPLE}, "return_dict": False},
    ),
    "sd3": (
        SD3, (),
        {"hidden_states": SAMPLE, "timestep": TIME, "encoder_hidden_states": SAMPLE,
         "pooled_projections": SAMPLE, "joint_attention_kwargs": None, "return_dict": False},
    ),
    "flux": (
        FLUX, (),
        {"hidden_states": SAMPLE, "timestep": TIME, "guidance": TIME, "pooled_projections": SAMPLE,
         "encoder_hidden_states": SAMPLE, "txt_ids": SAMPLE, "img_ids": SAMPLE,
         "joint_attention_kwargs": {}, "return_dict": False},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_call_made_again_is_the_pipelines_own(name):
    """Compiled code serves it without compiling anew only if nothing differs."""
    family, args, kwargs = CALLS[name]
    sample, timestep, conditions = family.spelling.read(args, kwargs)
    made = []

    def denoiser(*args, **kwargs):
        made.append((args, kwargs))
        return ("noise",)

    time = timestep.reshape(-1)[0]
    assert family.spelling.call(denoiser, sample, time, conditions) == "noise"
    ((again, named),) = made
    assert len(again) == len(args)
    assert _plain(named) == _plain(kwargs)


def _plain(tree):
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    return tree.tolist() if isinstance(tree, torch.Tensor) else tree


def test_a_condition_that_is_not_given_is_not_made_up():
    """PixArt below its largest size takes no resolution."""
    given = {"encoder_hidden_states": SAMPLE, "encoder_attention_mask": None, "timestep": TIME,
             "added_cond_kwargs": {"resolution": None, "aspect_ratio": None}}  # fmt: skip
    _, _, conditions = spelling.PIXART.read((SAMPLE,), given)
    assert list(conditions) == ["embeds"]
    made = SimpleNamespace()

    def denoiser(*args, **kwargs):
        made.kwargs = kwargs
        return (None,)

    spelling.PIXART.call(denoiser, SAMPLE, TIME[0], conditions)
    assert made.kwargs["added_cond_kwargs"] == {"resolution": None, "aspect_ratio": None}


def test_the_time_is_cast_where_the_pipeline_casts_it():
    """Flux gives it in the precision of the latents, every other as the scheduler has it."""
    made = []

    def denoiser(*args, **kwargs):
        made.append(kwargs["timestep"].dtype)
        return (None,)

    for each in (spelling.FLUX, spelling.SD3):
        each.call(denoiser, SAMPLE.bfloat16(), TIME[0], {})
    assert made == [torch.bfloat16, torch.float32]
