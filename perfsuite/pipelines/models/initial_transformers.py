"""Random weights of diffusion transformers and of T5, by the rules of `perfsuite.pipelines.models.initial`.

What these have beyond a UNet:

* Blocks are modulated by the time embedding: shifts, scales and gates have a standard deviation near
  `MODULATION`, about 0 and 1, so that each branch keeps a share of its input whatever the time.
* The quickest sines of time and guidance are nearly left out: a pipeline that rounds times to bfloat16, as
  Flux's does, moves them by whole turns, which a trained model has learnt not to hear.
* Queries and keys are normalised in some; there the norms' weights make the logits' size.
* T5's attention does not divide by the root of its width.
* Positions are a table that follows from the configuration, and is computed.
"""

from __future__ import annotations

import math
import re
from typing import Any

from perfsuite.pipelines.models.initial import ATTENTION, GELU, LOGITS, SCATTER, SEED, SILU, _scatter

MODULATION = 0.5
"""Standard deviation of what the time embedding shifts, scales and gates by."""
SMOOTH = 50.0
"""Of 1000: what a time may change by before the sines of it that are heard do; bfloat16 rounds by 4."""
_GAINS = (
    (r"(to_out\.0|to_add_out|\.o)$", ATTENTION),
    (r"(ff|ff_context)\.net\.2$", GELU),
    (r"\.wo$", GELU),
    (r"single_transformer_blocks\.\d+\.proj_out$", GELU),
    (r"(to_q|to_k|add_q_proj|add_k_proj)$", math.sqrt(LOGITS)),
    (r"(norm1|norm1_context|norm|norm_out|adaln_single)\.linear$", SILU * MODULATION),
    (r"(timestep|guidance|resolution|aspect_ratio)_embedder\.linear_1$", math.sqrt(2.0)),  # sines
    (r"caption_projection\.linear_2$", GELU),
    (r"\.linear_2$", SILU),
)
_OF_TIME = re.compile(r"(timestep|guidance)_embedder\.linear_1$")
_LAST = re.compile(r"(to_out\.0|to_add_out|net\.2|\.wo|\.o|single_transformer_blocks\.\d+\.proj_out)$")
"""Last layers of a branch."""


def knows(model: Any) -> bool:
    """Whether a model is one that is filled here: a transformer, and no CLIP."""
    return type(model).__name__.endswith("Transformer2DModel") or "T5" in type(model).__name__


def fill(model: Any, component: str, seed: int = SEED) -> None:
    """Give every parameter and buffer of a model its value, in place. `component`: its name in the pipeline.

    Raises `ValueError` for a parameter or buffer of unknown meaning.
    """
    import torch

    branches = _branches(model)
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            holder = model.get_submodule(name.rpartition(".")[0])
            if not name.endswith("pos_embed"):
                raise ValueError(f"{component}.{name}: a buffer that no random value is known for")
            buffer.copy_(_positions(holder, buffer))
        for name, module in model.named_modules():
            for kind, parameter in module.named_parameters(recurse=False):
                mean, deviation = _spread(component, name, module, kind, parameter, branches)
                if _is_query_or_key_of_t5(name):
                    deviation *= math.sqrt(LOGITS / math.sqrt(model.config.d_kv))
                heard = _heard(parameter) if kind == "weight" and _OF_TIME.search(name) else None
                _scatter(parameter, mean, deviation, f"{seed} {component}.{name}.{kind}", heard)


def _heard(weight: Any) -> Any:
    """How much of each sine and cosine of a time is taken in, 1 on average over their squares.

    In the order of diffusers' `get_timestep_embedding`: all of one kind, then all of the other, from the
    quickest, a radian in a thousandth of the time, to the slowest, 10,000 times as slow.
    """
    import torch

    half = weight.shape[1] // 2
    turns = 10000.0 ** -(torch.arange(half, device=weight.device, dtype=torch.float32) / half)
    kept = 1.0 / (1.0 + (SMOOTH * turns).square())
    return (kept / kept.square().mean().sqrt()).repeat(2)


def _branches(model: Any) -> int:
    """How many branches are added to the longest stream of the model."""
    config = model.config
    if hasattr(config, "d_kv"):
        return 2 * int(config.num_layers)
    of_text = 3 if getattr(config, "cross_attention_dim", None) else 2
    return of_text * int(config.num_layers) + int(getattr(config, "num_single_layers", 0) or 0)


def _spread(
    component: str, name: str, module: Any, kind: str, parameter: Any, branches: int
) -> tuple[float, float]:
    """Mean and standard deviation of a parameter's values."""
    import torch

    depth = 1.0 / math.sqrt(branches) if _LAST.search(name) else 1.0
    if kind == "bias":
        return 0.0, SCATTER * depth
    if kind == "scale_shift_table":
        return 0.0, MODULATION
    if "Norm" in type(module).__name__:
        normed = re.search(r"norm_(added_)?[qk]$", name)
        return (math.sqrt(LOGITS) if normed else 1.0), SCATTER
    if isinstance(module, torch.nn.Embedding):
        return 0.0, 1.0  # T5's tokens, and its biases of attention
    if not isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):
        raise ValueError(f"{component}.{name}: {type(module).__name__} has no initialiser here")
    gain = next((gain for pattern, gain in _GAINS if re.search(pattern, name)), 1.0)
    return 0.0, gain * depth / math.sqrt(parameter[0].numel())


def _is_query_or_key_of_t5(name: str) -> bool:
    return re.search(r"SelfAttention\.[qk]$", name) is not None


def _positions(holder: Any, buffer: Any) -> Any:
    """The table of positions of a `PatchEmbed`, as its own constructor computes it."""
    from diffusers.models.embeddings import get_2d_sincos_pos_embed

    size = holder.pos_embed_max_size or math.isqrt(buffer.shape[1])
    table = get_2d_sincos_pos_embed(
        buffer.shape[-1], size, base_size=holder.base_size,
        interpolation_scale=holder.interpolation_scale, output_type="pt",
    )  # fmt: skip
    return table.unsqueeze(0).to(buffer.device, buffer.dtype)
