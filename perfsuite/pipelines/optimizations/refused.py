"""Techniques of diffusers that do nothing, or fail, on a UNet: named here, so that the reason can be told.

Each was tried on the small SDXL with diffusers 0.42.1: most are taken without a word and change nothing.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines import models as known_models
from perfsuite.pipelines.optimizations.caches import cache
from perfsuite.pipelines.optimizations.evidence import NotEngagedError
from perfsuite.pipelines.promises import Card, Parameter
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context, Variant
    from perfsuite.records import Workload

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
    "sea-cache": (
        "SeaCache finds no repeated transformer blocks in a UNet and raises ValueError; see deepcache"
    ),
    "text-kv-cache": (
        "TextKVCache attaches one hook to a UNet, none to its attentions, and the picture stays the same to "
        "the bit; see deepcache"
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
    "sea-cache": "SeaCache: steps skipped by how their spectrum changes",
    "text-kv-cache": "TextKVCache: keys and values of the text kept over the steps",
}


def _apply(pipe: Any, context: Context, name: str) -> None:
    raise NotEngagedError(REASONS[name])


def _verify(pipe: Any, context: Context, name: str) -> str:
    raise NotEngagedError(REASONS[name])


def _fits(workload: Workload, variant: Variant, name: str) -> str | None:
    family = known_models.family(workload.model)
    if family.denoiser == "unet":
        return REASONS[name]
    return (
        f"on transformers such as {family.title}'s nothing here proves that it takes hold; on Flux.1 take "
        "first-block-cache or taylorseer, or register it with a proof of your own (perfsuite guide "
        "registering)"
    )


def _refused(name: str) -> Optimization:
    return Optimization(
        name=name,
        summary=SUMMARIES[name],
        apply=functools.partial(_apply, name=name),
        verify=functools.partial(_verify, name=name),
        fits=functools.partial(_fits, name=name),
        phase=3,
        card=Card(
            where="nowhere: naming it tells the reason",
            proof="-",
            refused=True,
        ),
    )


CACHES = (
    cache(
        "first-block-cache",
        "first-block cache: steps are spared all blocks but the first, by what that gives (transformers)",
        Parameter("threshold of the first block's change", default=0.08, least=0.001, most=10, whole=False),
        "tiny-flux at 256x256, 28 steps: 1.25x at 0.3, 1.6x at 0.5 (n=9)",
        "Flux on an L20: 26.4 s to 17.0 at a threshold of 0.08, to 13.8 at 0.12 (ParaAttention)",
        REASONS["first-block-cache"],
    ),
    cache(
        "taylorseer",
        "TaylorSeer: attention is foretold from the steps before, but for every n-th (transformers)",
        Parameter("interval of whole steps", default=5, least=2, most=100),
        "tiny-flux at 256x256, 28 steps: 1.6x at 3, 1.8x at 5 (n=9)",
        "",
        REASONS["taylorseer"],
    ),
)
"""Those that some transformers take."""
REFUSED = (*CACHES, *(_refused(name) for name in REASONS if name not in [each.name for each in CACHES]))
"""In the order in which they are named in a sum, each with a reason for the pipelines that it has none on."""
