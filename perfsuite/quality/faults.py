"""Planted numerical faults, modelled on real ones: what a quality gate is worth is what it finds of them.

Each changes one pipeline that `perfsuite.pipelines.prepare` built for an eager variant, where the
real defect sat, so that whole generations show it and, for the faults of a model, direct calls of
that model too. Only the pipeline's own objects change: a faulty method comes from a subclass made
for the one object. Blocks are chosen by their place, so that any SDXL will do.

An optimization that silently does not engage (diffusers#8829) is missing here: its numbers are
right, and each `Optimization.verify` is there to find it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations.evidence import models
from perfsuite.pipelines.optimizations.projections import dead_projections
from perfsuite.pipelines.optimizations.quantization import is_int8, wants_linear
from perfsuite.pipelines.variants import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.pipelines.technique import Context, Variant

    Plant = Callable[[Any, Context], None]


@dataclass(frozen=True)
class Fault:
    """One way to be wrong, and where."""

    name: str
    summary: str
    """What is wrong, in one line."""
    plant: Callable[[Any, Context], None]
    """Change the built pipeline in place; it is of no other use afterwards."""
    component: str
    """Where it sits: ``loop``, ``unet``, ``vae``, ``text_encoder`` or ``text_encoder_2``."""
    source: str = ""
    """The real defect that it is modelled on."""
    applies: Callable[[Variant], str | None] = lambda variant: None
    """None, or the reason why it cannot be planted in this variant."""
    harmless: str = ""
    """Why it is no fault after all, so that a gate that fails it raises a false alarm."""


class NotApplicableError(ValueError):
    """A fault that cannot be planted in this variant; the message says why."""


FAULTS: dict[str, Fault] = {}


def plant(name: str, pipe: Any, context: Context) -> None:
    """Plant a fault in a pipeline built for `context.variant`.

    Raises `UnknownNameError`, which names the nearest fault, or `NotApplicableError`.
    """
    if name not in FAULTS:
        raise UnknownNameError("fault", name, list(FAULTS))
    reason = FAULTS[name].applies(context.variant)
    if reason is None and context.variant.compiled:
        reason = "compiled code would not see it; leave compile out"
    if reason is not None:
        raise NotApplicableError(f"{name} cannot be planted in {context.variant.name}: {reason}")
    FAULTS[name].plant(pipe, context)


def _fault(
    name: str,
    component: str,
    summary: str,
    source: str = "",
    applies: Callable[[Variant], str | None] = lambda variant: None,
    harmless: str = "",
) -> Callable[[Plant], Plant]:
    """Enter the decorated function into `FAULTS`."""

    def enter(function: Plant) -> Plant:
        FAULTS[name] = Fault(name, summary, function, component, source, applies, harmless)
        return function

    return enter


def _subclass(target: Any, **attributes: Any) -> None:
    """Make this one object an instance of a subclass of its class."""
    cls = type(target)
    target.__class__ = type(cls.__name__, (cls,), {"__module__": cls.__module__, **attributes})


def _override(target: Any, name: str, change: Callable[..., Any]) -> None:
    """Replace a method of this one object by ``change(original, *arguments)``."""
    original = getattr(type(target), name)

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return change(functools.partial(original, self), *args, **kwargs)

    _subclass(target, **{name: method})


def _override_output(module: Any, change: Callable[[Any], Any]) -> None:
    """Replace what a module returns."""
    _override(module, "forward", lambda original, *args, **kwargs: change(original(*args, **kwargs)))


def _scale_property(target: Any, name: str, factor: float) -> None:
    """Multiply a property of this one object."""
    getter = getattr(type(target), name).fget
    _subclass(target, **{name: property(lambda self: factor * getter(self))})


def _with_argument(function: Any, **changed: Any) -> Any:
    """A context in which torch's `function` is called with these keyword arguments."""
    from torch.overrides import TorchFunctionMode

    class Change(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            extra = changed if func is function else {}
            return func(*args, **{**(kwargs or {}), **extra})

    return Change()


def _rounded(tensor: Any) -> Any:
    """The tensor rounded to bfloat16, in its own dtype."""
    import torch

    return tensor.to(torch.bfloat16).to(tensor.dtype)


def _of_type(module: Any, name: str) -> list[Any]:
    """The module's descendants of a class, by the name of the class, in order."""
    return [m for m in module.modules() if any(c.__name__ == name for c in type(m).__mro__)]


def _block(pipe: Any, part: str) -> Any:
    """The first transformer block of ``down_blocks``, ``mid_block`` or ``up_blocks``, else of all."""
    place = getattr(pipe.unet, part)
    found = _of_type(place, "BasicTransformerBlock") if place is not None else []
    return (found or _of_type(pipe.unet, "BasicTransformerBlock"))[0]


def _self_attentions(pipe: Any) -> list[Any]:
    return [block.attn1 for block in _of_type(pipe.unet, "BasicTransformerBlock")]


def _text_layers(encoder: Any) -> Any:
    return getattr(encoder, "text_model", encoder).encoder.layers


def _weight(layer: Any) -> Any:
    """A layer's weight as plain floating numbers."""
    return layer.weight.dequantize() if is_int8(layer.weight) else layer.weight.detach()


def _set_weight(layer: Any, weight: Any) -> None:
    """Change a layer's weight, and quantize it again where it was."""
    import torch

    if not is_int8(layer.weight):
        layer.weight.data.copy_(weight)
        return
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    layer.weight = torch.nn.Parameter(weight.to(layer.weight.dtype), requires_grad=False)
    quantize_(layer, Int8DynamicActivationInt8WeightConfig(set_inductor_config=False))


def _int8_targets(pipe: Any) -> list[Any]:
    """The linear layers that int8 quantization takes, whether it was applied or not."""
    dead = dead_projections(pipe)
    return [
        module
        for root, model in models(pipe).items()
        for name, module in model.named_modules()
        if wants_linear(module) and f"{root}.{name}" not in dead
    ]


def _fake_quantize(weight: Any, scale: Any, levels: int) -> Any:
    return (weight.float() / scale).round().clamp(-levels, levels) * scale


def _rearrange_fused(attention: Any, order: tuple[int, int, int]) -> None:
    """Rearrange the thirds (query, key, value) of a fused projection."""
    import torch

    layer = attention.to_qkv
    _set_weight(layer, torch.cat([_weight(layer).chunk(3)[i] for i in order]))
    if layer.bias is not None:
        layer.bias.data.copy_(torch.cat([layer.bias.detach().chunk(3)[i] for i in order]))


def _silence(attention: Any) -> None:
    """Make an attention module contribute nothing."""

    def change(original: Any, hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
        if attention.residual_connection:
            return hidden_states / attention.rescale_output_factor
        return hidden_states.new_zeros(original(hidden_states, *args, **kwargs).shape)

    _override(attention, "forward", change)


def _stepped(result: Any, sample: Any) -> Any:
    """What `scheduler.step` returned, with another sample."""
    if isinstance(result, tuple):
        return (sample, *result[1:])
    result.prev_sample = sample
    return result


# The picture: VAE.


@_fault(
    "nan-in-vae",
    "vae",
    "the VAE's last up block overflows as in float16 and gives NaN",
    "pytorch#116848, pytorch#95644",
)
def _nan_in_vae(pipe: Any, context: Context) -> None:
    _override_output(pipe.vae.decoder.up_blocks[-1], lambda output: output * float("inf") * 0.0)


@_fault("black-picture", "vae", "the VAE's decoder gives black", "ComfyUI#4572")
def _black_picture(pipe: Any, context: Context) -> None:
    _override_output(pipe.vae.decoder, lambda output: output.new_full(output.shape, -1.0))


@_fault("vae-scaling-off-by-1-percent", "loop", "the VAE's scaling factor is 1 % too large")
def _vae_scaling(pipe: Any, context: Context) -> None:
    pipe.vae.register_to_config(scaling_factor=1.01 * pipe.vae.config.scaling_factor)


@_fault("vae-attention-zero", "vae", "the attention in the VAE's decoder contributes nothing")
def _vae_attention_zero(pipe: Any, context: Context) -> None:
    _silence(_of_type(pipe.vae.decoder, "Attention")[0])


@_fault("vae-upsampling-bilinear", "vae", "one upsampling of the VAE's decoder blends neighbours")
def _vae_upsampling_bilinear(pipe: Any, context: Context) -> None:
    import torch

    bilinear = _with_argument(torch.nn.functional.interpolate, mode="bilinear")

    def change(original: Any, *args: Any, **kwargs: Any) -> Any:
        with bilinear:
            return original(*args, **kwargs)

    _override(_of_type(pipe.vae.decoder, "Upsample2D")[0], "forward", change)


@_fault("vae-tiles-without-overlap", "vae", "the VAE decodes four tiles that are not blended")
def _vae_tiles(pipe: Any, context: Context) -> None:
    size = max(context.workload.height, context.workload.width) // pipe.vae_scale_factor // 2
    pipe.vae.enable_tiling()
    pipe.vae.tile_latent_min_size = size
    pipe.vae.tile_sample_min_size = size * pipe.vae_scale_factor
    pipe.vae.tile_overlap_factor = 0.0


# The loop: pipeline and scheduler.


@_fault("sigmas-in-bf16", "loop", "the noise levels of the schedule are rounded to bfloat16")
def _sigmas_in_bf16(pipe: Any, context: Context) -> None:
    scheduler = pipe.scheduler

    def change(original: Any, *args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        scheduler.sigmas = _rounded(scheduler.sigmas)

    _override(scheduler, "set_timesteps", change)
    scheduler.sigmas = _rounded(scheduler.sigmas)


@_fault("scheduler-in-bf16", "loop", "the scheduler computes its step in bfloat16, without up-casting")
def _scheduler_in_bf16(pipe: Any, context: Context) -> None:
    import torch

    scheduler, low = pipe.scheduler, torch.bfloat16

    def change(original: Any, noise: Any, timestep: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(noise, timestep, sample, *args, **kwargs)
        sigma, following = scheduler.sigmas[scheduler.step_index - 1 :][:2].to(low)
        start = sample.to(low)
        slope = (start - (start - sigma * noise.to(low))) / sigma
        return _stepped(result, (start + slope * (following - sigma)).to(result[0].dtype))

    _override(scheduler, "step", change)


@_fault("scheduler-scale-skipped", "loop", "the UNet's input is not scaled to its noise level")
def _scheduler_scale_skipped(pipe: Any, context: Context) -> None:
    def change(original: Any, sample: Any, timestep: Any) -> Any:
        original(sample, timestep)
        return sample

    _override(pipe.scheduler, "scale_model_input", change)


@_fault("init-noise-off-by-1-percent", "loop", "the first latents are 1 % too large")
def _init_noise(pipe: Any, context: Context) -> None:
    _scale_property(pipe.scheduler, "init_noise_sigma", 1.01)


@_fault("step-lost", "loop", "the last step leaves the latents as they were")
def _step_lost(pipe: Any, context: Context) -> None:
    scheduler = pipe.scheduler

    def change(original: Any, noise: Any, timestep: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(noise, timestep, sample, *args, **kwargs)
        last = scheduler.step_index == len(scheduler.sigmas) - 1
        return _stepped(result, sample.to(result[0].dtype)) if last else result

    _override(scheduler, "step", change)


@_fault("guidance-off-by-5-percent", "loop", "the guidance scale is 5 % too large")
def _guidance(pipe: Any, context: Context) -> None:
    _scale_property(pipe, "guidance_scale", 1.05)


@_fault("time-ids-swapped", "loop", "original size and crop offset change places in the conditioning")
def _time_ids_swapped(pipe: Any, context: Context) -> None:
    def change(original: Any, size: Any, crop: Any, *args: Any, **kwargs: Any) -> Any:
        return original(crop, size, *args, **kwargs)

    _override(pipe, "_get_add_time_ids", change)


# The denoiser: UNet.


@_fault(
    "timesteps-in-bf16",
    "unet",
    "the UNet rounds its timestep to bfloat16: 750 becomes 752",
    "diffusers#9405",
)
def _timesteps_in_bf16(pipe: Any, context: Context) -> None:
    import torch

    _override(
        pipe.unet.time_proj,
        "forward",
        lambda original, timesteps: original(timesteps.to(torch.bfloat16).float()),
    )


@_fault(
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

    _override_output(pipe.unet, change)


def _noise_gain(gain: float, pipe: Any, context: Context) -> None:
    _override_output(pipe.unet.conv_out, lambda output: gain * output)


for _percent in (1, 5):
    _fault(f"noise-gain-{_percent}-percent", "unet", f"the predicted noise is {_percent} % too large")(
        functools.partial(_noise_gain, 1.0 + _percent / 100)
    )


@_fault(
    "rounding-kept",
    "unet",
    "layer norms round to bfloat16 once more, between normalization and affine part",
)
def _rounding_kept(pipe: Any, context: Context) -> None:
    import torch

    def change(norm: Any, original: Any, x: Any) -> Any:
        normal = torch.nn.functional.layer_norm(x.float(), norm.normalized_shape, eps=norm.eps)
        return (_rounded(normal) * norm.weight.float() + norm.bias.float()).to(x.dtype)

    for norm in _of_type(pipe.unet, "LayerNorm"):
        if norm.elementwise_affine and norm.bias is not None:
            _override(norm, "forward", functools.partial(change, norm))


@_fault(
    "rounding-dropped",
    "unet",
    "group norm and SiLU are fused and round once, not twice: nearer to float32 than eager code is",
    "sglang#38533, vllm-omni#6878",
    lambda variant: "float32 has no rounding to drop" if variant.precision in ("fp32", "tf32") else None,
    harmless="it is nearer to float32 than eager code; compilers do the same",
)
def _rounding_dropped(pipe: Any, context: Context) -> None:
    for resnet in _of_type(pipe.unet, "ResnetBlock2D"):
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
        _override(norm, "forward", functools.partial(normalize, norm))
    _override(resnet.nonlinearity, "forward", activate)


@_fault(
    "qkv-wrong-order",
    "unet",
    "keys and values change places in every fused projection of a self-attention",
    applies=lambda variant: None if "qkv" in variant else "its projections are not fused",
)
def _qkv_wrong_order(pipe: Any, context: Context) -> None:
    for attention in _self_attentions(pipe):
        _rearrange_fused(attention, (0, 2, 1))


@_fault("keys-replaced-by-values", "unet", "one self-attention uses its values as keys")
def _keys_replaced_by_values(pipe: Any, context: Context) -> None:
    attention = _block(pipe, "down_blocks").attn1
    if attention.fused_projections:
        _rearrange_fused(attention, (0, 2, 2))
        return
    _set_weight(attention.to_k, _weight(attention.to_v))
    if attention.to_k.bias is not None:
        attention.to_k.bias.data.copy_(attention.to_v.bias.data)


@_fault("attention-scale-doubled", "unet", "every self-attention doubles the scale of its scores")
def _attention_scale_doubled(pipe: Any, context: Context) -> None:
    import torch

    sdpa = torch.nn.functional.scaled_dot_product_attention

    def change(doubled: Any, original: Any, *args: Any, **kwargs: Any) -> Any:
        with doubled:
            return original(*args, **kwargs)

    for attention in _self_attentions(pipe):
        # The one without SDPA reads this attribute; SDPA computes its scale itself.
        attention.scale *= 2
        doubled = _with_argument(sdpa, scale=2 * (attention.inner_dim // attention.heads) ** -0.5)
        _override(attention, "forward", functools.partial(change, doubled))


@_fault("attention-output-zero", "unet", "one cross-attention gives zero: this block ignores the prompt")
def _attention_output_zero(pipe: Any, context: Context) -> None:
    _silence(_block(pipe, "mid_block").attn2)


@_fault("block-skipped", "unet", "one transformer block returns its input")
def _block_skipped(pipe: Any, context: Context) -> None:
    def change(original: Any, hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
        return hidden_states

    _override(_block(pipe, "up_blocks"), "forward", change)


@_fault("block-cached", "unet", "one transformer block returns its first result for ever")
def _block_cached(pipe: Any, context: Context) -> None:
    held: list[Any] = []

    def change(output: Any) -> Any:
        held.append(output)
        return held[0] if held[0].shape == output.shape else output

    _override_output(_block(pipe, "up_blocks"), change)


@_fault("group-norm-affine-dropped", "unet", "one group norm omits its affine part")
def _group_norm_affine_dropped(pipe: Any, context: Context) -> None:
    norm = _of_type(pipe.unet.up_blocks, "ResnetBlock2D")[0].norm1
    norm.weight.data.fill_(1.0)
    norm.bias.data.zero_()


@_fault("conv-channels-permuted", "unet", "two output channels of one convolution change places")
def _conv_channels_permuted(pipe: Any, context: Context) -> None:
    convolution = _of_type(pipe.unet.down_blocks, "ResnetBlock2D")[0].conv1
    for parameter in (convolution.weight, convolution.bias):
        parameter.data[[0, 1]] = parameter.data[[1, 0]]


@_fault("int4-weights", "unet", "linear layers hold 15 levels per tensor in place of int8 per channel")
def _int4_weights(pipe: Any, context: Context) -> None:
    for layer in _int8_targets(pipe):
        weight = _weight(layer)
        _set_weight(layer, _fake_quantize(weight, weight.float().abs().max() / 7, 7))


@_fault("int8-scale-clipped", "unet", "int8 weights are clipped at half of each channel's maximum")
def _int8_scale_clipped(pipe: Any, context: Context) -> None:
    for layer in _int8_targets(pipe):
        weight = _weight(layer)
        most = weight.float().abs().amax(dim=1, keepdim=True).clamp(min=1e-12)
        _set_weight(layer, _fake_quantize(weight, most / 2 / 127, 127))


@_fault("fp8-weights", "unet", "the UNet's weights are rounded to float8 (e4m3)")
def _fp8_weights(pipe: Any, context: Context) -> None:
    import torch

    def rounded(tensor: Any) -> Any:
        most = torch.finfo(torch.float8_e4m3fn).max
        return tensor.clamp(-most, most).to(torch.float8_e4m3fn).to(tensor.dtype)

    for module in pipe.unet.modules():
        for parameter in module.parameters(recurse=False):
            if is_int8(parameter):
                _set_weight(module, rounded(_weight(module)))
            else:
                parameter.data.copy_(rounded(parameter.data))


# The prompt: text encoders.


@_fault("pooled-text-zero", "text_encoder_2", "the pooled output of the second text encoder is zero")
def _pooled_text_zero(pipe: Any, context: Context) -> None:
    pipe.text_encoder_2.text_projection.weight.data.zero_()


@_fault("text-encoder-last-layer", "text_encoder", "the last layer's output stands for the last but one's")
def _text_encoder_last_layer(pipe: Any, context: Context) -> None:
    def change(output: Any) -> Any:
        states = output.hidden_states
        if states is not None:
            output.hidden_states = (*states[:-2], states[-1], states[-1])
        return output

    _override_output(pipe.text_encoder, change)


@_fault("causal-mask-lost", "text_encoder", "the words of a prompt also see the words after them")
def _causal_mask_lost(pipe: Any, context: Context) -> None:
    def change(original: Any, *args: Any, **kwargs: Any) -> Any:
        return original(*args[:1], **{**kwargs, "attention_mask": None, "is_causal": False})

    for layer in _text_layers(pipe.text_encoder):
        _override(layer.self_attn, "forward", change)


@_fault("text-activation-wrong", "text_encoder_2", "quick GELU in place of GELU, or the reverse")
def _text_activation_wrong(pipe: Any, context: Context) -> None:
    from transformers.activations import ACT2FN

    encoder = pipe.text_encoder_2
    wrong = "gelu" if encoder.config.hidden_act == "quick_gelu" else "quick_gelu"
    for layer in _text_layers(encoder):
        layer.mlp.activation_fn = ACT2FN[wrong]


@_fault("text-bias-dropped", "text_encoder_2", "one linear layer of the second text encoder lost its bias")
def _text_bias_dropped(pipe: Any, context: Context) -> None:
    _text_layers(pipe.text_encoder_2)[0].mlp.fc1.bias.data.zero_()
