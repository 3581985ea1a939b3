"""Single norms and convolutions at the size of large pictures, whatever size the workload has.

A sum of a million numbers shows what one of a thousand cannot. What a module should give is computed from its
own weights in float64, so nothing is recorded and nobody's kernel is the measure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.dtypes import dtype_of
from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.evidence import models
from perfsuite.quality.relative_errors import Errors, Place, relative_l2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfsuite.pipelines.technique import Context

SIDE = 1024
"""Pixels of the pictures whose activations are tried."""
AT = f" at {SIDE}x{SIDE}"
"""Ends the names of modules that were tried so."""
_PATCH = 64
"""Of a convolution so many rows and columns at the far end are looked at: it is the same everywhere."""


def measure_large(pipe: Any, context: Context) -> Errors:
    """Relative L2 error of the last norm and convolution of UNet and VAE decoder, against float64.

    A transformer ends in neither, so of its pipeline only the decoder's are tried.

    Modules that an optimization swapped for others, or whose weights it keeps in another form, are left out.
    """
    import torch

    found, family = Errors(), family_of(pipe)
    with torch.no_grad():
        for component, name, module in _modules(pipe):
            side = SIDE if component == family.decoder else SIDE // family.scale(pipe)
            generator = torch.Generator("cpu").manual_seed(0)
            norm = type(module) is torch.nn.GroupNorm
            channels = module.num_channels if norm else module.in_channels
            values = 0.5 + torch.randn(1, channels, side, side, generator=generator)
            # A hook of diffusers casts a weight that is stored in float8 while it is used.
            cast = hasattr(module, "_diffusers_hook")
            dtype = dtype_of(context.variant) if cast else module.weight.dtype
            given = values.to(device=context.device.kind, dtype=dtype)
            pair = _norm(module, given) if norm else _convolution(module, given)
            found[Place(component, name + AT)] = relative_l2(*pair)
    return found


def _modules(pipe: Any) -> Iterator[tuple[str, str, Any]]:
    import torch

    decoder = family_of(pipe).decoder
    for component, model in models(pipe).items():
        of_model = dict(model.named_modules())
        for name in ("conv_norm_out", "conv_out"):
            part = f"decoder.{name}" if component == decoder else name
            module = of_model.get(part)
            plain = type(module) in (torch.nn.GroupNorm, torch.nn.Conv2d)
            if module is not None and plain and type(module.weight.data) is torch.Tensor:
                yield component, part, module


def _norm(module: Any, given: Any) -> tuple[Any, Any]:
    """What a group norm gives and should give."""
    groups = given.double().unflatten(1, (module.num_groups, -1)).flatten(2)
    variance, mean = _moments(groups)
    exact = ((groups - mean) * (variance + module.eps).rsqrt()).view(given.shape)
    weight, bias = (p.double()[:, None, None] for p in (module.weight, module.bias))
    return module(given), exact * weight + bias


def _moments(groups: Any) -> tuple[Any, Any]:
    import torch

    return torch.var_mean(groups, dim=-1, correction=0, keepdim=True)


def _convolution(module: Any, given: Any) -> tuple[Any, Any]:
    """What a convolution gives and should give at the far end of the picture, but for its very edge."""
    import torch

    height, width = (side // 2 for side in module.kernel_size)
    rows, columns = slice(-_PATCH - height - 2, -2), slice(-_PATCH - width - 2, -2)
    around = given[
        ..., -_PATCH - 2 * height - 2 : height - 2 or None, -_PATCH - 2 * width - 2 : width - 2 or None
    ]
    bias = None if module.bias is None else module.bias.double()
    exact = torch.nn.functional.conv2d(around.double(), module.weight.double(), bias)
    return module(given)[..., rows, columns], exact
