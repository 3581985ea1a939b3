"""The small SDXL: every component of the real pipeline, at a size that trains on a laptop."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.models.shapes import drawing, vocabulary

if TYPE_CHECKING:
    from pathlib import Path

    import torch

TEXT_WIDTH = 64
LATENT_CHANNELS = 4
TIME_ID_WIDTH = 32

UNET: dict[str, Any] = {
    "sample_size": 16,
    "in_channels": LATENT_CHANNELS,
    "out_channels": LATENT_CHANNELS,
    "block_out_channels": (64, 64, 128),
    "layers_per_block": 1,
    "norm_num_groups": 16,
    # SDXL's layout: no attention at the highest resolution.
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 1, 1),
    "attention_head_dim": (2, 2, 4),
    "use_linear_projection": True,
    "cross_attention_dim": 2 * TEXT_WIDTH,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": TIME_ID_WIDTH,
    "projection_class_embeddings_input_dim": 6 * TIME_ID_WIDTH + TEXT_WIDTH,
}
VAE: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": LATENT_CHANNELS,
    "block_out_channels": (16, 32, 32, 64),
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "sample_size": drawing.SIZE,
    "force_upcast": False,
}
# The scheduler config that ships with stabilityai/stable-diffusion-xl-base-1.0.
SCHEDULER: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "interpolation_type": "linear",
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "use_karras_sigmas": False,
}


def tokenizer() -> Any:
    """A `CLIPTokenizer` in which each word of a caption is one token."""
    from transformers import CLIPTokenizer

    vocab, merges = vocabulary.build(drawing.words())
    return CLIPTokenizer(
        vocab=vocab,
        merges=merges,
        model_max_length=vocabulary.MAX_LENGTH,
        pad_token=vocabulary.END,
    )


def text_encoder(*, projection: bool) -> Any:
    """A two-layer CLIP text encoder; with `projection` the pooled output is projected."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    vocab, _ = vocabulary.build(drawing.words())
    config = CLIPTextConfig(
        vocab_size=len(vocab),
        hidden_size=TEXT_WIDTH,
        intermediate_size=2 * TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=vocabulary.MAX_LENGTH,
        hidden_act="gelu" if projection else "quick_gelu",
        projection_dim=TEXT_WIDTH,
        bos_token_id=vocab[vocabulary.START],
        eos_token_id=vocab[vocabulary.END],
        pad_token_id=vocab[vocabulary.END],
    )
    return CLIPTextModelWithProjection(config) if projection else CLIPTextModel(config)


def unet() -> Any:
    """The denoiser, untrained: `UNet2DConditionModel` in SDXL's block layout."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(**UNET)


def vae() -> Any:
    """The autoencoder, untrained: factor 8, four latent channels, mid-block attention."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(**VAE)


def scheduler() -> Any:
    """`EulerDiscreteScheduler` with SDXL's configuration."""
    from diffusers import EulerDiscreteScheduler

    return EulerDiscreteScheduler(**SCHEDULER)


def alphas_cumprod() -> torch.Tensor:
    """Cumulative product of the training noise schedule: float32 tensor of 1000 entries."""
    return scheduler().alphas_cumprod


def save(folder: Path, components: dict[str, Any]) -> None:
    """Write a `StableDiffusionXLPipeline` of these trained components as float16 safetensors."""
    import torch
    from diffusers import StableDiffusionXLPipeline

    pipe = StableDiffusionXLPipeline(
        **components,
        tokenizer=tokenizer(),
        tokenizer_2=tokenizer(),
        scheduler=scheduler(),
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )
    pipe.to(dtype=torch.float16)
    pipe.save_pretrained(folder, safe_serialization=True)
    vocab, merges = vocabulary.build(drawing.words())
    for name in ("tokenizer", "tokenizer_2"):
        # The two files that every release of CLIPTokenizer can read, beside its own.
        (folder / name / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False) + "\n")
        lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
        (folder / name / "merges.txt").write_text("\n".join(lines) + "\n")
    # A folder name of the training machine has no place in a published config.
    for path in folder.rglob("*.json"):
        data = json.loads(path.read_text())
        if isinstance(data, dict) and data.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n")
