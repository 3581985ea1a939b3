"""Train the few-step adapter: ``python -m perfsuite.pipelines.models.shapes.twins.lcm --work DIR``.

The model draws pictures of captions that are not held out in 15 steps of DPM-Solver++, guided little, and
each way from noise to picture is kept (`journeys`). The student learns to say the picture at once, from
wherever on the way it stands: a consistency function (Song et al. 2023) as `LCMScheduler` and LCM-LoRA (Luo
et al. 2023) use it, learnt from whole ways in place of pairs of neighbours. A third of each batch starts from
noise alone; a third from the student's own first answer, noised again, as the scheduler does between steps.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional

from perfsuite.pipelines.models.shapes import architecture, check, drawing
from perfsuite.pipelines.models.shapes.trainer import Trainer, write
from perfsuite.pipelines.models.shapes.twins import adapters, lessons

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BATCH, THIRD = 18, 6
RANK = 16
RATE = 5e-4
TEACHER_STEPS = 15
AGAIN = (879, 759, 639, 499, 379, 259, 139)
"""Timesteps that `LCMScheduler` visits after its first, with 2, 4 or 8 steps."""
NAME = "lcm-lora.safetensors"


@dataclass(frozen=True)
class Journeys:
    """The model's ways from noise to picture, in the latents' own scale."""

    steps: torch.Tensor
    """(n,) timesteps at which the UNet was called."""
    on_the_way: torch.Tensor
    """(pictures, n, channels, height, width): what it was called with."""
    picture: torch.Tensor
    """(pictures, channels, height, width): the latent that came out."""
    captions: list[str]


def _travel(pipe: Any, captions: list[str], guidance: float, noise: torch.Tensor) -> dict[str, torch.Tensor]:
    """Draw a batch, and keep what the UNet was called with."""
    seen: list[torch.Tensor] = []

    def keep(module: Any, given: Any, named: Any) -> None:
        seen.append(given[0][: len(captions)].half())

    hook = pipe.unet.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            latents = pipe(
                prompt=captions,
                latents=noise,
                num_inference_steps=TEACHER_STEPS,
                guidance_scale=guidance,
                output_type="latent",
            ).images
            pictures = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
    finally:
        hook.remove()
    return {"on_the_way": torch.stack(seen, dim=1), "picture": latents.half(), "seen": pictures.float()}


def _agrees(pictures: torch.Tensor, scenes: list[drawing.Scene]) -> torch.Tensor:
    """Which pictures are of their captions."""
    pixels = ((pictures + 1.0) * 127.5).round().clip(0, 255).permute(0, 2, 3, 1).numpy().astype(np.uint8)
    return torch.tensor([check.read(p).agrees(s) for p, s in zip(pixels, scenes, strict=True)])


def journeys(pipe: Any, work: Path, seed: int, count: int, guidance: float) -> Journeys:
    """`count` ways to pictures that are right, drawn once and kept in `work`."""
    from diffusers import DPMSolverMultistepScheduler

    rng = lessons.generator(seed, 0)
    every = [scene for scene in drawing.scenes() if not scene.held_out]
    path = work / f"journeys-{seed}-{count}-{guidance:g}.safetensors"
    chosen = [every[i] for i in rng.choice(len(every), count, replace=count > len(every))]
    if not path.exists():
        pipe.set_progress_bar_config(disable=True)
        pipe.scheduler = DPMSolverMultistepScheduler.from_config(
            pipe.scheduler.config, timestep_spacing="trailing"
        )
        batches: list[dict[str, torch.Tensor]] = []
        for start in range(0, count, 16):
            scenes = chosen[start : start + 16]
            noise = torch.from_numpy(rng.standard_normal((len(scenes), 4, 16, 16), dtype=np.float32))
            batch = _travel(pipe, [scene.caption for scene in scenes], guidance, noise)
            batch["right"] = _agrees(batch.pop("seen"), scenes)
            batches.append(batch)
            print(f"{start + len(scenes)}/{count} journeys", flush=True)
        joined = {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}
        write(path, {**joined, "steps": pipe.scheduler.timesteps.round().long()})
    stored = load_file(path)
    right = stored["right"]
    print(f"{int(right.sum())} of {count} pictures are of their captions", flush=True)
    return Journeys(
        stored["steps"],
        stored["on_the_way"][right],
        stored["picture"][right],
        [scene.caption for scene, good in zip(chosen, right.tolist(), strict=True) if good],
    )


def _column(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None, None]


def _answer(
    unet: Any, noisy: torch.Tensor, steps: torch.Tensor, told: lessons.Conditions, alphas: torch.Tensor
) -> torch.Tensor:
    """The picture that it sees, with the boundary condition of `LCMScheduler`: itself at timestep 0."""
    scaled = 10.0 * steps.float()
    keep = _column(0.25 / (scaled.square() + 0.25))
    change = _column(scaled / (scaled.square() + 0.25).sqrt())
    alpha = _column(alphas[steps])
    noise = lessons.predict(unet, noisy, steps, told)
    return keep * noisy + change * (noisy - (1 - alpha).sqrt() * noise) / alpha.sqrt()


def _loss(pipe: Any, student: Any, seed: int, ways: Journeys) -> Callable[[int], torch.Tensor]:
    alphas, encode = architecture.alphas_cumprod(), lessons.Captions(pipe, ways.captions)
    first = torch.full((THIRD,), 999)

    def loss_of(step: int) -> torch.Tensor:
        rng = lessons.generator(seed, 1 + step)
        index = torch.from_numpy(rng.integers(len(ways.captions), size=BATCH))
        place = torch.from_numpy(rng.integers(len(ways.steps), size=THIRD))
        told, noise = encode(index), ways.on_the_way[index, 0].float()
        again = torch.from_numpy(rng.choice(AGAIN, size=THIRD))
        fresh = torch.from_numpy(rng.standard_normal((THIRD, *noise.shape[1:]), dtype=np.float32))
        with torch.no_grad():
            part = slice(THIRD, 2 * THIRD)
            answer = _answer(student, noise[part], first, told.part(part), alphas)
        alpha = _column(alphas[again])
        noisy = torch.cat(
            [
                noise[:THIRD],
                alpha.sqrt() * answer + (1 - alpha).sqrt() * fresh,
                ways.on_the_way[index[2 * THIRD :], place].float(),
            ]
        )
        steps = torch.cat([first, again, ways.steps[place]])
        said = _answer(student, noisy, steps, told, alphas)
        return functional.huber_loss(said, ways.picture[index].float(), delta=0.1)

    return loss_of


def train(work: Path, out: Path, seed: int, steps: int, pictures: int, guidance: float) -> None:
    """Distil, and write the adapter."""
    pipe = lessons.teacher()
    ways = journeys(pipe, work, seed, pictures, guidance)
    torch.manual_seed(seed)
    student = lessons.teacher().unet
    adapters.put_on(student, RANK, adapters.EVERYWHERE)
    trainer = Trainer("lcm-lora", {"unet": student}, work, steps, RATE, 0.98)
    trainer.run(_loss(pipe, student, seed, ways), every=20, keep=50)
    trainer.take_average()
    adapters.write(student, out / NAME)
    print(f"wrote {out / NAME} after {time.process_time():.0f} s of CPU", flush=True)


def main() -> None:
    found = lessons.options(__doc__, seed=40, steps=300, pictures=1024, guidance=2)
    train(found.work, found.out, found.seed, found.steps, found.pictures, found.guidance)


if __name__ == "__main__":
    main()
