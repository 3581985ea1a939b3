"""The models that there are, and the places and functions that their weights can come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from perfsuite.pipelines import families
from perfsuite.pipelines.models import architectures, sdxl, shapes
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
    title: str = "SDXL base 1.0"
    """The model's name in a message."""


def _architecture(model: str, title: str, family: Family, hub: str | None = None) -> Source:
    return Source(
        architectures.configs(model), family=family, hub=hub, title=title,
        parameters=architectures.PARAMETERS[model],
    )  # fmt: skip


SOURCES = {
    "shapes": Source(shapes.WEIGHTS, local=shapes.WEIGHTS),
    "shapes-ssd": Source(shapes.SSD, local=shapes.SSD),
    "sdxl-base": Source(
        sdxl.CONFIGS, hub="stabilityai/stable-diffusion-xl-base-1.0", parameters=sdxl.PARAMETERS
    ),
    "ssd-1b": _architecture("ssd-1b", "SSD-1B", families.SDXL, "segmind/SSD-1B"),
    "sd15": _architecture(
        "sd15", "Stable Diffusion 1.5", families.SD15, "stable-diffusion-v1-5/stable-diffusion-v1-5"
    ),
    "pixart-alpha": _architecture(
        "pixart-alpha", "PixArt-alpha 1024", families.PIXART, "PixArt-alpha/PixArt-XL-2-1024-MS"
    ),
    "sd3": _architecture(
        "sd3", "Stable Diffusion 3 medium", families.SD3, "stabilityai/stable-diffusion-3-medium-diffusers"
    ),
    "flux-dev": _architecture("flux-dev", "Flux.1 dev", families.FLUX, "black-forest-labs/FLUX.1-dev"),
    **{
        f"tiny-{name}": _architecture(f"tiny-{name}", f"a tiny {family.title}", family)
        for name, family in families.FAMILIES.items()
        if family is not families.SDXL
    },
}
"""The suite's own."""


def known() -> dict[str, Source]:
    """The suite's own, then those that others registered."""
    return REGISTRY.merged("model", SOURCES, _registered)


def _registered(registration: Registration) -> Source:
    found = registration.item
    configs = found.place if found.place is not None and found.place.is_dir() else sdxl.CONFIGS
    return Source(
        configs, local=found.place, family=families.FAMILIES[found.family], load=found.load,
        identity=found.identity or "", origin=found.origin,
    )  # fmt: skip


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
