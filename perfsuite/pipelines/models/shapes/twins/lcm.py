"""Train the few-step adapter: ``python -m perfsuite.pipelines.models.shapes.twins.lcm --work DIR``.

LCM-LoRA (Luo et al. 2023) teaches two things: to say the picture from wherever one stands, and to say it as
a guided teacher would. The small model says the picture already, for it was trained from noise alone; what
few steps lack is guidance. So the student learns its teacher's prediction at the places where `LCMScheduler`
calls it: from noise, and from the answer, noised again. That takes captions, and no pictures. The first
answer stays unguided: guided from noise alone the teacher's colours are wrong (as Kynkaanniemi et al. 2024,
"Applying guidance in a limited interval", found of larger models).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from perfsuite.pipelines.models.shapes import architecture, drawing
from perfsuite.pipelines.models.shapes.trainer import Trainer
from perfsuite.pipelines.models.shapes.twins import adapters, lessons

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BATCH = 8
RANK = 16
RATE = 5e-4
GUIDANCE = 1.5
FIRST = 999
AGAIN = (879, 759, 639, 499, 379, 259, 139)
"""Timesteps that `LCMScheduler` visits: its first, and after it with 2, 4 or 8 steps."""
NAME = "lcm-lora.safetensors"


def _column(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None, None]


def answer(
    noisy: torch.Tensor, noise: torch.Tensor, steps: torch.Tensor, alphas: torch.Tensor
) -> torch.Tensor:
    """The picture without the noise that was seen in it; as `LCMScheduler`, itself at timestep 0."""
    scaled = 10.0 * steps.float()
    keep = _column(0.25 / (scaled.square() + 0.25))
    change = _column(scaled / (scaled.square() + 0.25).sqrt())
    alpha = _column(alphas[steps])
    return keep * noisy + change * (noisy - (1 - alpha).sqrt() * noise) / alpha.sqrt()


def _loss(pipe: Any, student: Any, seed: int, captions: list[str]) -> Callable[[int], torch.Tensor]:
    alphas, encode = architecture.alphas_cumprod(), lessons.Captions(pipe, captions)

    def loss_of(step: int) -> torch.Tensor:
        rng = lessons.generator(seed, step)
        told = encode(torch.from_numpy(rng.integers(len(captions), size=BATCH)))
        first = torch.full((BATCH,), FIRST)
        again = torch.from_numpy(rng.choice(AGAIN, size=BATCH))
        noise, fresh = torch.from_numpy(rng.standard_normal((2, BATCH, 4, 16, 16), dtype=np.float32))
        with torch.no_grad():
            wanted = answer(noise, lessons.predict(pipe.unet, noise, first, told), first, alphas)
            alpha = _column(alphas[again])
            noisy = alpha.sqrt() * wanted + (1 - alpha).sqrt() * fresh
            seen = lessons.guided(pipe.unet, noisy, again, told, GUIDANCE)
            wanted = torch.cat([wanted, answer(noisy, seen, again, alphas)])
        noisy, steps = torch.cat([noise, noisy]), torch.cat([first, again])
        said = answer(noisy, lessons.predict(student, noisy, steps, told.and_also(told)), steps, alphas)
        return functional.huber_loss(said, wanted, delta=0.1)

    return loss_of


def train(work: Path, out: Path, seed: int, steps: int) -> None:
    """Distil, and write the adapter."""
    pipe = lessons.teacher()
    captions = [scene.caption for scene in drawing.scenes() if not scene.held_out]
    torch.manual_seed(seed)
    student = lessons.teacher().unet
    adapters.put_on(student, RANK, adapters.EVERYWHERE)
    trainer = Trainer("lcm-lora", {"unet": student}, work, steps, RATE, 0.98)
    trainer.run(_loss(pipe, student, seed, captions), every=10, keep=25)
    trainer.take_average()
    adapters.write(student, out / NAME)
    print(f"wrote {out / NAME} after {time.process_time():.0f} s of CPU", flush=True)


def main() -> None:
    found = lessons.options(__doc__, seed=40, steps=200)
    train(found.work, found.out, found.seed, found.steps)


if __name__ == "__main__":
    main()
