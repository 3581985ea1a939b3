"""Train two palettes: ``python -m perfsuite.pipelines.models.shapes.twins.palettes --work DIR``.

With ``lora-a`` the pictures' channels are turned round (what the caption calls red is drawn green), with
``lora-b`` they are negatives. Both have the same rank and layers, so one can be swapped for the other in
a compiled pipeline, and both change every picture so plainly that a swap that did not happen is seen.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from perfsuite.pipelines.models.shapes import architecture
from perfsuite.pipelines.models.shapes import train as training
from perfsuite.pipelines.models.shapes.trainer import Trainer
from perfsuite.pipelines.models.shapes.twins import adapters, lessons

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BATCH, FROM_NOISE = 16, 6
RANK = 8


def turned(pictures: np.ndarray) -> np.ndarray:
    """Red becomes green, green blue, and blue red."""
    return pictures[..., [2, 0, 1]]


def turned_back(pictures: np.ndarray) -> np.ndarray:
    """The inverse of `turned`."""
    return pictures[..., [1, 2, 0]]


def negative(pictures: np.ndarray) -> np.ndarray:
    """Black becomes white; its own inverse."""
    return 255 - pictures


PALETTES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
    "lora-a": (turned, turned_back),
    "lora-b": (negative, negative),
}
"""How an adapter's pictures differ from the model's own, and the way back, for reading them."""


def _latents(pipe: Any, pictures: np.ndarray, recolour: Callable[[np.ndarray], np.ndarray]) -> torch.Tensor:
    found = []
    with torch.no_grad():
        for start in range(0, len(pictures), 16):
            batch = training.as_tensor(recolour(pictures[start : start + 16]))
            found.append(pipe.vae.encode(batch).latent_dist.mean)
    return torch.cat(found) * pipe.vae.config.scaling_factor


def _loss(
    unet: Any, encode: lessons.Captions, latents: torch.Tensor, seed: int
) -> Callable[[int], torch.Tensor]:
    """Noise prediction with min-SNR weights; from noise alone, the error of the picture.

    Without the second the first steps would go on in the model's own colours: real noisy latents give
    theirs away. Some captions are emptied: guidance is the way from the empty prompt's picture to the
    caption's, and both must be of the palette.
    """
    alphas = architecture.alphas_cumprod()

    def loss_of(step: int) -> torch.Tensor:
        rng = lessons.generator(seed, step)
        index = torch.from_numpy(rng.integers(len(latents), size=BATCH))
        turns = np.concatenate(
            [rng.integers(900, 1000, size=FROM_NOISE), rng.integers(0, 1000, size=BATCH - FROM_NOISE)]
        )
        steps = torch.from_numpy(turns)
        alpha = alphas[steps][:, None, None, None]
        noise = torch.from_numpy(rng.standard_normal((BATCH, *latents.shape[1:]), dtype=np.float32))
        noisy = alpha.sqrt() * latents[index] + (1 - alpha).sqrt() * noise
        noisy[:FROM_NOISE] = noise[:FROM_NOISE]
        wanted = (noisy - alpha.sqrt() * latents[index]) / (1 - alpha).sqrt()
        told = encode(index).some_emptied(rng)
        error = (lessons.predict(unet, noisy, steps, told) - wanted).square().mean(dim=(1, 2, 3))
        ratio = alphas[steps] / (1 - alphas[steps])
        weight = (ratio.clamp(max=5.0) / ratio)[FROM_NOISE:]
        layout = (error / ratio)[:FROM_NOISE].mean()
        return 0.1 * layout + (error[FROM_NOISE:] * weight).sum() / weight.sum()

    return loss_of


def train(name: str, work: Path, out: Path, seed: int, steps: int, pictures: int) -> None:
    """Train one of `PALETTES` and write it."""
    pipe = lessons.teacher()
    images, captions = training.pictures(training.Plan(seed=seed, pictures=pictures), work)
    latents = _latents(pipe, images, PALETTES[name][0])
    torch.manual_seed(seed)
    adapters.put_on(pipe.unet, RANK, adapters.EVERYWHERE)
    trainer = Trainer(name, {"unet": pipe.unet}, work, steps, 2e-3, 0.99)
    trainer.run(_loss(pipe.unet, lessons.Captions(pipe, captions), latents, seed), keep=50)
    trainer.take_average()
    adapters.write(pipe.unet, out / f"{name}.safetensors")
    print(f"wrote {out / name}.safetensors after {time.process_time():.0f} s of CPU", flush=True)


def main() -> None:
    found = lessons.options(__doc__, seed=40, steps=350, pictures=1024)
    for name in PALETTES:
        train(name, found.work, found.out, found.seed, found.steps, found.pictures)


if __name__ == "__main__":
    main()
