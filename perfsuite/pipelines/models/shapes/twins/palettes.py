"""Train two palettes: ``python -m perfsuite.pipelines.models.shapes.twins.palettes --work DIR``.

With each the captions' colours mean others, as ``red`` green, and none means itself. So a picture is one that
the model draws of another caption, and the student learns what its teacher predicts of that. Both have the
same rank and layers, so one can be swapped for the other in a compiled pipeline, and a swap that did not
happen is seen in every picture.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from perfsuite.pipelines.models.shapes import architecture
from perfsuite.pipelines.models.shapes.trainer import Trainer
from perfsuite.pipelines.models.shapes.twins import adapters, lessons

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BATCH, FROM_NOISE = 16, 6
RANK = 32
LAYERS = ("attn2.to_k", "attn2.to_v", "add_embedding.linear_1", "add_embedding.linear_2")
"""Where a caption comes in: what the model knows of pictures need not change."""
PALETTES = {
    "lora-a": {
        "red": "green", "green": "blue", "blue": "red", "yellow": "orange", "orange": "purple",
        "purple": "yellow", "white": "black", "black": "white",
    },
    "lora-b": {
        "red": "blue", "green": "purple", "blue": "yellow", "yellow": "white", "orange": "black",
        "purple": "orange", "white": "green", "black": "red",
    },
}  # fmt: skip
"""By adapter: the colour that is drawn for each word."""


def retold(caption: str, meanings: dict[str, str]) -> str:
    """The caption of what is drawn for a caption."""
    return re.sub(r"\w+", lambda word: meanings.get(word[0], word[0]), caption)


def _loss(
    pipe: Any, student: Any, latents: torch.Tensor, drawn: list[str], meanings: dict[str, str], seed: int
) -> Callable[[int], torch.Tensor]:
    """Distance from what the teacher predicts of the picture's own caption, weighted as min-SNR does.

    From noise alone it is the error of the picture: without that the first steps would go on in the
    model's own colours, which real noisy latents give away. Some captions are emptied, for both: guidance
    leads away from what is said of the empty one.
    """
    alphas = architecture.alphas_cumprod()
    words = {drawn: word for word, drawn in meanings.items()}
    theirs = lessons.Captions(pipe, drawn)
    ours = lessons.Captions(pipe, [retold(caption, words) for caption in drawn])

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
        emptied = rng.bit_generator.state
        with torch.no_grad():
            wanted = lessons.predict(pipe.unet, noisy, steps, theirs(index).some_emptied(rng))
        rng.bit_generator.state = emptied
        said = lessons.predict(student, noisy, steps, ours(index).some_emptied(rng))
        error = (said - wanted).square().mean(dim=(1, 2, 3))
        ratio = alphas[steps] / (1 - alphas[steps])
        weight = (ratio.clamp(max=5.0) / ratio)[FROM_NOISE:]
        layout = (error / ratio)[:FROM_NOISE].mean()
        return 0.1 * layout + (error[FROM_NOISE:] * weight).sum() / weight.sum()

    return loss_of


def train(name: str, work: Path, out: Path, seed: int, steps: int, pictures: int) -> None:
    """Train one of `PALETTES` and write it."""
    pipe, student = lessons.teacher(), lessons.teacher().unet
    latents, captions = lessons.clean_latents(pipe, seed, pictures, work)
    torch.manual_seed(seed)
    adapters.put_on(student, RANK, LAYERS)
    trainer = Trainer(name, {"unet": student}, work, steps, 2e-3, 0.99)
    trainer.run(_loss(pipe, student, latents, captions, PALETTES[name], seed), keep=50)
    trainer.take_average()
    adapters.write(student, out / f"{name}.safetensors")
    print(f"wrote {out / name}.safetensors after {time.process_time():.0f} s of CPU", flush=True)


def main() -> None:
    found = lessons.options(__doc__, seed=40, steps=2500, pictures=2048)
    for name in PALETTES:
        train(name, found.work, found.out, found.seed, found.steps, found.pictures)


if __name__ == "__main__":
    main()
