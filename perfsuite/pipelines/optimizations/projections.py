"""Query, key and value projections fused into one matrix product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations.evidence import (
    NotEngagedError,
    attention_modules,
    eager,
    observe,
    some,
)
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context


def fused_name(module: Any) -> str:
    """The projection that a fused attention module uses: one for self-, one for cross-attention."""
    return "to_kv" if module.is_cross_attention else "to_qkv"


def dead_projections(pipe: Any) -> frozenset[str]:
    """Qualified names of the layers that fusing replaced: diffusers keeps them, nothing calls them."""
    dead: set[str] = set()
    for name, module in attention_modules(pipe).items():
        if getattr(module, "fused_projections", False):
            parts = ("to_k", "to_v") if fused_name(module) == "to_kv" else ("to_q", "to_k", "to_v")
            dead.update(f"{name}.{part}" for part in parts)
    return frozenset(dead)


def _apply(pipe: Any, context: Context) -> None:
    with eager(pipe):
        pipe.fuse_qkv_projections()


def _verify(pipe: Any, context: Context) -> str:
    modules = attention_modules(pipe)
    unfused = [
        name
        for name, module in modules.items()
        if not getattr(module, "fused_projections", False) or not hasattr(module, fused_name(module))
    ]
    if unfused or not modules:
        raise NotEngagedError(
            f"{len(unfused)} of {len(modules)} attention modules not fused: {some(unfused)}"
        )
    ran = observe(pipe, context).modules_run
    used = [f"{name}.{fused_name(module)}" for name, module in modules.items() if name in ran]
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
