"""What every companion is trained from: the shipped pipeline, its latents, its captions' encodings."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from perfsuite.pipelines.models import shapes
from perfsuite.pipelines.models.shapes import architecture, drawing
from perfsuite.pipelines.models.shapes.train import Plan, cache_latents, encode_prompts, pictures

if TYPE_CHECKING:
    from collections.abc import Sequence


def generator(seed: int, step: int) -> np.random.Generator:
    """A batch is a function of seed and step alone."""
    return np.random.default_rng([seed, step])


def teacher() -> Any:
    """The shipped pipeline in float32, frozen."""
    from diffusers import StableDiffusionXLPipeline

    pipe = StableDiffusionXLPipeline.from_pretrained(shapes.WEIGHTS, dtype=torch.float32)
    for module in (pipe.unet, pipe.vae, pipe.text_encoder, pipe.text_encoder_2):
        module.requires_grad_(False)
    return pipe


def clean_latents(pipe: Any, seed: int, count: int, work: Path) -> tuple[torch.Tensor, list[str]]:
    """Latents of `count` training pictures on the pipeline's own scale, and their captions."""
    plan = Plan(seed=seed, pictures=count)
    latents, factor = cache_latents(plan, work, pipe.vae)
    return latents * (pipe.vae.config.scaling_factor / factor), pictures(plan, work)[1]


@dataclass
class Conditions:
    """What a UNet is told of a batch."""

    states: torch.Tensor
    pooled: torch.Tensor
    time_ids: torch.Tensor

    def __len__(self) -> int:
        return len(self.pooled)

    def some_emptied(self, rng: np.random.Generator, share: float = 0.1) -> Conditions:
        """The same with a share of the captions empty, as guidance needs it."""
        keep = torch.from_numpy((rng.uniform(size=len(self)) >= share).astype(np.float32))
        return Conditions(self.states * keep[:, None, None], self.pooled * keep[:, None], self.time_ids)

    def emptied(self) -> Conditions:
        """The same of the empty prompt, which SDXL gives as zeros."""
        return Conditions(torch.zeros_like(self.states), torch.zeros_like(self.pooled), self.time_ids)

    def and_also(self, other: Conditions) -> Conditions:
        """Those of both, one after the other."""
        return Conditions(
            *(
                torch.cat([getattr(self, name), getattr(other, name)])
                for name in ("states", "pooled", "time_ids")
            )
        )


class Captions:
    """The captions' encodings, by index."""

    def __init__(self, pipe: Any, captions: Sequence[str]) -> None:
        self.encoders = (pipe.text_encoder, pipe.text_encoder_2)
        self.tokens = architecture.tokenizer()(
            list(captions), padding="max_length", max_length=77, truncation=True, return_tensors="pt"
        ).input_ids

    def __call__(self, index: torch.Tensor) -> Conditions:
        size = drawing.SIZE
        with torch.no_grad():
            states, pooled = encode_prompts(self.tokens[index], *self.encoders)
        return Conditions(states, pooled, torch.tensor([[size, size, 0, 0, size, size]] * len(index)))


def predict(unet: Any, noisy: torch.Tensor, steps: torch.Tensor, told: Conditions) -> torch.Tensor:
    """Noise that a UNet sees in `noisy`."""
    added = {"text_embeds": told.pooled, "time_ids": told.time_ids}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return unet(noisy, steps, told.states, added_cond_kwargs=added).sample.float()


def guided(
    unet: Any, noisy: torch.Tensor, steps: torch.Tensor, told: Conditions, guidance: float
) -> torch.Tensor:
    """The same with classifier-free guidance, as the pipeline adds it."""
    both = told.emptied().and_also(told)
    without, with_caption = predict(unet, torch.cat([noisy] * 2), torch.cat([steps] * 2), both).chunk(2)
    return without + guidance * (with_caption - without)


def options(description: str | None, **defaults: int) -> argparse.Namespace:
    """The command line of a training: where it works and writes, and its numbers."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="checkpoints and caches")
    parser.add_argument("--out", type=Path, help="where to write (default: WORK/made)")
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    found = parser.parse_args()
    found.out = found.out or found.work / "made"
    for folder in (found.work, found.out):
        folder.mkdir(parents=True, exist_ok=True)
    return found
