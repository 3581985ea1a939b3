"""Train the smaller UNet: ``python -m perfsuite.pipelines.models.shapes.twins.ssd --work DIR``.

As SSD-1B is SDXL with blocks left out, distilled from it (Gupta et al. 2024, "Progressive knowledge
distillation of Stable Diffusion XL using layer level loss"), this is the small SDXL without its mid block and
without the attention of its lowest level. It starts from the teacher's weights, and learns the noise, the
teacher's prediction and the teacher's features.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from perfsuite.pipelines.models.shapes import architecture
from perfsuite.pipelines.models.shapes.trainer import Trainer
from perfsuite.pipelines.models.shapes.twins import lessons

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BATCH, BLANK = 10, 4
UNET: dict[str, Any] = {
    **architecture.UNET,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "mid_block_type": None,
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
}
FEATURES = (
    "down_blocks.1.attentions.0", "down_blocks.2.resnets.0", "up_blocks.0.resnets.1",
    "up_blocks.1.attentions.1", "up_blocks.2.resnets.1",
)  # fmt: skip
"""Where student and teacher shall say the same."""
HOLD = 0.3
"""Share of the steps in which part of a batch starts from an empty canvas; see `train.train_layout`."""


def untrained(teacher: Any) -> Any:
    """The student: the teacher's layers, less those that it leaves out."""
    from diffusers import UNet2DConditionModel

    student = UNet2DConditionModel(**UNET)
    theirs = teacher.state_dict()
    student.load_state_dict({name: theirs[name] for name in student.state_dict()})
    return student


class _Features:
    """What the modules of `FEATURES` gave last."""

    def __init__(self, unet: Any) -> None:
        self.found: dict[str, torch.Tensor] = {}
        for place in FEATURES:
            unet.get_submodule(place).register_forward_hook(self._keeper(place))

    def _keeper(self, place: str) -> Callable[..., None]:
        def keep(module: Any, inputs: Any, output: Any) -> None:
            self.found[place] = output[0] if isinstance(output, tuple) else output

        return keep

    def distance(self, other: _Features) -> torch.Tensor:
        """Mean squared difference, each in units of the other's mean square."""
        differences = []
        for place in FEATURES:
            theirs = other.found[place].float()
            differences.append((self.found[place].float() - theirs).square().mean() / theirs.square().mean())
        return torch.stack(differences).mean()


def _loss(
    pipe: Any, student: Any, seed: int, hold: int, latents: torch.Tensor, captions: list[str]
) -> Callable[[int], torch.Tensor]:
    alphas, encode = architecture.alphas_cumprod(), lessons.Captions(pipe, captions)
    ours, theirs = _Features(student), _Features(pipe.unet)

    def loss_of(step: int) -> torch.Tensor:
        rng = lessons.generator(seed, step)
        index = torch.from_numpy(rng.integers(len(latents), size=BATCH))
        turns = [rng.integers(900, 1000, size=BLANK), rng.integers(0, 1000, size=BATCH - BLANK)]
        steps = torch.from_numpy(np.concatenate(turns))
        alpha = alphas[steps][:, None, None, None]
        noise = torch.from_numpy(rng.standard_normal((BATCH, *latents.shape[1:]), dtype=np.float32))
        noisy = alpha.sqrt() * latents[index] + (1 - alpha).sqrt() * noise
        strength = np.ones(BLANK, dtype=np.float32)
        if step < hold:
            strength[: BLANK // 2] = 0.0
        noisy[:BLANK] = torch.from_numpy(strength)[:, None, None, None] * noise[:BLANK]
        wanted = (noisy - alpha.sqrt() * latents[index]) / (1 - alpha).sqrt()
        told = encode(index).some_emptied(rng)
        with torch.no_grad():
            taught = lessons.predict(pipe.unet, noisy, steps, told)
        said = lessons.predict(student, noisy, steps, told)
        error = (said - wanted).square().mean(dim=(1, 2, 3)) + (said - taught).square().mean(dim=(1, 2, 3))
        ratio = alphas[steps] / (1 - alphas[steps])
        weight = (ratio.clamp(max=5.0) / ratio)[BLANK:]
        layout = (error / ratio)[:BLANK].mean()
        return 0.1 * layout + (error[BLANK:] * weight).sum() / weight.sum() + 0.1 * ours.distance(theirs)

    return loss_of


def train(work: Path, out: Path, seed: int, steps: int, pictures: int) -> None:
    """Distil, and write a pipeline with the teacher's other components."""
    pipe = lessons.teacher()
    latents, captions = lessons.clean_latents(pipe, seed, pictures, work)
    torch.manual_seed(seed)
    student = untrained(pipe.unet)
    trainer = Trainer("ssd", {"unet": student}, work, steps, 8e-4, 0.99)
    trainer.run(_loss(pipe, student, seed, round(HOLD * steps), latents, captions), every=20, keep=50)
    trainer.take_average()
    kept = {name: getattr(pipe, name) for name in ("vae", "text_encoder", "text_encoder_2")}
    architecture.save(out / "ssd", {"unet": student, **kept})
    print(f"wrote {out / 'ssd'} after {time.process_time():.0f} s of CPU", flush=True)


def main() -> None:
    found = lessons.options(__doc__, seed=40, steps=600, pictures=4096)
    train(found.work, found.out, found.seed, found.steps, found.pictures)


if __name__ == "__main__":
    main()
