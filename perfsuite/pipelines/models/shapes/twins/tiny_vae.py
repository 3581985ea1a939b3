"""Train the tiny VAE: ``python -m perfsuite.pipelines.models.shapes.twins.tiny_vae --work DIR``.

An `AutoencoderTiny` (as TAESD) that reads and writes the latents of the model's own VAE, on the scale of
the UNet: its scaling factor is 1. It has no attention and no normalisation.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from perfsuite.pipelines.models.shapes import train as training
from perfsuite.pipelines.models.shapes.trainer import Trainer
from perfsuite.pipelines.models.shapes.twins import lessons

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BATCH = 4
CONFIG: dict[str, Any] = {
    "encoder_block_out_channels": (16, 16, 16, 16),
    "decoder_block_out_channels": (24, 24, 24, 24),
    "num_encoder_blocks": (0, 1, 1, 1),
    "num_decoder_blocks": (3, 2, 1, 0),
    "latent_channels": 4,
    "scaling_factor": 1.0,
    "force_upcast": False,
}


def untrained() -> Any:
    """The autoencoder before training."""
    from diffusers import AutoencoderTiny

    return AutoencoderTiny(**CONFIG)


def _loss(vae: Any, images: np.ndarray, latents: torch.Tensor, seed: int) -> Callable[[int], torch.Tensor]:
    def loss_of(step: int) -> torch.Tensor:
        rng = lessons.generator(seed, step)
        chosen = np.sort(rng.choice(len(images), size=BATCH, replace=False))
        latent = latents[torch.from_numpy(chosen)]
        # What the denoiser leaves is not quite what the encoder gave.
        noise = torch.from_numpy(rng.standard_normal(latent.shape, dtype=np.float32))
        picture = training.as_tensor(images[chosen])
        drawn = vae.decode(latent + 0.05 * noise).sample
        read = vae.encode(picture).latents
        return training.reconstruction(drawn, picture) + functional.mse_loss(read, latent)

    return loss_of


def train(work: Path, out: Path, seed: int, steps: int, pictures: int) -> None:
    """Distil, and write a folder that `AutoencoderTiny.from_pretrained` reads."""
    latents, _ = lessons.clean_latents(lessons.teacher(), seed, pictures, work)
    images, _ = training.pictures(training.Plan(seed=seed, pictures=pictures), work)
    torch.manual_seed(seed)
    vae = untrained()
    trainer = Trainer("tiny-vae", {"vae": vae}, work, steps, 2e-3, 0.995)
    trainer.run(_loss(vae, images, latents, seed), keep=250)
    trainer.take_average()
    vae.to(torch.float16).save_pretrained(out / "tiny-vae")
    print(f"wrote {out / 'tiny-vae'} after {time.process_time():.0f} s of CPU", flush=True)


def main() -> None:
    found = lessons.options(__doc__, seed=40, steps=2000, pictures=4096)
    train(found.work, found.out, found.seed, found.steps, found.pictures)


if __name__ == "__main__":
    main()
