"""What is generated, as data."""

from __future__ import annotations

from perfsuite.records import Workload
from perfsuite.variants import UnknownNameError

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
WORKLOADS: dict[str, Workload] = {w.name: w for w in (SHAPES, SDXL_BASE)}


def get(name: str | Workload) -> Workload:
    """A workload by its name; raises `UnknownNameError`, which names the nearest."""
    if isinstance(name, Workload):
        return name
    if name not in WORKLOADS:
        raise UnknownNameError("workload", name, list(WORKLOADS))
    return WORKLOADS[name]
