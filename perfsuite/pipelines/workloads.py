"""What is generated, as data."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines import models
from perfsuite.pipelines.registering import RegistrationError
from perfsuite.pipelines.registry import REGISTRY
from perfsuite.pipelines.variants import UnknownNameError
from perfsuite.records import Workload

if TYPE_CHECKING:
    from perfsuite.pipelines.registry import Registration

SHAPES = Workload(
    name="shapes",
    model="shapes",
    width=128,
    height=128,
    steps=30,
    guidance=5.0,
    # None of them was drawn for training (`Scene.held_out`).
    prompts=(
        "a large green star at the top left on a blue dotted background",
        "a small blue cross at the top right on a orange checkered background",
        "a large white circle at the bottom left on a orange plain background",
        "a small yellow triangle at the left on a green striped background",
    ),
    seed=0,
)
# As SSD-1B stands beside SDXL.
SHAPES_SSD = replace(SHAPES, name="shapes-ssd", model="shapes-ssd")
SDXL_BASE = Workload(
    name="sdxl-base",
    model="sdxl-base",
    width=1024,
    height=1024,
    steps=30,
    guidance=5.0,
    # The first is the tutorial's.
    prompts=(
        "Astronaut in a jungle, cold color palette, muted colors, detailed, 8k",
        "A red fox sitting on a mossy rock beside a mountain lake, morning light",
        "A street market at night in the rain, neon signs, reflections on the ground",
        "Still life with lemons, a pewter jug and a blue cloth, oil painting",
    ),
    seed=0,
)
_OTHERS = tuple(
    replace(SDXL_BASE, name=name, model=name, width=side, height=side, steps=steps, guidance=guidance)
    for name, side, steps, guidance in (
        # As the publication ran them beside SDXL.
        ("ssd-1b", 1024, 30, 5.0),
        ("sd15", 512, 30, 7.5),
        ("pixart-alpha", 1024, 30, 4.5),
        # As their authors' examples do.
        ("sd3", 1024, 28, 7.0),
        ("flux-dev", 1024, 28, 3.5),
    )
)
_TINY = tuple(
    replace(each, name=name, model=name, width=64, height=64, steps=4)
    for name, each in (
        ("tiny-sd15", _OTHERS[1]), ("tiny-pixart", _OTHERS[2]), ("tiny-sd3", _OTHERS[3]),
        ("tiny-flux", _OTHERS[4]), ("tiny-kandinsky", _OTHERS[1]),
    )
)  # fmt: skip
"""Untrained, of a few small layers: whether the suite works on a pipeline class, in seconds on a CPU."""
WORKLOADS: dict[str, Workload] = {w.name: w for w in (SHAPES, SHAPES_SSD, SDXL_BASE, *_OTHERS, *_TINY)}
"""The suite's own."""

LEAST_SIDE, MOST_SIDE = 64, 4096
"""Pixels. Below, the UNet's lowest level has hardly a place left; above, nothing of SDXL is meant."""
MOST_STEPS, MOST_BATCH = 1000, 64
"""SDXL's schedule has 1000 timesteps."""
_FORM = "{0}@512x512+4steps+b2 (width x height, steps, batch, g for guidance; any of them)"
_ITEM = re.compile(
    r"(?P<width>\d+)x(?P<height>\d+)|(?P<steps>\d+)steps?|b(?P<batch>\d+)|g(?P<guidance>\d+(?:\.\d+)?)"
)


class SizeError(ValueError):
    """A size, number of steps or batch that cannot be generated; the message names it and what can."""


def get(name: str | Workload) -> Workload:
    """A workload by its name, or one at another size as in ``sdxl-base@512x512+4steps+b2``.

    Such a workload has a name of its own, the same however it is spelled. Raises `UnknownNameError`,
    which names the nearest, `SizeError`, or `RegistrationError` where something that was registered cannot
    be used.
    """
    if isinstance(name, Workload):
        return name
    base, at, sizes = name.partition("@")
    found = known()
    REGISTRY.check()
    if base not in found:
        if _ITEM.fullmatch(base):
            raise SizeError(f"workload {name!r}: join sizes by +, as in {_FORM.format('sdxl-base')}")
        raise UnknownNameError("workload", base, list(found))
    return _resized(found[base], name, sizes) if at else found[base]


def varied(workload: Workload, variation: str) -> Workload:
    """A workload with one of its variations. Raises `SizeError` for a text that is none."""
    return _resized(workload, f"{workload.name}, variation {variation!r}", variation)


def known() -> dict[str, Workload]:
    """The suite's own, then those that others registered."""
    return REGISTRY.merged("workload", WORKLOADS, _registered)


def _registered(registration: Registration) -> Workload:
    found: Workload = registration.item
    wrong = _wrong(found)
    if wrong is not None:
        raise RegistrationError(wrong)
    if found.model not in models.known():
        raise RegistrationError(
            f"there is no model {found.model!r}; known: {', '.join(models.known())}; "
            f"add it with registry.model({found.model!r}, ...)"
        )
    unfit = misfit(found)
    if unfit is not None:
        raise RegistrationError(unfit)
    return found


def _wrong(workload: Workload) -> str | None:
    """What cannot be generated of a workload, and what can; None if it can be."""
    if isinstance(workload.prompts, str):
        return "prompts is one text; give a tuple, as in prompts=('a red fox',)"
    if not workload.prompts:
        return "it has no prompts; give at least one, as in prompts=('a red fox',)"
    for number, prompt in enumerate(workload.prompts):
        if not isinstance(prompt, str) or not prompt.strip():
            return f"prompts[{number}] is {prompt!r}; give a text"
    if len(set(workload.prompts)) < len(workload.prompts):
        return "a prompt is named twice; pictures are told apart by their prompt"
    for field, least, most in (
        ("width", LEAST_SIDE, MOST_SIDE), ("height", LEAST_SIDE, MOST_SIDE),
        ("steps", 1, MOST_STEPS), ("batch", 1, MOST_BATCH), ("seed", 0, 2**63 - 1),
    ):  # fmt: skip
        value = getattr(workload, field)
        if not isinstance(value, int) or not least <= value <= most:
            return f"{field} is {value!r}; give a whole number from {least} to {most}"
    for field in ("width", "height"):
        if getattr(workload, field) % 8:
            return f"{field} is {getattr(workload, field)}; give a multiple of 8"
    for variation in workload.variations:
        try:
            varied(workload, variation)
        except SizeError as error:
            return f"variations holds {variation!r}, which is none: {error}"
    if not math.isfinite(workload.guidance) or workload.guidance < 0:
        return f"guidance is {workload.guidance!r}; give a number of at least 0"
    return None


def misfit(workload: Workload) -> str | None:
    """What the workload's pipeline cannot draw of it, and what it can; None if it can, or is not known."""
    if workload.model not in models.known():
        return None
    family = models.family(workload.model)
    for key in ("width", "height"):
        side, multiple = getattr(workload, key), family.multiple
        if side % multiple:
            nearest = max(1, round(side / multiple)) * multiple
            return (
                f"{key} must be a multiple of {multiple} for {family.title}, found {side}; nearest {nearest}"
            )
    if workload.steps < family.least_steps:
        return f"{family.title} needs at least {family.least_steps} steps, found {workload.steps}"
    return None


def _resized(base: Workload, name: str, sizes: str) -> Workload:
    given: dict[str, Any] = {}
    for item in sizes.split("+"):
        found = _ITEM.fullmatch(item)
        if found is None:
            raise SizeError(f"workload {name!r}: {item!r} is no size; write {_FORM.format(base.name)}")
        for key, value in found.groupdict().items():
            if value is not None:
                if key in given:
                    raise SizeError(f"workload {name!r}: {key} is given twice")
                given[key] = float(value) if key == "guidance" else int(value)
    for key, most in (("steps", MOST_STEPS), ("batch", MOST_BATCH)):
        if not 1 <= given.get(key, 1) <= most:
            raise SizeError(f"workload {name!r}: {key} must be from 1 to {most}, found {given[key]}")
    for key in ("width", "height"):
        side = given.get(key, LEAST_SIDE)
        if not LEAST_SIDE <= side <= MOST_SIDE:
            raise SizeError(
                f"workload {name!r}: {key} must be from {LEAST_SIDE} to {MOST_SIDE}, found {side}"
            )
        if side % 8:
            raise SizeError(
                f"workload {name!r}: {key} must be a multiple of 8, found {side}; "
                f"nearest {round(side / 8) * 8}"
            )
    made = replace(base, **given)
    wrong = misfit(made)
    if wrong is not None:
        raise SizeError(f"workload {name!r}: {wrong}")
    words = []
    if (made.width, made.height) != (base.width, base.height):
        words.append(f"{made.width}x{made.height}")
    if made.steps != base.steps:
        words.append(f"{made.steps}steps")
    if made.batch != base.batch:
        words.append(f"b{made.batch}")
    if made.guidance != base.guidance:
        words.append(f"g{made.guidance:g}")
    return replace(made, name=f"{base.name}@{'+'.join(words)}") if words else base
