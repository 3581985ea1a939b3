"""Random weights: the true architecture, the same values everywhere, no layer that says nothing."""

import math

import pytest
import torch

from perfsuite.pipelines.models import initial, sdxl, shapes

ENCODERS = ("text_encoder", "text_encoder_2")


@pytest.fixture(scope="module")
def full():
    """SDXL base without memory."""
    return initial.skeletons(sdxl.CONFIGS)


def test_the_configs_build_sdxl_base(full):
    """The published number of parameters of each component, and SDXL's scheduler and scaling."""
    assert {n: sum(p.numel() for p in m.parameters()) for n, m in full.items()} == sdxl.PARAMETERS
    assert all(p.is_meta for m in full.values() for p in m.parameters())
    assert (full["vae"].config.scaling_factor, full["vae"].config.force_upcast) == (0.13025, True)
    assert [full[n].config.hidden_act for n in ENCODERS] == ["quick_gelu", "gelu"]


def test_every_layer_of_the_full_model_has_a_spread(full):
    """No layer at zero, none without a rule, and no buffer that nothing is known of."""
    for component, model in full.items():
        assert all(name.endswith("position_ids") for name, _ in model.named_buffers())
        for name, module in model.named_modules():
            for kind, parameter in module.named_parameters(recurse=False):
                _, deviation = initial._spread(model, component, name, module, kind, parameter)
                assert 0.0 < deviation < 2.0, f"{component}.{name}.{kind}"


def test_streams_of_the_full_model_are_scaled_by_their_depth(full):
    """Ten layers of three branches each in the UNet's deepest stream, 32 of two in the text encoder."""
    blocks = "mid_block.attentions.0.transformer_blocks.3"
    assert initial._depth(full["unet"], f"{blocks}.ff.net.2") == pytest.approx(1 / math.sqrt(30))
    assert initial._depth(full["unet"], f"{blocks}.attn1.to_q") == 1.0
    layer = "text_model.encoder.layers.5.mlp.fc2"
    assert initial._depth(full["text_encoder_2"], layer) == pytest.approx(1 / math.sqrt(64))


def test_values_are_scattered_as_asked_and_shared_by_no_two_names():
    """Mean, deviation and independence of neighbours and of two parameters, from a million values."""
    one, other = torch.empty(1 << 20), torch.empty(1 << 20)
    initial._scatter(one, 1.0, 0.2, "one")
    initial._scatter(other, 0.0, 1.0, "other")
    assert float(one.mean()) == pytest.approx(1.0, abs=1e-3)
    assert float(one.std()) == pytest.approx(0.2, abs=1e-3)
    unit = (one - 1.0) / 0.2
    for shift in (0, 1, 7, 1000):
        assert abs(float((unit[shift:] * other[: other.numel() - shift]).mean())) < 5e-3
        if shift:
            assert abs(float((unit[shift:] * unit[:-shift]).mean())) < 5e-3
    assert float(one.min()) >= 1.0 - 0.2 * math.sqrt(3) - 1e-6


def test_values_do_not_depend_on_chunks_and_are_rounded_for_a_lower_precision(monkeypatch):
    """So any device and precision has the same weights; the pinned ones came from the hash as it is."""
    whole, parts = torch.empty(1000), torch.empty(1000)
    half = torch.empty(1000, dtype=torch.bfloat16)
    initial._scatter(whole, 0.0, 1.0, "key")
    initial._scatter(half, 0.0, 1.0, "key")
    monkeypatch.setattr(initial, "CHUNK", 96)
    initial._scatter(parts, 0.0, 1.0, "key")
    assert torch.equal(whole, parts)
    assert torch.equal(whole.bfloat16(), half)
    other = torch.empty(1000)
    initial._scatter(other, 0.0, 1.0, "yek")
    assert not torch.equal(whole, other)


def test_an_unknown_layer_is_refused():
    """A kind of layer that no gain was thought out for."""
    with pytest.raises(ValueError, match=r"unet.*BatchNorm2d has no initialiser"):
        initial.fill(torch.nn.Sequential(torch.nn.BatchNorm2d(3, track_running_stats=False)), "unet")


def test_tokenizers_have_clips_sizes_and_padding():
    """77 positions, 49408 ids, SDXL's two ways to pad; a known word is one token, others bytes."""
    words = sdxl.words_of(("A red fox, 8k",))
    assert words == ("a", "red", "fox", ",", "8", "k")
    made = sdxl.tokenizers(words)
    for name, padding in (("tokenizer", 49407), ("tokenizer_2", 0)):
        tokenizer = made[name]
        assert (len(tokenizer), tokenizer.model_max_length) == (49408, 77)
        found = tokenizer("A red fox, 8k", padding="max_length").input_ids
        assert (len(found), found[0], found[7]) == (77, 49406, 49407)
        assert set(found[8:]) == {padding}
        assert max(found[1:7]) < 49406
        assert len(tokenizer("zebra").input_ids) == 2 + len("zebra")
    assert shapes.WEIGHTS != sdxl.CONFIGS
