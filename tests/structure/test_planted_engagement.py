"""Planted changes of layers, dtypes and layout: each gate names the place, and passes the honest pipeline."""

import pytest
from gates import finds, passes
from machine import here, needs_bfloat16


def first_resnet(pipe):
    return pipe.unet.down_blocks[0].resnets[0]


# -- engagement ------------------------------------------------------------------------------------


def test_an_attention_block_left_unfused(rung):
    """One of all; by name."""
    from diffusers.models.attention_processor import AttnProcessor2_0

    prepared = rung(here("bf16+sdpa+qkv"))
    facts = passes("engagement", prepared)
    assert "fused projections: " in facts
    attention = prepared.pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn1
    attention.fused_projections = False
    attention.set_processor(AttnProcessor2_0())
    del attention.to_qkv
    said = finds("engagement", prepared)
    assert "fused projection" in said
    assert "unet.mid_block.attentions.0.transformer_blocks.0.attn1" in said


def test_a_decoder_without_attention_has_nothing_to_fuse(rung):
    """The tiny VAE, put in after the UNet's projections were fused: the gate counts the UNet's alone."""
    facts = passes("engagement", rung("fp32+sdpa+qkv+tiny-vae"))
    assert "fused projections: " in facts
    assert "0 in the vae" in facts


def test_one_block_without_sdpa(rung):
    """The exact number is the architecture's."""
    from diffusers.models.attention_processor import AttnProcessor

    prepared = rung(here("bf16+sdpa"))
    assert "SDPA calls of one pass" in passes("engagement", prepared)
    prepared.pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn1.set_processor(AttnProcessor())
    said = finds("engagement", prepared)
    assert "SDPA calls in one pass of the unet, wanted" in said


def test_an_attention_module_that_is_skipped(rung):
    """Fewer modules run and fewer calls are made: a ratio would not see it."""
    import torch

    prepared = rung(here("bf16+sdpa"))
    passes("engagement", prepared)

    class Skipped(torch.nn.Module):
        def forward(self, hidden_states, **options):
            return hidden_states

    prepared.pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn1 = Skipped()
    assert "in one pass of the unet, wanted" in finds("engagement", prepared)


def test_a_layer_that_lost_quantization(rung):
    """Its weights are plain again."""
    import torch

    prepared = rung(here("bf16+sdpa+qkv+int8"))
    facts = passes("engagement", prepared)
    assert "layers in int8: " in facts
    assert "1x1 convolutions are linear layers" in facts
    layer = prepared.pipe.unet.mid_block.attentions[0].proj_in
    layer.weight = torch.nn.Parameter(torch.zeros(layer.weight.shape, dtype=layer.bias.dtype))
    said = finds("engagement", prepared)
    assert "int8 layers are missing: unet.mid_block.attentions.0.proj_in" in said


def test_a_quantized_layer_that_was_replaced(rung):
    """By a module that is no linear layer: the optimization's own proof does not look at it."""
    import torch

    prepared = rung(here("bf16+sdpa+qkv+int8"))
    block = prepared.pipe.unet.mid_block.attentions[0]
    weight, bias = block.proj_in.weight.dequantize(), block.proj_in.bias

    class LowRank(torch.nn.Module):
        def forward(self, x):
            return torch.nn.functional.linear(x, weight, bias)

    block.proj_in = LowRank()
    assert "int8 layers are missing: unet.mid_block.attentions.0.proj_in" in finds("engagement", prepared)


def test_a_convolution_that_was_not_swapped(rung):
    """The 1x1 convolution is back in its place."""
    from perfsuite.pipelines.optimizations import quantization

    prepared = rung(here("bf16+sdpa+qkv"))
    unet = prepared.pipe.unet
    name, plain = next((n, m) for n, m in unet.named_modules() if quantization.wants_convolution(m))
    prepared = rung(here("bf16+sdpa+qkv+int8"))
    passes("engagement", prepared)
    unet.set_submodule(name, plain)
    assert f"are not linear layers: unet.{name}" in finds("engagement", prepared)


# -- dtypes ----------------------------------------------------------------------------------------


def test_a_text_encoder_in_another_dtype(rung):
    """Its weights were left in float32; the pipeline casts what it gives."""
    import torch

    needs_bfloat16()
    prepared = rung("bf16+sdpa")
    assert "took and gave bfloat16" in passes("dtypes", prepared)
    prepared.pipe.text_encoder.to(torch.float32)
    said = finds("dtypes", prepared)
    assert "weights of another dtype: text_encoder." in said
    assert "returns float32, wanted bfloat16" in said


def test_a_text_encoder_under_autocast(rung):
    """All weights are right, and what flows is not."""
    import torch

    prepared = rung("fp32+sdpa")
    passes("dtypes", prepared)
    encoder, forward = prepared.pipe.text_encoder, prepared.pipe.text_encoder.forward

    def autocast(*args, **options):
        with torch.autocast("cpu", torch.bfloat16):
            return forward(*args, **options)

    encoder.forward = autocast
    said = finds("dtypes", prepared)
    assert "text_encoder." in said
    assert "returns bfloat16, wanted float32" in said
    assert "weights of another dtype" not in said


def test_one_layer_that_computes_in_float32(rung):
    """A norm that up-casts, as people write it against overflow; the next layer casts back."""
    import torch

    needs_bfloat16()
    prepared = rung("bf16+sdpa")
    resnet = first_resnet(prepared.pipe)
    norm, convolve = resnet.norm1, resnet.conv1.forward
    resnet.norm1.forward = lambda x: torch.nn.functional.group_norm(
        x.float(), norm.num_groups, norm.weight.float(), norm.bias.float(), norm.eps
    )
    resnet.conv1.forward = lambda x: convolve(x.bfloat16())
    said = finds("dtypes", prepared)
    assert "unet.down_blocks.0.resnets.0.norm1 (GroupNorm) returns float32, wanted bfloat16" in said


# -- layout ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["unet", "vae"])
def test_a_contiguous_that_undoes_channels_last(rung, where):
    """The weights are still channels_last; the activations are brought back in the middle of a block."""
    prepared = rung(here("bf16+sdpa+channels-last"))
    assert "convolutions are given channels_last" in passes("layout", prepared)
    pipe = prepared.pipe
    resnet = first_resnet(pipe) if where == "unet" else pipe.vae.decoder.mid_block.resnets[0]
    convolve = resnet.conv1.forward
    resnet.conv1.forward = lambda x: convolve(x).contiguous()
    said = finds("layout", prepared)
    assert ("unet.down_blocks.0" if where == "unet" else "vae.decoder.mid_block") in said
    assert "aten.clone makes" in said
    assert "lambda x: convolve(x).contiguous()" in said
    passes("engagement", prepared)


def test_layout_is_not_asked_of_others(rung):
    """The reason says so."""
    from perfsuite.structure.activations import check_layout

    assert "does not use channels_last" in check_layout(rung(here("bf16+sdpa"))).skipped
