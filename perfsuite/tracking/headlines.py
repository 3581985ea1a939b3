"""What the changes of a group share, in a few words."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from perfsuite.records import SeriesKind

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from perfsuite.records import Change, Series

Place = tuple[str, str, str]
"""Device, workload, variant."""

_COMPILED = "compiled"
"""Stands for every technique that compiles."""
_LABELS = {
    _COMPILED: "everything compiled",
    "qkv": "fused projections",
    "no-sdpa": "attention as plain matrix products",
    "sdpa": "fused attention",
}
"""Of what all of them have and no other; of the rest it is ``int8 alone``."""


def headline(changes: Sequence[Change], followed: Collection[Place]) -> str:
    """For instance ``counts first: int8 alone`` or ``all rungs on h100: look at the machine``.

    Args:
        changes: of one group, not empty.
        followed: places of all series, see `place_of`.
    """
    told = [c for c in changes if c.worse] or list(changes)
    places = {place_of(c.series) for c in told}
    followed = {*followed, *places}
    counted = any(c.series.kind is SeriesKind.EXACT for c in told)
    words = _what(places, followed, counted)
    metric = _metric([c.series.metric for c in told])
    if metric:
        words += f": {metric}"
    if counted and any(c.series.kind is SeriesKind.NOISY for c in told):
        words = f"counts first: {words}"
    return words if any(c.worse for c in changes) else f"better: {words}"


def place_of(series: Series) -> Place:
    """What a series is a figure of."""
    return series.device, series.workload, series.variant


def _what(places: Collection[Place], followed: Collection[Place], counted: bool) -> str:
    devices = sorted({device for device, *_ in places})
    everywhere = sorted({device for device, *_ in followed})
    # What other devices run does not tell what is special on these.
    beside = {(w, v) for device, w, v in followed if device in devices}
    own = {(w, v) for _, w, v in places}
    variants = {v for _, v in own}
    if own == beside and len(variants) > 1:
        if devices == everywhere and len(devices) > 1:
            return "all rungs on all devices"
        words = f"all rungs on {_few(devices, 'devices')}"
        return words if counted else f"{words}: look at the machine"
    words = _which(variants, {v for _, v in beside})
    workloads, others = {w for w, _ in own}, {w for w, _ in beside}
    if workloads != others and len(workloads) == 1:
        words += f" in {min(workloads)}"
    if devices != everywhere:
        return f"{words} on {_few(devices, 'devices')}"
    return f"{words} on all devices" if len(devices) > 1 else words


def _which(variants: Collection[str], followed: Collection[str]) -> str:
    """What these have and no other; else their names."""
    names = _few(sorted(variants), "variants")
    if len(followed) == 1 or set(variants) == set(followed):
        return names
    shared = set.intersection(*(set(techniques(v)) for v in variants))
    others = [set(techniques(v)) for v in followed if v not in variants]
    alone = sorted(t for t in shared if not any(t in other for other in others))
    if _COMPILED in alone:
        alone = [t for t in alone if not t.startswith("compile") or t == _COMPILED]
    if len(alone) == 1 or (alone and len(variants) > 1):
        return ", ".join(_LABELS.get(t, f"{t} alone") for t in alone)
    compiled = sum(_COMPILED in techniques(v) for v in followed)
    if _COMPILED in shared and len(variants) > 1:
        return f"{len(variants)} of {compiled} compiled variants"
    return names


@cache
def techniques(variant: str) -> tuple[str, ...]:
    """The steps of a variant; one that the registry does not know is named by its words."""
    from perfsuite.pipelines import RegistrationError, variants

    try:
        found = variants.get(variant)
    except (ValueError, RegistrationError):
        words = [word for word in re.split(r"[-+]", variant) if word]
        return (*words, _COMPILED) if "compile" in words else tuple(words)
    steps = [o.name for o in found.optimizations]
    return (*steps, _COMPILED) if found.compiled else tuple(steps)


def _metric(metrics: Sequence[str]) -> str:
    """The one figure, or the one kind of figures, that all are of."""
    if len(set(metrics)) == 1:
        return metrics[0]
    kinds = {metric.partition(":")[0].partition(",")[0] for metric in metrics}
    return min(kinds) if len(kinds) == 1 else ""


def _few(names: Sequence[str], noun: str) -> str:
    return ", ".join(names) if len(names) <= 2 else f"{len(names)} {noun}"
