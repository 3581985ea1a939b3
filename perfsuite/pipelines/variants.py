"""The ladder and every other combination of optimizations, by name."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from perfsuite.pipelines.dtypes import NAMES
from perfsuite.pipelines.optimizations import OPTIMIZATIONS
from perfsuite.pipelines.technique import ContradictionError, Variant

if TYPE_CHECKING:
    from perfsuite.records import Device

_RUNGS = ("{0}", "{0}+sdpa", "{0}+sdpa+compile", "{0}+sdpa+compile+qkv", "{0}+sdpa+compile+qkv+int8")
_HALVES = ("bf16", "fp16")


class UnknownNameError(ValueError):
    """A name that is not in a table; the message names the nearest that is."""

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        super().__init__(f"unknown {kind} {name!r}: {hint}known: {', '.join(known)}")


def combine(names: list[str]) -> Variant:
    """The variant of these optimizations, named and ordered as the ladder does.

    Attention without ``sdpa`` runs as plain matrix products. Raises `UnknownNameError` or
    `ContradictionError`.
    """
    known = [name for name, o in OPTIMIZATIONS.items() if not o.hidden]
    for name in names:
        if name not in known:
            raise UnknownNameError("optimization", name, known)
        if names.count(name) > 1:
            raise ContradictionError(f"variant {'+'.join(names)!r}: {name} is named twice")
    chosen = [OPTIMIZATIONS[name] for name in known if name in names]
    label = "-".join(o.name for o in chosen)
    if "sdpa" not in names and "qkv" not in names:
        chosen.append(OPTIMIZATIONS["no-sdpa"])
    return Variant(label, tuple(sorted(chosen, key=lambda o: o.phase)))


def _ladder(precision: str) -> tuple[Variant, ...]:
    return tuple(combine(rung.format(precision).split("+")) for rung in _RUNGS)


FLOAT32_LADDER: tuple[Variant, ...] = _ladder("fp32")[1:-1]
"""The ladder in float32, for devices that only emulate the halves; see `superseded`.

Without int8: CPUs without bfloat16 have no int8 dot product either (it made the small model 3.7 times
slower), and its error is of bfloat16's size, a thousand times what float32's budgets allow.
"""
LADDER: tuple[Variant, ...] = (
    combine(["fp32"]),
    combine(["tf32"]),
    *(rung for half in _HALVES for rung in _ladder(half)),
    *FLOAT32_LADDER,
)
"""Each rung adds one technique to the rung before: the published ladder, then its twins in float16 and,
from ``fp32`` on, in float32. ``tf32`` is what the published float32 ran as."""
BESIDE: tuple[Variant, ...] = tuple(
    combine(name.split("+"))
    for name in (
        "bf16+sdpa+compile-regional",
        "bf16+sdpa+compile-regional+qkv+int8",
        "bf16+sdpa+compile-regional+qkv+fp8",
        "bf16+sdpa+compile+qkv+int8-weights",
        "bf16+sdpa+compile+qkv+fp8",
        "bf16+sdpa+compile+fp8",
    )
)
"""Techniques that the publication has not, each in place of its nearest rung's, and combinations of them; run
where they are named."""
VARIANTS: dict[str, Variant] = {variant.name: variant for variant in (*LADDER, *BESIDE)}
REFERENCE = VARIANTS["fp32"]
"""What the pictures of every variant are compared with."""
PUBLISHED_REFERENCE = VARIANTS["tf32"]
"""What the published speed-ups are over."""
FASTEST: tuple[Variant, ...] = tuple(
    VARIANTS[name]
    for name in (
        "bf16-sdpa-compile-qkv",
        "bf16-sdpa-compile-qkv-int8",
        "bf16-sdpa-compile-qkv-fp8",
        "bf16-sdpa-compile-fp8",
    )
)
"""What may be the fastest on a GPU: which one is, is measured there."""


def superseded(variant: Variant, device: Device) -> str | None:
    """Why a rung of `FLOAT32_LADDER` need not run on the device unless it is asked for; else None."""
    if variant in FLOAT32_LADDER:
        for half in _HALVES:
            if OPTIMIZATIONS[half].supports(device) is None:
                return f"{NAMES[half]} is native here: its rungs run instead"
    return None


def _parts(name: str) -> list[str]:
    """The optimizations that a name spells: ``+`` and ``-`` both separate them."""
    parts: list[str] = []
    words = [word.strip() for word in name.replace("+", "-").split("-")]
    while words:
        # The longest optimization that the next words spell: channels-last holds a hyphen itself.
        sizes = [n for n in (2, 1) if "-".join(words[:n]) in OPTIMIZATIONS]
        size = sizes[0] if sizes else 1
        parts.append("-".join(words[:size]))
        words = words[size:]
    return parts


def get(name: str | Variant) -> Variant:
    """A variant by its name (``bf16-sdpa``) or as a sum of optimizations (``bf16+sdpa+qkv``).

    Raises `UnknownNameError`, which names the nearest known, or `ContradictionError`.
    """
    if isinstance(name, Variant):
        return name
    if name in VARIANTS:
        return VARIANTS[name]
    parts = _parts(name)
    known = [n for n, o in OPTIMIZATIONS.items() if not o.hidden]
    if "+" not in name and not all(part in known for part in parts):
        raise UnknownNameError("variant", name, list(dict.fromkeys([*VARIANTS, *known])))
    return combine(parts)
