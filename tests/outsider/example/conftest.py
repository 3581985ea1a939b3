"""What this project measures: its own weights and prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from perfsuite.pipelines import Registry, Workload

WEIGHTS = Path(__file__).parent / "weights"


def load(device: str, dtype: Any) -> Any:
    """A model that is not simply a folder: called anew for each pipeline."""
    from diffusers import StableDiffusionXLPipeline

    pipe = StableDiffusionXLPipeline.from_pretrained(WEIGHTS, dtype=dtype, add_watermarker=False)
    return pipe.to(device)


def pytest_perfsuite_register(registry: Registry) -> None:
    """What perfsuite calls, in this process and in each fresh one that measures."""
    registry.model("ours", WEIGHTS)
    registry.model("ours-loaded", load, identity=WEIGHTS)
    postcards = Workload(
        name="postcards",
        model="ours",
        width=128,
        height=128,
        steps=4,
        guidance=5.0,
        prompts=("a large green star at the top left on a blue dotted background",
                 "a small blue cross at the top right on a orange checkered background"),
        seed=0,
        batch=2,
    )  # fmt: skip
    registry.workload(postcards)
