"""All that can be named, looked at as a whole: what others registered, and what of it cannot be used."""

from __future__ import annotations

from perfsuite.pipelines import models, optimizations, variants, workloads
from perfsuite.pipelines.registry import REGISTRY


def check() -> None:
    """Raise `perfsuite.pipelines.RegistrationError` if anything that was registered cannot be used."""
    problems()
    REGISTRY.check()


def problems() -> tuple[str, ...]:
    """What was registered and cannot be used, and why, one line each."""
    for known in (optimizations.known, models.known, variants.known, workloads.known):
        known()
    return REGISTRY.problems


def registered() -> dict[str, str]:
    """What was registered and can be used: kind and name to who registered it."""
    problems()
    return {f"{each.kind} {each.name}": each.origin for each in REGISTRY.registered()}
