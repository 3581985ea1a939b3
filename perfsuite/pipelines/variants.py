"""The ladder and every other combination of optimizations, by name."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from perfsuite.pipelines import optimizations
from perfsuite.pipelines.dtypes import NAMES
from perfsuite.pipelines.optimizations import OPTIMIZATIONS
from perfsuite.pipelines.promises import ContradictionError
from perfsuite.pipelines.registering import RegistrationError
from perfsuite.pipelines.registry import REGISTRY
from perfsuite.pipelines.technique import Variant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfsuite.pipelines.registry import Registration
    from perfsuite.pipelines.technique import Optimization
    from perfsuite.records import Device

_WORD = re.compile(r"(?:^|[-+])([^-+:]*(?::(?:-?[\d.]+e[-+]?\d+|-?[^-+]*))?)")
"""Of a name, between hyphens and plus signs; a number after a colon may hold both itself."""
_RUNGS = ("{0}", "{0}+sdpa", "{0}+sdpa+compile", "{0}+sdpa+compile+qkv", "{0}+sdpa+compile+qkv+int8")
_HALVES = ("bf16", "fp16")


class UnknownNameError(ValueError):
    """A name that is not in a table; the message names the nearest that is."""

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        super().__init__(f"unknown {kind} {name!r}: {hint}known: {', '.join(known)}")


def combine(names: list[str]) -> Variant:
    """The variant of these optimizations, named and ordered as the ladder does, or as it was registered.

    Attention without ``sdpa`` runs as plain matrix products. Raises `UnknownNameError` or
    `ContradictionError`.
    """
    made = _combine(names, optimizations.known())
    # One name for one thing: two would have two baselines.
    return next((v for v in known().values() if v.optimizations == made.optimizations), made)


def _combine(names: Sequence[str], techniques: Mapping[str, Optimization]) -> Variant:
    known = [name for name, o in techniques.items() if not o.hidden]
    asked: dict[str, Optimization] = {}
    for name in names:
        found = optimizations.named(name, techniques)
        if found is None or found.hidden:
            raise UnknownNameError("optimization", name, known)
        if found.base in asked:
            raise ContradictionError(
                f"variant {'+'.join(names)!r}: {found.base} is named twice; name it once"
            )
        asked[found.base] = found
    chosen = [asked[name] for name in known if name in asked]
    label = "-".join(o.name for o in chosen)
    if not any(o.base in ("sdpa", "qkv") or "sdpa" in o.requires for o in chosen):
        chosen.append(OPTIMIZATIONS["no-sdpa"])
    return Variant(label, tuple(sorted(chosen, key=lambda o: o.phase)))


def _ladder(precision: str) -> tuple[Variant, ...]:
    return tuple(_own(rung.format(precision)) for rung in _RUNGS)


def _own(spelled: str) -> Variant:
    """One of the suite's own, which nothing that is registered changes."""
    return _combine(spelled.split("+"), OPTIMIZATIONS)


FLOAT32_LADDER: tuple[Variant, ...] = _ladder("fp32")[1:-1]
"""The ladder in float32, for devices that only emulate the halves; see `superseded`.

Without int8: CPUs without bfloat16 have no int8 dot product either (it made the small model 3.7 times
slower), and its error is of bfloat16's size, a thousand times what float32's budgets allow.
"""
LADDER: tuple[Variant, ...] = (
    _own("fp32"),
    _own("tf32"),
    *(rung for half in _HALVES for rung in _ladder(half)),
    *FLOAT32_LADDER,
)
"""Each rung adds one technique to the rung before: the published ladder, then its twins in float16 and,
from ``fp32`` on, in float32. ``tf32`` is what the published float32 ran as."""
BESIDE: tuple[Variant, ...] = tuple(
    _own(name)
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
"""The suite's own."""
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


def twin_of(variant: Variant) -> Variant:
    """The eager float32 form of what a variant draws: with its techniques that are not exact, or that make
    another model of the model."""
    return combine([REFERENCE.precision, *variant.kept])


def without_loss(variant: Variant) -> Variant:
    """The eager variant of the same precision without the techniques that are not exact."""
    another = (o.same_as for o in variant.optimizations if o.same_as)
    return combine([variant.precision, "sdpa", *another])


def superseded(variant: Variant, device: Device) -> str | None:
    """Why a rung of `FLOAT32_LADDER` need not run on the device unless it is asked for; else None."""
    if variant in FLOAT32_LADDER:
        for half in _HALVES:
            if OPTIMIZATIONS[half].supports(device) is None:
                return f"{NAMES[half]} is native here: its rungs run instead"
    return None


def known() -> dict[str, Variant]:
    """The suite's own, then those that others registered."""
    return REGISTRY.merged("variant", VARIANTS, _registered)


def _registered(registration: Registration) -> Variant:
    techniques = optimizations.known()
    made = _combine(_parts(registration.item), techniques)
    for own in VARIANTS.values():
        if own.optimizations == made.optimizations:
            raise RegistrationError(f"{registration.item} is {own.name} already; use that name")
    for other in REGISTRY.registered("variant"):
        if other.name < registration.name and set(_parts(other.item)) == set(_parts(registration.item)):
            raise RegistrationError(
                f"{registration.item} is {other.name} already, registered {other.origin}; use one name"
            )
    spelled = _parts(registration.name)
    known_parts = all(part.partition(":")[0] in techniques for part in spelled)
    if known_parts and set(spelled) != set(_parts(registration.item)):
        raise RegistrationError("the name spells other optimizations; choose another")
    return Variant(registration.name, made.optimizations)


def _parts(name: str) -> list[str]:
    """The optimizations that a name spells: ``+`` and ``-`` both separate them."""
    parts: list[str] = []
    techniques = optimizations.known()
    longest = max(each.count("-") for each in techniques) + 1
    words = [word.strip() for word in _WORD.findall(name)]
    while words:
        # The longest optimization that the next words spell: channels-last holds a hyphen itself, and a value
        # ends a name.
        ends = next((n for n, word in enumerate(words, 1) if ":" in word), len(words))
        sizes = [
            n for n in range(min(longest, ends), 0, -1) if "-".join(words[:n]).partition(":")[0] in techniques
        ]
        size = sizes[0] if sizes else 1
        parts.append("-".join(words[:size]))
        words = words[size:]
    return parts


def get(name: str | Variant) -> Variant:
    """A variant by its name (``bf16-sdpa``) or as a sum of optimizations (``bf16+sdpa+qkv``).

    Raises `UnknownNameError`, which names the nearest known, `ContradictionError`, or `RegistrationError`
    where something that was registered cannot be used.
    """
    if isinstance(name, Variant):
        return name
    found = known()
    REGISTRY.check()
    if name in found:
        return found[name]
    parts = _parts(name)
    techniques = [n for n, o in optimizations.known().items() if not o.hidden]
    if "+" not in name and not all(part.partition(":")[0] in techniques for part in parts):
        raise UnknownNameError("variant", name, list(dict.fromkeys([*found, *techniques])))
    return combine(parts)
