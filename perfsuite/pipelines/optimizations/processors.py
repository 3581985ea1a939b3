"""Which code computes an attention module: with SDPA, and in plain matrix products.

diffusers has both for the attention of UNets and of PixArt. Of joint attention over text and picture it has
one form, which calls SDPA; its plain form here is the same code with plain products in SDPA's place, so
that the two differ in nothing else.
"""

from __future__ import annotations

import math
from functools import cache
from types import FunctionType, SimpleNamespace
from typing import Any


def sdpa_processor(module: Any) -> Any:
    """A processor for an attention module that calls SDPA once."""
    from diffusers.models import attention_processor as processors

    if _is_flux(module):
        return _flux().FluxAttnProcessor()
    if _takes_joint(module):
        return processors.JointAttnProcessor2_0()
    if _takes_added(module):
        return processors.AttnAddedKVProcessor2_0()
    return processors.AttnProcessor2_0()


def plain_processor(module: Any) -> Any:
    """A processor for an attention module that computes scores, softmax and average one after the other."""
    from diffusers.models import attention_processor as processors

    if _is_flux(module):
        return _plain_flux()()
    if _takes_joint(module):
        return _plain_joint()()
    if _takes_added(module):
        return processors.AttnAddedKVProcessor()
    return processors.AttnProcessor()


def _is_flux(module: Any) -> bool:
    return any(kind.__name__ == "FluxAttention" for kind in type(module).__mro__)


def _flux() -> Any:
    from diffusers.models.transformers import transformer_flux

    return transformer_flux


def _takes_joint(module: Any) -> bool:
    """Stable Diffusion 3's: text and picture in one attention, or its own picture attention beside it."""
    return "Joint" in type(module.processor).__name__


def _takes_added(module: Any) -> bool:
    return getattr(module, "add_k_proj", None) is not None


def _products(query: Any, key: Any, value: Any, attn_mask: Any = None, **_: Any) -> Any:
    """What SDPA computes, of (..., tokens, width)."""
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    if attn_mask is not None:
        scores = scores + attn_mask
    return scores.softmax(dim=-1) @ value


def _dispatched(query: Any, key: Any, value: Any, attn_mask: Any = None, **_: Any) -> Any:
    """The same of (batch, tokens, heads, width), as diffusers' dispatcher takes it."""
    query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    return _products(query, key, value, attn_mask).transpose(1, 2)


@cache
def _plain_joint() -> Any:
    from diffusers.models.attention_processor import JointAttnProcessor2_0

    return _with(JointAttnProcessor2_0, F=SimpleNamespace(scaled_dot_product_attention=_products))


@cache
def _plain_flux() -> Any:
    return _with(_flux().FluxAttnProcessor, dispatch_attention_fn=_dispatched)


def _with(kind: Any, **names: Any) -> Any:
    """A processor class whose code finds these names in place of its module's."""
    own = kind.__call__
    other = FunctionType(own.__code__, {**own.__globals__, **names}, own.__name__, own.__defaults__)
    other.__kwdefaults__ = own.__kwdefaults__
    return type(f"Plain{kind.__name__}", (kind,), {"__call__": other})
