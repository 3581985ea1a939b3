"""Train the LCM-LoRA: ``python -m perfsuite.pipelines.models.shapes.twins.lcm --work DIR``.

Latent consistency distillation (Luo et al. 2023, "LCM-LoRA"): from a noisy latent the student says the
picture that the teacher, guided, would come to. Neighbours on the teacher's path, of 50 DDIM steps, must
say the same. A quarter of each batch starts from nothing but noise, where the sampler starts too: there
the caption alone decides the place.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from perfsuite.pipelines.models.shapes import architecture
from perfsuite.pipelines.models.shapes.trainer import Trainer
from perfsuite.pipelines.models.shapes.twins import adapters, lessons

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STRIDE = 20
"""Timesteps between neighbours: 50 of them in a schedule of 1000, as `LCMScheduler` assumes."""
BATCH, FROM_NOISE = 16, 4
RANK = 16
NAME = "lcm-lora.safetensors"


def _column(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None, None]


def _picture(noisy: torch.Tensor, noise: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """The clean latent that is left when the noise is taken away."""
    return (noisy - (1 - alpha).sqrt() * noise) / alpha.sqrt()


def _answer(
    unet: Any, noisy: torch.Tensor, steps: torch.Tensor, told: lessons.Conditions, alphas: torch.Tensor
) -> torch.Tensor:
    """The consistency function, with the boundary condition of `LCMScheduler`: itself at timestep 0."""
    scaled = 10.0 * steps.float()
    keep = _column(0.25 / (scaled.square() + 0.25))
    change = _column(scaled / (scaled.square() + 0.25).sqrt())
    noise = lessons.predict(unet, noisy, steps, told)
    return keep * noisy + change * _picture(noisy, noise, _column(alphas[steps]))


def _loss(
    pipe: Any, student: Any, seed: int, guidance: float, latents: torch.Tensor, captions: list[str]
) -> Callable[[int], torch.Tensor]:
    alphas, encode = architecture.alphas_cumprod(), lessons.Captions(pipe, captions)

    def loss_of(step: int) -> torch.Tensor:
        rng = lessons.generator(seed, step)
        index = torch.from_numpy(rng.integers(len(latents), size=BATCH))
        # One from each part of the schedule; the first few start from noise alone.
        late = (rng.permutation(BATCH - FROM_NOISE) + rng.uniform(size=BATCH - FROM_NOISE)) / (
            BATCH - FROM_NOISE
        )
        turns = np.concatenate([np.full(FROM_NOISE, 50), 1 + np.floor(late * 50)]).astype(np.int64)
        steps = torch.from_numpy(turns * STRIDE - 1)
        before = (steps - STRIDE).clamp(min=0)
        noise = torch.from_numpy(rng.standard_normal((BATCH, *latents.shape[1:]), dtype=np.float32))
        alpha, earlier = _column(alphas[steps]), _column(alphas[before])
        noisy = alpha.sqrt() * latents[index] + (1 - alpha).sqrt() * noise
        noisy[:FROM_NOISE] = noise[:FROM_NOISE]
        told = encode(index)
        with torch.no_grad():
            seen = lessons.guided(pipe.unet, noisy, steps, told, guidance)
            neighbour = earlier.sqrt() * _picture(noisy, seen, alpha) + (1 - earlier).sqrt() * seen
            wanted = _answer(student, neighbour, before, told, alphas)
        said = _answer(student, noisy, steps, told, alphas)
        return functional.huber_loss(said, wanted, delta=0.1)

    return loss_of


def train(work: Path, out: Path, seed: int, steps: int, pictures: int, guidance: int) -> None:
    """Distil, and write the adapter."""
    pipe = lessons.teacher()
    latents, captions = lessons.clean_latents(pipe, seed, pictures, work)
    torch.manual_seed(seed)
    student = lessons.teacher().unet
    adapters.put_on(student, RANK, adapters.EVERYWHERE)
    trainer = Trainer("lcm-lora", {"unet": student}, work, steps, 5e-4, 0.99)
    trainer.run(_loss(pipe, student, seed, guidance, latents, captions), every=20, keep=100)
    trainer.take_average()
    adapters.write(student, out / NAME)
    print(f"wrote {out / NAME} after {time.process_time():.0f} s of CPU", flush=True)


def main() -> None:
    found = lessons.options(__doc__, seed=40, steps=600, pictures=4096, guidance=5)
    train(found.work, found.out, found.seed, found.steps, found.pictures, found.guidance)


if __name__ == "__main__":
    main()
