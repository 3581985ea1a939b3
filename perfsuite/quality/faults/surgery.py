"""How a fault is put into one pipeline: subclasses of single objects, and where things sit in any SDXL."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations.evidence import models
from perfsuite.pipelines.optimizations.projections import dead_projections
from perfsuite.pipelines.optimizations.quantization import is_int8, wants_linear

if TYPE_CHECKING:
    from collections.abc import Callable


def subclass(target: Any, **attributes: Any) -> None:
    """Make this one object an instance of a subclass of its class."""
    cls = type(target)
    target.__class__ = type(cls.__name__, (cls,), {"__module__": cls.__module__, **attributes})


def override(target: Any, name: str, change: Callable[..., Any]) -> None:
    """Replace a method of this one object by ``change(original, *arguments)``."""
    original = getattr(type(target), name)

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return change(functools.partial(original, self), *args, **kwargs)

    subclass(target, **{name: method})


def override_output(module: Any, change: Callable[[Any], Any]) -> None:
    """Replace what a module returns."""
    override(module, "forward", lambda original, *args, **kwargs: change(original(*args, **kwargs)))


def scale_property(target: Any, name: str, factor: float) -> None:
    """Multiply a property of this one object."""
    getter = getattr(type(target), name).fget
    subclass(target, **{name: property(lambda self: factor * getter(self))})


def with_argument(function: Any, **changed: Any) -> Any:
    """A context in which torch's `function` is called with these keyword arguments."""
    from torch.overrides import TorchFunctionMode

    class Change(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            extra = changed if func is function else {}
            return func(*args, **{**(kwargs or {}), **extra})

    return Change()


def rounded_to_bf16(tensor: Any) -> Any:
    """The tensor rounded to bfloat16, in its own dtype."""
    import torch

    return tensor.to(torch.bfloat16).to(tensor.dtype)


def of_type(module: Any, name: str) -> list[Any]:
    """The module's descendants of a class, by the name of the class, in order."""
    return [m for m in module.modules() if any(c.__name__ == name for c in type(m).__mro__)]


def block_of(pipe: Any, part: str) -> Any:
    """The first transformer block of ``down_blocks``, ``mid_block`` or ``up_blocks``, else of all."""
    place = getattr(pipe.unet, part)
    found = of_type(place, "BasicTransformerBlock") if place is not None else []
    return (found or of_type(pipe.unet, "BasicTransformerBlock"))[0]


def self_attentions(pipe: Any) -> list[Any]:
    return [block.attn1 for block in of_type(pipe.unet, "BasicTransformerBlock")]


def text_layers(encoder: Any) -> Any:
    return getattr(encoder, "text_model", encoder).encoder.layers


def weight_of(layer: Any) -> Any:
    """A layer's weight as plain floating numbers."""
    return layer.weight.dequantize() if is_int8(layer.weight) else layer.weight.detach()


def set_weight(layer: Any, weight: Any) -> None:
    """Change a layer's weight, and quantize it again where it was."""
    import torch

    if not is_int8(layer.weight):
        layer.weight.data.copy_(weight)
        return
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    layer.weight = torch.nn.Parameter(weight.to(layer.weight.dtype), requires_grad=False)
    quantize_(layer, Int8DynamicActivationInt8WeightConfig(set_inductor_config=False))


def int8_targets(pipe: Any) -> list[Any]:
    """The linear layers that int8 quantization takes, whether it was applied or not."""
    dead = dead_projections(pipe)
    return [
        module
        for root, model in models(pipe).items()
        for name, module in model.named_modules()
        if wants_linear(module) and f"{root}.{name}" not in dead
    ]


def fake_quantize(weight: Any, scale: Any, levels: int) -> Any:
    return (weight.float() / scale).round().clamp(-levels, levels) * scale


def rearrange_fused(attention: Any, order: tuple[int, int, int]) -> None:
    """Rearrange the thirds (query, key, value) of a fused projection."""
    import torch

    layer = attention.to_qkv
    set_weight(layer, torch.cat([weight_of(layer).chunk(3)[i] for i in order]))
    if layer.bias is not None:
        layer.bias.data.copy_(torch.cat([layer.bias.detach().chunk(3)[i] for i in order]))


def silence(attention: Any) -> None:
    """Make an attention module contribute nothing."""

    def change(original: Any, hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
        if attention.residual_connection:
            return hidden_states / attention.rescale_output_factor
        return hidden_states.new_zeros(original(hidden_states, *args, **kwargs).shape)

    override(attention, "forward", change)


def stepped(result: Any, sample: Any) -> Any:
    """What `scheduler.step` returned, with another sample."""
    if isinstance(result, tuple):
        return (sample, *result[1:])
    result.prev_sample = sample
    return result
