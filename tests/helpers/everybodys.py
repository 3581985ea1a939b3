"""Kernels that are wrong for everybody, honest pipelines included: planted below torch's own functions."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _without(weight: Any, *place: Any) -> Any:
    weight = weight.clone()
    weight[place] = 0.0
    return weight


def one_tap(weight: Any) -> Any:
    """Of each kernel the middle tap alone counts."""
    kept = weight.clone().zero_()
    row, column = (side // 2 for side in weight.shape[2:])
    kept[:, :, row, column] = weight[:, :, row, column]
    return kept


def last_tap(weight: Any) -> Any:
    """The last tap of larger kernels is dropped."""
    return _without(weight, ..., -1, -1) if weight.shape[-1] > 1 else weight


def last_channel(weight: Any) -> Any:
    """The last input channel is dropped."""
    return _without(weight, slice(None), -1)


@contextlib.contextmanager
def convolving(change: Callable[[Any], Any], dtype: Any) -> Iterator[None]:
    """Convolutions in this type use a changed weight."""
    import torch

    honest = torch.nn.functional.conv2d

    def wrong(values: Any, weight: Any, *args: Any, **kwargs: Any) -> Any:
        return honest(values, change(weight) if weight.dtype == dtype else weight, *args, **kwargs)

    torch.nn.functional.conv2d = wrong
    try:
        yield
    finally:
        torch.nn.functional.conv2d = honest


def _keeping(values: Any, bits: int) -> Any:
    """Rounded to so many bits of the mantissa, the first of which is implied."""
    import torch

    step = 1 << (24 - bits)
    whole = values.float().contiguous().view(torch.int32)
    return ((whole + step // 2) & -step).view(torch.float32)


@contextlib.contextmanager
def attending(score_bits: int, probability_bits: int, gain: float, dtype: Any) -> Iterator[None]:
    """SDPA in this type rounds scores and probabilities, and its outputs are multiplied."""
    import torch
    from torch.overrides import handle_torch_function

    honest = torch.nn.functional.scaled_dot_product_attention

    def wrong(
        query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0,
        is_causal: bool = False, scale: float | None = None, **kwargs: Any,
    ) -> Any:  # fmt: skip
        if torch._C._is_torch_function_mode_enabled():  # who counts calls sees it as torch's own
            given = {"is_causal": is_causal, "scale": scale, **kwargs}
            return handle_torch_function(wrong, (query,), query, key, value, attn_mask, dropout_p, **given)
        if query.dtype != dtype or is_causal or attn_mask is not None:
            return honest(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, **kwargs)
        scale = query.shape[-1] ** -0.5 if scale is None else scale
        scores = _keeping(query.float() @ key.float().transpose(-1, -2) * scale, score_bits)
        return (gain * (_keeping(scores.softmax(-1), probability_bits) @ value.float())).to(dtype)

    torch.nn.functional.scaled_dot_product_attention = wrong
    try:
        yield
    finally:
        torch.nn.functional.scaled_dot_product_attention = honest


@contextlib.contextmanager
def summing_naively() -> Iterator[None]:
    """Group norms in float32 add one number after the other."""
    import numpy as np
    import torch

    honest = torch.nn.functional.group_norm

    def added(values: Any) -> Any:
        return torch.from_numpy(np.add.accumulate(values.numpy(), axis=1, dtype=np.float32)[:, -1:])

    def wrong(values: Any, groups: int, weight: Any, bias: Any, eps: float) -> Any:
        if values.dtype != torch.float32:
            return honest(values, groups, weight, bias, eps)
        flat = values.detach().reshape(len(values) * groups, -1)
        mean = added(flat) / flat.shape[1]
        variance = added(flat * flat) / flat.shape[1] - mean * mean
        normed = ((flat - mean) * (variance + eps).rsqrt()).view(values.shape)
        over = (-1, *[1] * (values.dim() - 2))
        return normed * weight.view(over) + bias.view(over)

    torch.nn.functional.group_norm = wrong
    try:
        yield
    finally:
        torch.nn.functional.group_norm = honest


@contextlib.contextmanager
def stepping(gain: float, dtype: Any) -> Iterator[None]:
    """Euler's scheduler takes noise of this type so many times."""
    from diffusers import EulerDiscreteScheduler

    honest = EulerDiscreteScheduler.step

    @functools.wraps(honest)  # pipelines ask for its parameters
    def wrong(self: Any, noise: Any, *args: Any, **kwargs: Any) -> Any:
        return honest(self, gain * noise if noise.dtype == dtype else noise, *args, **kwargs)

    EulerDiscreteScheduler.step = wrong
    try:
        yield
    finally:
        EulerDiscreteScheduler.step = honest
