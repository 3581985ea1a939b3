"""Attention in denoiser and decoder: plain matrix products, or scaled_dot_product_attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.evidence import NotEngagedError, attention_modules, eager, observe
from perfsuite.pipelines.optimizations.processors import plain_processor, sdpa_processor
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context


def _where(pipe: Any) -> str:
    """The two models in words, as ``UNet and VAE``."""
    return family_of(pipe).said


def _apply_plain(pipe: Any, context: Context) -> None:
    with eager(pipe):
        for module in attention_modules(pipe).values():
            module.set_processor(plain_processor(module))


def _verify_plain(pipe: Any, context: Context) -> str:
    seen = observe(pipe, context)
    if seen.sdpa_calls:
        raise NotEngagedError(
            f"scaled_dot_product_attention ran {seen.sdpa_calls} times in {_where(pipe)}, wanted none"
        )
    return f"0 SDPA calls in {seen.attention_calls} attention modules"


def _apply_sdpa(pipe: Any, context: Context) -> None:
    with eager(pipe):
        for module in attention_modules(pipe).values():
            module.set_processor(sdpa_processor(module))


def _verify_sdpa(pipe: Any, context: Context) -> str:
    seen = observe(pipe, context)
    if not seen.attention_calls or seen.sdpa_calls != seen.attention_calls:
        raise NotEngagedError(
            f"{seen.sdpa_calls} SDPA calls for {seen.attention_calls} attention modules in {_where(pipe)}"
        )
    return f"{seen.sdpa_calls} SDPA calls in {seen.attention_calls} attention modules"


NO_SDPA = Optimization(
    name="no-sdpa",
    summary="attention as plain matrix products and a softmax",
    apply=_apply_plain,
    verify=_verify_plain,
    phase=1,
    conflicts=("sdpa", "qkv"),
    hidden=True,
)
SDPA = Optimization(
    name="sdpa",
    summary="scaled_dot_product_attention in UNet and VAE",
    apply=_apply_sdpa,
    verify=_verify_sdpa,
    phase=1,
    conflicts=("no-sdpa",),
)
