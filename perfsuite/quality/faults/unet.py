"""Faults of the denoiser."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations.quantization import is_int8
from perfsuite.quality.faults.fault import Fault, entering
from perfsuite.quality.faults.surgery import (
    block_of,
    fake_quantize,
    int8_targets,
    of_type,
    override,
    override_output,
    rearrange_fused,
    rounded_to_bf16,
    self_attentions,
    set_weight,
    silence,
    weight_of,
    with_argument,
)

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context

FAULTS: dict[str, Fault] = {}
fault = entering(FAULTS)


@fault(
    "timesteps-in-bf16",
    "unet",
    "the UNet rounds its timestep to bfloat16: 750 becomes 752",
    "diffusers#9405",
)
def _timesteps_in_bf16(pipe: Any, context: Context) -> None:
    import torch

    override(
        pipe.unet.time_proj,
        "forward",
        lambda original, timesteps: original(timesteps.to(torch.bfloat16).float()),
    )


@fault(
    "stale-output",
    "unet",
    "each call of the UNet but the first returns what the call before it computed",
    "pytorch#104435, pytorch#152887",
)
def _stale_output(pipe: Any, context: Context) -> None:
    held: list[Any] = []

    def change(output: Any) -> Any:
        held.append(output)
        before = held.pop(0) if len(held) > 1 else output
        return before if before[0].shape == output[0].shape else output

    override_output(pipe.unet, change)


def _noise_gain(gain: float, pipe: Any, context: Context) -> None:
    override_output(pipe.unet.conv_out, lambda output: gain * output)


for _percent in (1, 5):
    fault(f"noise-gain-{_percent}-percent", "unet", f"the predicted noise is {_percent} % too large")(
        functools.partial(_noise_gain, 1.0 + _percent / 100)
    )


@fault(
    "rounding-kept",
    "unet",
    "layer norms round to bfloat16 once more, between normalization and affine part",
)
def _rounding_kept(pipe: Any, context: Context) -> None:
    import torch

    def change(norm: Any, original: Any, x: Any) -> Any:
        normal = torch.nn.functional.layer_norm(x.float(), norm.normalized_shape, eps=norm.eps)
        return (rounded_to_bf16(normal) * norm.weight.float() + norm.bias.float()).to(x.dtype)

    for norm in of_type(pipe.unet, "LayerNorm"):
        if norm.elementwise_affine and norm.bias is not None:
            override(norm, "forward", functools.partial(change, norm))


@fault(
    "rounding-dropped",
    "unet",
    "group norm and SiLU are fused and round once, not twice: nearer to float32 than eager code is",
    "sglang#38533, vllm-omni#6878",
    lambda variant: "float32 has no rounding to drop" if variant.precision in ("fp32", "tf32") else None,
    harmless="it is nearer to float32 than eager code; compilers do the same",
)
def _rounding_dropped(pipe: Any, context: Context) -> None:
    for resnet in of_type(pipe.unet, "ResnetBlock2D"):
        if "SiLU" in type(resnet.nonlinearity).__name__:
            _fuse_norm_and_silu(resnet)


def _fuse_norm_and_silu(resnet: Any) -> None:
    """Each module alone computes what it did; one after the other they skip the rounding between."""
    import torch.nn.functional as F

    held: dict[str, Any] = {}

    def normalize(norm: Any, original: Any, x: Any) -> Any:
        affine = norm.weight.float(), norm.bias.float()
        held["exact"] = F.group_norm(x.float(), norm.num_groups, *affine, eps=norm.eps)
        held["rounded"] = original(x)
        return held["rounded"]

    def activate(original: Any, x: Any) -> Any:
        follows = bool(held) and x is held["rounded"]
        return F.silu(held["exact"]).to(x.dtype) if follows else original(x)

    for norm in (resnet.norm1, resnet.norm2):
        override(norm, "forward", functools.partial(normalize, norm))
    override(resnet.nonlinearity, "forward", activate)


@fault(
    "qkv-wrong-order",
    "unet",
    "keys and values change places in every fused projection of a self-attention",
    applies=lambda variant: None if "qkv" in variant else "its projections are not fused",
)
def _qkv_wrong_order(pipe: Any, context: Context) -> None:
    for attention in self_attentions(pipe):
        rearrange_fused(attention, (0, 2, 1))


@fault("keys-replaced-by-values", "unet", "one self-attention uses its values as keys")
def _keys_replaced_by_values(pipe: Any, context: Context) -> None:
    attention = block_of(pipe, "down_blocks").attn1
    if attention.fused_projections:
        rearrange_fused(attention, (0, 2, 2))
        return
    set_weight(attention.to_k, weight_of(attention.to_v))
    if attention.to_k.bias is not None:
        attention.to_k.bias.data.copy_(attention.to_v.bias.data)


@fault("attention-scale-doubled", "unet", "every self-attention doubles the scale of its scores")
def _attention_scale_doubled(pipe: Any, context: Context) -> None:
    import torch

    sdpa = torch.nn.functional.scaled_dot_product_attention

    def change(doubled: Any, original: Any, *args: Any, **kwargs: Any) -> Any:
        with doubled:
            return original(*args, **kwargs)

    for attention in self_attentions(pipe):
        # The one without SDPA reads this attribute; SDPA computes its scale itself.
        attention.scale *= 2
        doubled = with_argument(sdpa, scale=2 * (attention.inner_dim // attention.heads) ** -0.5)
        override(attention, "forward", functools.partial(change, doubled))


@fault("attention-output-zero", "unet", "one cross-attention gives zero: this block ignores the prompt")
def _attention_output_zero(pipe: Any, context: Context) -> None:
    silence(block_of(pipe, "mid_block").attn2)


@fault("block-skipped", "unet", "one transformer block returns its input")
def _block_skipped(pipe: Any, context: Context) -> None:
    def change(original: Any, hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
        return hidden_states

    override(block_of(pipe, "up_blocks"), "forward", change)


@fault("block-cached", "unet", "one transformer block returns its first result for ever")
def _block_cached(pipe: Any, context: Context) -> None:
    held: list[Any] = []

    def change(output: Any) -> Any:
        held.append(output)
        return held[0] if held[0].shape == output.shape else output

    override_output(block_of(pipe, "up_blocks"), change)


@fault("group-norm-affine-dropped", "unet", "one group norm omits its affine part")
def _group_norm_affine_dropped(pipe: Any, context: Context) -> None:
    norm = of_type(pipe.unet.up_blocks, "ResnetBlock2D")[0].norm1
    norm.weight.data.fill_(1.0)
    norm.bias.data.zero_()


@fault("conv-channels-permuted", "unet", "two output channels of one convolution change places")
def _conv_channels_permuted(pipe: Any, context: Context) -> None:
    convolution = of_type(pipe.unet.down_blocks, "ResnetBlock2D")[0].conv1
    for parameter in (convolution.weight, convolution.bias):
        parameter.data[[0, 1]] = parameter.data[[1, 0]]


@fault("int4-weights", "unet", "linear layers hold 15 levels per tensor in place of int8 per channel")
def _int4_weights(pipe: Any, context: Context) -> None:
    for layer in int8_targets(pipe):
        weight = weight_of(layer)
        set_weight(layer, fake_quantize(weight, weight.float().abs().max() / 7, 7))


@fault("int8-scale-clipped", "unet", "int8 weights are clipped at half of each channel's maximum")
def _int8_scale_clipped(pipe: Any, context: Context) -> None:
    for layer in int8_targets(pipe):
        weight = weight_of(layer)
        most = weight.float().abs().amax(dim=1, keepdim=True).clamp(min=1e-12)
        set_weight(layer, fake_quantize(weight, most / 2 / 127, 127))


@fault("fp8-weights", "unet", "the UNet's weights are rounded to float8 (e4m3)")
def _fp8_weights(pipe: Any, context: Context) -> None:
    import torch

    def rounded(tensor: Any) -> Any:
        most = torch.finfo(torch.float8_e4m3fn).max
        return tensor.clamp(-most, most).to(torch.float8_e4m3fn).to(tensor.dtype)

    for module in pipe.unet.modules():
        for parameter in module.parameters(recurse=False):
            if is_int8(parameter):
                set_weight(module, rounded(weight_of(module)))
            else:
                parameter.data.copy_(rounded(parameter.data))
