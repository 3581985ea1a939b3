"""The small SDXL that ships with the package is what its card says, and nothing else is loaded."""

import json

import pytest

from perfsuite.device import fingerprint
from perfsuite.pipelines import models, workloads
from perfsuite.pipelines.models import shapes

MOST_BYTES = 12_000_000


def test_weights_are_small_float16_safetensors():
    """At most 12 MB, safetensors only, every tensor float16 (so float32 holds them exactly)."""
    from safetensors import safe_open

    files = list(shapes.WEIGHTS.rglob("*.safetensors"))
    assert len(files) == 4
    assert sum(f.stat().st_size for f in files) <= MOST_BYTES
    assert not [f for f in shapes.WEIGHTS.rglob("*") if f.suffix in (".bin", ".pt", ".ckpt", ".pkl")]
    for file in files:
        with safe_open(file, "pt") as tensors:
            kinds = {tensors.get_slice(name).get_dtype() for name in tensors.keys()}
        assert kinds <= {"F16", "I64"}, file


def test_it_is_a_true_sdxl():
    """The parts that SDXL has and Stable Diffusion 1 has not, by config."""
    index = json.loads((shapes.WEIGHTS / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionXLPipeline"
    assert index["force_zeros_for_empty_prompt"] is True
    assert index["text_encoder_2"] == ["transformers", "CLIPTextModelWithProjection"]
    unet = json.loads((shapes.WEIGHTS / "unet" / "config.json").read_text())
    assert unet["addition_embed_type"] == "text_time"
    assert len(unet["block_out_channels"]) == 3
    assert unet["use_linear_projection"] is True
    scheduler = json.loads((shapes.WEIGHTS / "scheduler" / "scheduler_config.json").read_text())
    assert (scheduler["_class_name"], scheduler["timestep_spacing"]) == ("EulerDiscreteScheduler", "leading")


def test_the_tokenizer_knows_the_captions():
    """One token a word, no unknown token, and 77 positions."""
    import torch

    from perfsuite.pipelines.models.shapes import drawing

    pipe = models.load(workloads.SHAPES, fingerprint("cpu"), torch.float32)
    for tokenizer in (pipe.tokenizer, pipe.tokenizer_2):
        assert tokenizer.model_max_length == 77
        for scene in list(drawing.scenes())[::997]:
            ids = tokenizer(scene.caption).input_ids
            assert len(ids) == len(scene.caption.split()) + 2
            assert tokenizer.eos_token_id not in ids[1:-1]


@pytest.mark.parametrize("weights", ["/no/such/folder", "hub"])
def test_weights_that_are_not_there_are_a_clear_error(weights):
    """The message names the place and the remedy."""
    import torch

    with pytest.raises(models.WeightsError, match="--perf-weights"):
        models.load(workloads.SHAPES, fingerprint("cpu"), torch.float32, weights)


def test_a_folder_that_is_no_sdxl_is_refused(tmp_path):
    """A diffusers folder of something else."""
    import torch

    (tmp_path / "model_index.json").write_text(
        '{"_class_name": "DDPMPipeline", "_diffusers_version": "0.40.0"}'
    )
    with pytest.raises(models.WeightsError, match=str(tmp_path)):
        models.load(workloads.SHAPES, fingerprint("cpu"), torch.float32, str(tmp_path))
