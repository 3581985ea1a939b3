"""The models that there are, and the places and functions that their weights can come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from perfsuite.pipelines import families
from perfsuite.pipelines.models import sdxl, shapes
from perfsuite.pipelines.models.checks import WeightsError
from perfsuite.pipelines.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from perfsuite.pipelines.families import Family
    from perfsuite.pipelines.registry import Load, Registration


@dataclass(frozen=True)
class Source:
    """Where a model's weights can come from."""

    configs: Path
    """The configuration of every component, in diffusers' layout: what random weights are made of."""
    local: Path | None = None
    """Shipped with the package, or with who registered the model."""
    family: Family = families.SDXL
    """What pipeline it is."""
    hub: str | None = None
    """Repository on the Hugging Face hub."""
    parameters: Mapping[str, int] | None = field(default=None, hash=False)
    """Of each component, where only this very model is meant."""
    load: Load | None = None
    """Of a registered model: makes the pipeline."""
    identity: str | Path = ""
    """What tells the weights of `load` from others: a text, or the files that it reads."""
    origin: str = ""
    """Who registered it; empty for the suite's own."""


SOURCES = {
    "shapes": Source(shapes.WEIGHTS, local=shapes.WEIGHTS),
    "sdxl-base": Source(
        sdxl.CONFIGS, hub="stabilityai/stable-diffusion-xl-base-1.0", parameters=sdxl.PARAMETERS
    ),
}
"""The suite's own."""


def known() -> dict[str, Source]:
    """The suite's own, then those that others registered."""
    return REGISTRY.merged("model", SOURCES, _registered)


def _registered(registration: Registration) -> Source:
    found = registration.item
    configs = found.place if found.place is not None and found.place.is_dir() else sdxl.CONFIGS
    return Source(
        configs, local=found.place, load=found.load, identity=found.identity or "", origin=found.origin
    )


def source_of(model: str) -> Source:
    """Where a model's weights can come from. Raises `WeightsError` for a name that nothing has."""
    found = known()
    if model not in found:
        raise WeightsError(
            f"no model {model!r}; known: {', '.join(found)}; add one with registry.model({model!r}, ...)"
        )
    return found[model]


def family(model: str) -> Family:
    """What pipeline a model is."""
    return source_of(model).family
