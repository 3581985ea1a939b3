"""Every `verify` says so when its optimization did not take hold, and passes when it did."""

import pytest
from machine import here

from perfsuite.pipelines.optimizations import OPTIMIZATIONS, NotEngagedError


def _apply(pipe, context, *names):
    for name in names:
        OPTIMIZATIONS[name].apply(pipe, context)


def check_refuses(name, pipe, context, match):
    with pytest.raises(NotEngagedError, match=match):
        OPTIMIZATIONS[name].verify(pipe, context)


@pytest.mark.parametrize(
    "variant", ["fp32", "bf16", "bf16-sdpa", "bf16+sdpa+channels-last", "bf16+sdpa+qkv+int8"]
)
def test_every_step_of_an_eager_variant_holds(bench, variant):
    """Applied in order, each step's evidence is a line of text."""
    pipe, make = bench
    context = make(variant if variant == "bf16" else here(variant))
    for step in context.variant.optimizations:
        step.apply(pipe, context)
        assert len(step.verify(pipe, context)) > 10


@pytest.mark.parametrize(("precision", "found"), [("bf16", "float32"), ("fp16", "float32")])
def test_a_pipeline_left_in_float32_is_found(bench, precision, found):
    """A cast that did not happen."""
    pipe, make = bench
    check_refuses(precision, pipe, make(precision), found)


def test_one_layer_left_in_float32_is_found(bench):
    """A cast that missed one layer of 500."""
    import torch

    pipe, make = bench
    context = make("bf16")
    _apply(pipe, context, "bf16")
    pipe.unet.mid_block.attentions[0].proj_in.to(torch.float32)
    check_refuses("bf16", pipe, context, r"unet\.mid_block\.attentions\.0\.proj_in")


def test_float32_that_is_not_strict_is_found(bench):
    """TF32 allowed for matrix products, or for cuDNN."""
    import torch

    pipe, make = bench
    context = make("fp32")
    _apply(pipe, context, "fp32")
    torch.set_float32_matmul_precision("high")
    check_refuses("fp32", pipe, context, "not strict")


def test_bfloat16_weights_are_not_float32(bench):
    """The reference precision itself is proven."""
    import torch

    pipe, make = bench
    context = make("fp32")
    _apply(pipe, context, "fp32")
    pipe.unet.to(torch.bfloat16)
    check_refuses("fp32", pipe, context, "bfloat16")


def test_sdpa_where_none_is_wanted_is_found(bench):
    """diffusers' default processor uses SDPA."""
    pipe, make = bench
    check_refuses("no-sdpa", pipe, make("fp32"), "scaled_dot_product_attention ran")


def test_one_block_without_sdpa_is_found(bench):
    """One attention module of all keeps the plain processor."""
    from diffusers.models.attention_processor import AttnProcessor

    pipe, make = bench
    context = make("fp32+sdpa")
    _apply(pipe, context, "sdpa")
    block = pipe.unet.mid_block.attentions[0].transformer_blocks[0]
    block.attn1.set_processor(AttnProcessor())
    check_refuses("sdpa", pipe, context, "SDPA calls for")


def test_unfused_projections_are_found(bench):
    """Fusion that never happened."""
    pipe, make = bench
    check_refuses("qkv", pipe, make("fp32+sdpa+qkv"), "not fused")


def test_fusion_that_is_silently_not_used_is_found(bench):
    """diffusers#8829: fused weights are there, and the old processor runs."""
    from diffusers.models.attention_processor import AttnProcessor2_0

    pipe, make = bench
    context = make("fp32+sdpa+qkv")
    _apply(pipe, context, "sdpa", "qkv")
    pipe.unet.set_attn_processor(AttnProcessor2_0())
    check_refuses("qkv", pipe, context, "not used")


def test_a_contiguous_convolution_is_found(bench):
    """One convolution weight brought back to the contiguous layout."""
    pipe, make = bench
    context = make("fp32+channels-last")
    _apply(pipe, context, "channels-last")
    weight = pipe.unet.conv_in.weight
    weight.data = weight.data.contiguous()
    check_refuses("channels-last", pipe, context, r"unet\.conv_in")


def test_missing_quantization_is_found(bench):
    """Convolutions are swapped, but no layer is quantized."""
    from torchao.quantization import swap_conv2d_1x1_to_linear

    from perfsuite.pipelines.optimizations.quantization import wants_convolution

    pipe, make = bench
    context = make(here("bf16+sdpa+qkv+int8"))
    _apply(pipe, context, here("bf16"), "sdpa", "qkv")
    check_refuses("int8", pipe, context, "1x1 convolutions not swapped")
    for model in (pipe.unet, pipe.vae):
        swap_conv2d_1x1_to_linear(model, lambda module, name: wants_convolution(module))
    check_refuses("int8", pipe, context, "not quantized")


def test_one_layer_that_lost_quantization_is_found(bench):
    """A single layer went back to plain weights."""
    import torch

    pipe, make = bench
    context = make(here("bf16+sdpa+qkv+int8"))
    _apply(pipe, context, here("bf16"), "sdpa", "qkv", "int8")
    layer = pipe.unet.mid_block.attentions[0].proj_in
    layer.weight = torch.nn.Parameter(torch.zeros(layer.weight.shape, dtype=layer.bias.dtype))
    check_refuses("int8", pipe, context, r"1 of \d+ linear layers not quantized")


def test_quantized_dead_layers_are_found(bench):
    """`quantize_` without a filter also quantizes the projections that fusing replaced."""
    import torch
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    pipe, make = bench
    context = make(here("bf16+sdpa+qkv+int8"))
    _apply(pipe, context, here("bf16"), "sdpa", "qkv", "int8")
    attention = pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn1
    quantize_(
        attention,
        Int8DynamicActivationInt8WeightConfig(set_inductor_config=False),
        lambda module, name: isinstance(module, torch.nn.Linear) and name == "to_q",
    )
    check_refuses("int8", pipe, context, "nothing calls")


def test_a_pipeline_that_is_not_compiled_is_found(bench):
    """`torch.compile` never called."""
    pipe, make = bench
    check_refuses("compile", pipe, make("fp32+sdpa+compile"), "not a compiled module")


def test_compilation_that_is_switched_off_is_found(bench):
    """The module is wrapped, and Dynamo is disabled: it would run eagerly and be timed as compiled."""
    import torch

    pipe, make = bench
    context = make("fp32+sdpa+compile")
    _apply(pipe, context, "sdpa", "compile")
    torch._dynamo.config.disable = True
    check_refuses("compile", pipe, context, "switched off")


def test_a_lost_inductor_flag_is_found(bench):
    """A flag that something set back before the first call."""
    import torch._inductor.config as config

    pipe, make = bench
    context = make("fp32+sdpa+compile")
    _apply(pipe, context, "sdpa", "compile")
    config.epilogue_fusion = True
    check_refuses("compile", pipe, context, "epilogue_fusion")
