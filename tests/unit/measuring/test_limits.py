"""Counting and rates: the true SDXL's arithmetic, and seconds that are the test's."""

from types import SimpleNamespace
from typing import Any

import pytest

from perfsuite.measuring import limits
from perfsuite.records import Limits


def test_the_true_sdxl_has_the_published_arithmetic() -> None:
    """1024x1024, guided: 13.5 TFLOP a step and 10.5 the VAE, about 416 for 30 steps; no weights are made."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    unet = {
        "sample_size": 128,
        "cross_attention_dim": 2048,
        "block_out_channels": [320, 640, 1280],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "transformer_layers_per_block": [1, 2, 10],
        "attention_head_dim": [5, 10, 20],
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
        "use_linear_projection": True,
    }
    vae = {
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "block_out_channels": [128, 256, 512, 512],
        "layers_per_block": 2,
    }
    import json

    step = limits._unet_flop(UNet2DConditionModel, json.dumps(unet), (2, 128, 128), 77, 1280)
    decoded = limits._vae_flop(AutoencoderKL, json.dumps(vae), (128, 128))

    assert step == pytest.approx(13.52e12, rel=1e-3)
    assert decoded == pytest.approx(10.47e12, rel=1e-3)
    assert 30 * step + decoded == pytest.approx(416e12, rel=1e-3)


def test_rates_are_the_best_of_five_after_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first trial pays for first use; a neighbour's interruption does not count."""
    taken = [0.001, 0.5, 0.25, 0.9, 0.8, 0.7, 0.001, 4.0, 3.0, 2.0, 5.0, 6.0]
    clock = [float(10 * (i // 2)) + (taken[i // 2] if i % 2 else 0.0) for i in range(2 * len(taken))]
    monkeypatch.setattr(limits, "now", lambda: clock.pop(0))
    import torch

    product, copy = limits.rates("cpu", torch.float32)

    assert product == pytest.approx(2 * 1024**3 / 0.25)
    assert copy == pytest.approx(2 * limits.BLOCK_BYTES["cpu"] / 2.0)
    assert clock == []


def test_the_share_is_work_over_time_over_the_ceiling() -> None:
    found = Limits(1, 500, 10, product_flop_per_s=1000.0, copy_bytes_per_s=1.0)

    assert found.share(found.step_flop, 2.0) == 0.25


@pytest.mark.parametrize(("zeros", "guidance", "passes"), [(True, 5.0, 1), (False, 5.0, 2), (False, 1.0, 1)])
def test_the_negative_prompt_is_encoded_where_it_must_be(
    zeros: bool, guidance: float, passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_encoder_flop", lambda kind, config, tokens: 7)
    monkeypatch.setattr(limits, "_unet_flop", lambda kind, config, size, tokens, pooled: size)
    monkeypatch.setattr(limits, "_vae_flop", lambda kind, config, size: 11)
    config = SimpleNamespace(to_json_string=lambda use_diff: "{}", projection_dim=5)
    encoder = SimpleNamespace(config=config)
    pipe: Any = SimpleNamespace(
        text_encoder=encoder,
        text_encoder_2=encoder,
        tokenizer_2=SimpleNamespace(model_max_length=77),
        config=SimpleNamespace(force_zeros_for_empty_prompt=zeros),
        unet=SimpleNamespace(config={}),
        vae=SimpleNamespace(config={}),
        vae_scale_factor=8,
    )

    found = limits.work(pipe, SimpleNamespace(guidance=guidance, width=512, height=1024, batch=3))

    assert found == (14 * passes, (6 if guidance > 1 else 3, 128, 64), 33)
