"""Random weights of a true architecture: no trained weight, yet every part of the model takes part.

Default initialisers will not do. Some layers begin at zero or nearly so, attention over random keys is
flat, and residual branches drown in what they are added to: a picture gate on such a model passes one
without a denoiser. Here instead:

* Linear and convolution layers preserve variance: standard deviation ``gain / sqrt(fan_in)``, with gain
  ``1 / sqrt(E[f(z)^2])`` after a nonlinearity f of a standard normal z (He et al. 2015, generalised from
  ReLU). Each branch begins with a normalisation, so what it adds has unit variance whatever it is
  added to.
* The n branches of one stream of a transformer are scaled by ``1 / sqrt(n)`` (Radford et al. 2019,
  GPT-2, section 2.3), so that the stream's variance ends near 2 whatever its depth.
* Queries and keys are larger, so that the logits of attention have a standard deviation near
  `LOGITS`: attention then picks some of its inputs, as trained attention does, and does not average all.
* Norms and biases are scattered about 1 and 0, so that none can be lost unseen.
* The VAE's first layer takes latents of the size that this UNet draws, its last one leaves most pixels
  between black and white.

Numbers come from a counter and a hash, in integer arithmetic, by name of the parameter: torch's own
generators give other numbers on another device, and in another precision. So weights are the same
wherever they are made, and a lower precision's are the rounded ones of float32.
"""

from __future__ import annotations

import math
import re
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SEED = 0
"""Of all random weights."""
SILU = 1.0 / math.sqrt(0.3556)
GELU = 1.0 / math.sqrt(0.4252)
"""Gain after SiLU and GELU: the second moment of f(z) for a standard normal z, by quadrature."""
LOGITS = 3.0
"""Standard deviation of attention's logits: the largest of n weights then has about the weight of
``n / exp(9)`` others, or more."""
ATTENTION = 1.5
"""Gain after attention, which averages values."""
SCATTER = 0.2
"""Standard deviation of biases, and of norms' weights about 1."""
LATENTS = 25.0
"""Standard deviation of the latents that the UNet draws in 30 steps with guidance 5."""
ENTRY = 0.1
"""Gain of the first convolution: late latents are larger than a trained UNet's, and what the branches add
must not drown in them."""
PICTURE = 0.4
"""Standard deviation of the VAE's output, where black and white are -1 and 1."""
CHUNK = 1 << 18
"""Values made at once."""

_GAINS = (
    (r"(^|\.)decoder\.conv_out$", SILU * PICTURE),
    (r"(^|\.)(conv1|conv2|conv_out)$", SILU),
    (r"(^|\.)conv_in$", ENTRY),
    # Its input is the sum of two embeddings.
    (r"\.time_emb_proj$", SILU / math.sqrt(2.0)),
    (r"embedding\.linear_1$", math.sqrt(2.0)),  # sines and cosines
    (r"embedding\.linear_2$", SILU),
    (r"\.(ff\.net\.2|fc2)$", GELU),
    (r"\.(to_q|to_k|q_proj|k_proj)$", math.sqrt(LOGITS)),
    (r"\.(to_out\.0|out_proj)$", ATTENTION),
    (r"\.proj_out$", 1.0 / math.sqrt(2.0)),
)
_LAST = re.compile(r"\.(ff\.net\.2|fc2|to_out\.0|out_proj)$")
"""Last layers of a transformer's branches."""


def make(folder: Path, tokenizers: dict[str, Any], dtype: Any, device: str, seed: int = SEED) -> Any:
    """A `StableDiffusionXLPipeline` of the configs in `folder`, made on the device, no weight loaded.

    Memory is taken once, in `dtype`: models are built without memory and then filled.
    """
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    models = {name: model.to(dtype) for name, model in skeletons(folder).items()}
    for name, model in models.items():
        model.to_empty(device=device)
        fill(model, name, seed)
        model.eval().requires_grad_(False)
    return StableDiffusionXLPipeline(
        **models,
        **tokenizers,
        scheduler=EulerDiscreteScheduler.from_pretrained(folder, subfolder="scheduler"),
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )


def skeletons(folder: Path) -> dict[str, Any]:
    """UNet, VAE and text encoders of the configs in `folder`, on torch's meta device."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    with torch.device("meta"):
        found = {
            name: kind.from_config(kind.load_config(folder / name))
            for name, kind in (("unet", UNet2DConditionModel), ("vae", AutoencoderKL))
        }
        for name, kind in (("text_encoder", CLIPTextModel), ("text_encoder_2", CLIPTextModelWithProjection)):
            found[name] = kind(CLIPTextConfig.from_pretrained(folder / name))
    return found


def fill(model: Any, component: str, seed: int = SEED) -> None:
    """Give every parameter and buffer of a model its value, in place; see the module's docstring.

    `component`: its name in the pipeline. Raises `ValueError` for a buffer of unknown meaning.
    """
    import torch

    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if not name.endswith("position_ids"):
                raise ValueError(f"{component}.{name}: a buffer that no random value is known for")
            buffer.copy_(torch.arange(buffer.shape[-1], device=buffer.device).expand_as(buffer))
        for name, module in model.named_modules():
            for kind, parameter in module.named_parameters(recurse=False):
                mean, deviation = _spread(model, component, name, module, kind, parameter)
                _scatter(parameter, mean, deviation, f"{seed} {component}.{name}.{kind}")


def _spread(
    model: Any, component: str, name: str, module: Any, kind: str, parameter: Any
) -> tuple[float, float]:
    """Mean and standard deviation of a parameter's values."""
    import torch

    if kind == "bias":
        return 0.0, SCATTER * _depth(model, name)
    if isinstance(module, (torch.nn.GroupNorm, torch.nn.LayerNorm)):
        return 1.0, SCATTER
    if isinstance(module, torch.nn.Embedding):
        return 0.0, math.sqrt(0.5)  # of tokens and of positions, which are added
    if not isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):
        raise ValueError(f"{component}.{name}: {type(module).__name__} has no initialiser here")
    gain = next((gain for pattern, gain in _GAINS if re.search(pattern, name)), 1.0)
    if component == "vae" and name.endswith(".conv_in"):
        gain = 1.0  # `post_quant_conv` has scaled its input
    if component == "vae" and name == "post_quant_conv":
        gain = model.config.scaling_factor / LATENTS
    return 0.0, gain * _depth(model, name) / math.sqrt(parameter[0].numel())


def _depth(model: Any, name: str) -> float:
    """What the last layer of a branch is scaled by: 1 over the root of the branches of its stream."""
    if not _LAST.search(name):
        return 1.0
    if ".transformer_blocks." in name:
        stream = model.get_submodule(name.partition(".transformer_blocks.")[0])
        return 1.0 / math.sqrt(3 * len(stream.transformer_blocks))
    if ".layers." in name:
        return 1.0 / math.sqrt(2 * model.config.num_hidden_layers)
    return 1.0


def _scatter(parameter: Any, mean: float, deviation: float, key: str, columns: Any = None) -> None:
    """Fill with values of a uniform distribution that depend on `key` and their place alone; `columns`: what
    those of each column are multiplied by."""
    import torch

    # `_hashed` gives whole numbers from 0 up to 2**32; the width of a uniform distribution is
    # sqrt(12) standard deviations.
    step = deviation * math.sqrt(12.0) / 2.0**32
    flat = parameter.data.view(-1)
    for start in range(0, flat.numel(), CHUNK):
        part = flat[start : start + CHUNK]
        numbers = torch.arange(start, start + part.numel(), dtype=torch.int64, device=part.device)
        by = None if columns is None else columns[numbers % len(columns)]
        values = (_hashed(numbers, key) - 2**31).to(torch.float32).mul_(step)
        values = values if by is None else values.mul_(by)
        part.copy_(values.add_(mean) if mean else values)


def _hashed(numbers: Any, key: str) -> Any:
    """Each int64 of [0, 2**31) to one of [0, 2**32), by a multiply-xorshift hash (in place).

    Two keys: one shifts the counter, one enters after the first mixing, so that two parameters whose
    counters overlap share nothing. No product leaves 63 bits.
    """
    mask = 0xFFFFFFFF
    first, second = zlib.crc32(key.encode()), zlib.crc32(key[::-1].encode())
    x = numbers.add_(first).bitwise_and_(mask)
    x.bitwise_xor_(x >> 16).mul_(0x7FEB352D).bitwise_and_(mask)
    x.bitwise_xor_(second).bitwise_xor_(x >> 15).mul_(0x46B2F4A7).bitwise_and_(mask)
    return x.bitwise_xor_(x >> 16)
