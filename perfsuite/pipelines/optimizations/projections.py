"""Query, key and value projections fused into one matrix product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations.evidence import (
    NotEngagedError,
    attention_modules,
    eager,
    models,
    observe,
    some,
)
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context


ADDED = ("add_q_proj", "add_k_proj", "add_v_proj")
"""Projections of the text in joint attention over text and picture."""


def fused_names(module: Any) -> dict[str, tuple[str, ...]]:
    """The projections that a fused attention module uses, and those that each replaces."""
    if getattr(module, "is_cross_attention", False):
        found: dict[str, tuple[str, ...]] = {"to_kv": ("to_k", "to_v")}
    else:
        found = {"to_qkv": ("to_q", "to_k", "to_v")}
    if all(getattr(module, name, None) is not None for name in ADDED):
        found["to_added_qkv"] = ADDED
    return found


def dead_projections(pipe: Any) -> frozenset[str]:
    """Qualified names of the layers that fusing replaced: diffusers keeps them, nothing calls them."""
    dead: set[str] = set()
    for name, module in attention_modules(pipe).items():
        if getattr(module, "fused_projections", False):
            dead.update(f"{name}.{part}" for parts in fused_names(module).values() for part in parts)
    return frozenset(dead)


def _apply(pipe: Any, context: Context) -> None:
    with eager(pipe):
        if hasattr(pipe, "fuse_qkv_projections"):
            pipe.fuse_qkv_projections()
        else:  # diffusers gives only some pipelines the method; their models have it
            for model in models(pipe).values():
                model.fuse_qkv_projections()


def _verify(pipe: Any, context: Context) -> str:
    modules = attention_modules(pipe)
    unfused = [
        name
        for name, module in modules.items()
        if not getattr(module, "fused_projections", False)
        or not all(hasattr(module, fused) for fused in fused_names(module))
    ]
    if unfused or not modules:
        raise NotEngagedError(
            f"{len(unfused)} of {len(modules)} attention modules not fused: {some(unfused)}"
        )
    ran = observe(pipe, context).modules_run
    used = [
        f"{name}.{fused}" for name, module in modules.items() if name in ran for fused in fused_names(module)
    ]
    idle = [name for name in used if name not in ran]
    stale = sorted(dead_projections(pipe) & ran)
    if idle or stale or not used:
        raise NotEngagedError(
            f"fused projections exist but are not used: {some(idle or used)} did not run"
            + (f"; {some(stale)} did" if stale else "")
        )
    return f"{len(used)} fused projections ran, none of the {len(dead_projections(pipe))} replaced ones"


QKV = Optimization(
    name="qkv",
    summary="fused query, key and value projections (diffusers' fused processor, which uses SDPA)",
    apply=_apply,
    verify=_verify,
    phase=2,
    requires=("sdpa",),
    conflicts=("no-sdpa",),
)
