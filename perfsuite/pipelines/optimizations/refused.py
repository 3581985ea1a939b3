"""Techniques of diffusers that do nothing, or fail, on a UNet: named here, so that the reason can be told.

Each was tried on the small SDXL with diffusers 0.42.1: most are taken without a word and change nothing.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations.evidence import NotEngagedError
from perfsuite.pipelines.promises import Card
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines.families import Family
    from perfsuite.pipelines.technique import Context

REASONS = {
    "attention-backend": (
        "set_attention_backend() does not reach a UNet, whose processors call torch directly: 0 of 32 "
        "attentions changed, and the registry reports the new backend; choose by sdpa-flash, sdpa-math, "
        "sdpa-cudnn or sdpa-fa3"
    ),
    "magcache": "MagCache attaches no hook to a UNet, whose blocks it does not know; see deepcache",
    "taylorseer": (
        "TaylorSeer attaches no hook to a UNet by itself, and with patterns of one's own it misses the cache "
        "context that only pipelines of transformers set; see deepcache"
    ),
    "first-block-cache": (
        "first-block cache finds no list of transformer blocks in a UNet and raises IndexError; see deepcache"
    ),
    "fastercache": (
        "FasterCache attaches 1 of its 8 hooks to a UNet and raises RuntimeError at the first step that it "
        "skips; see deepcache and cfg-cutoff"
    ),
    "pab": (
        "pyramid attention broadcast keeps its state from call to call on a UNet, whose pipeline never "
        "resets it: a second equal call draws another picture; see deepcache"
    ),
}
"""Name to why it has no meaning for a UNet."""
SUMMARIES = {
    "attention-backend": "diffusers' attention dispatcher",
    "magcache": "MagCache: steps skipped by the size of what they change",
    "taylorseer": "TaylorSeer: features foretold from steps before",
    "first-block-cache": "first-block cache: steps skipped by what their first block gives",
    "fastercache": "FasterCache: attention and guidance of steps before",
    "pab": "pyramid attention broadcast: attention of steps before",
}


def _apply(pipe: Any, context: Context, name: str) -> None:
    raise NotEngagedError(REASONS[name])


def _verify(pipe: Any, context: Context, name: str) -> str:
    raise NotEngagedError(REASONS[name])


def _fits(family: Family, name: str) -> str | None:
    if family.denoiser == "unet":
        return REASONS[name]
    return f"not for {family.title} yet: it is named here for its reason on UNets"


def _refused(name: str) -> Optimization:
    return Optimization(
        name=name,
        summary=SUMMARIES[name],
        apply=functools.partial(_apply, name=name),
        verify=functools.partial(_verify, name=name),
        fits=functools.partial(_fits, name=name),
        phase=3,
        card=Card(where="transformers; on a UNet it does nothing, or fails", proof="-", refused=True),
    )


REFUSED = tuple(map(_refused, REASONS))
