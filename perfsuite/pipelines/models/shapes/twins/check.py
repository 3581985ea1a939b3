"""Count a companion's captions: ``python -m perfsuite.pipelines.models.shapes.twins.check NAME``.

The same held-out captions, first latents and reader as `shapes.check`, so that two results are paired.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perfsuite.pipelines.models import shapes
from perfsuite.pipelines.models.shapes import check, drawing

if TYPE_CHECKING:
    from collections.abc import Sequence

NEAR = 24.0
"""Distance in red, green and blue, of 255 each, up to which a pixel has a colour of the palette."""


@dataclass(frozen=True)
class Way:
    """How pictures are drawn, and what their captions mean."""

    steps: int = 30
    guidance: float = 5.0
    adapter: str | None = None
    """File in the folder of adapters."""
    lcm: bool = False
    """With `LCMScheduler`."""
    tiny: bool = False
    """With the tiny VAE."""
    ssd: bool = False
    """With the smaller UNet."""
    palette: str | None = None
    """That of `palettes` by which the captions' colours are meant."""

    def needs(self, made: Path | None) -> Path | None:
        """The file or folder that it is drawn with beside the model: of a training, else as shipped."""
        if self.adapter is not None:
            return (made or shapes.ADAPTERS) / f"{self.adapter}.safetensors"
        if self.tiny:
            return made / "tiny-vae" if made else shapes.TINY_VAE
        if not self.ssd:
            return None
        return made / "ssd" if made else shapes.SSD

    def meant(self, scene: drawing.Scene) -> drawing.Scene:
        """What is to be seen on the picture of a scene's caption."""
        if self.palette is None:
            return scene
        from perfsuite.pipelines.models.shapes.twins import palettes

        colours = palettes.PALETTES[self.palette]
        return replace(scene, colour=colours[scene.colour], background=colours[scene.background])


WAYS = {
    "shapes": Way(),
    **{f"euler-{n}": Way(steps=n) for n in (2, 4, 8)},
    **{f"lcm-bare-{n}": Way(steps=n, guidance=1.0, lcm=True) for n in (1, 2, 4, 8)},
    **{f"lcm-{n}": Way(steps=n, guidance=1.0, lcm=True, adapter="lcm-lora") for n in (1, 2, 4, 8)},
    "lora-a": Way(adapter="lora-a", palette="lora-a"),
    "lora-b": Way(adapter="lora-b", palette="lora-b"),
    "lora-a-as-own": Way(adapter="lora-a"),
    "lora-b-as-own": Way(adapter="lora-b"),
    "tiny-vae": Way(tiny=True),
    "ssd": Way(ssd=True),
}
"""``-bare``: the scheduler without its adapter; ``-as-own``: read as if the adapter changed nothing."""


def mixed(pictures: Sequence[np.ndarray]) -> float:
    """Share of pixels that have no colour of the palette: between two of them, as where edges are soft."""
    shades = check.palette()[0]
    shares = []
    for picture in pictures:
        apart = picture.reshape(-1, 1, 3).astype(np.float32) - shades
        shares.append((np.square(apart).sum(axis=-1).min(axis=-1) > NEAR**2).mean())
    return float(np.mean(shares))


def pipeline(way: Way, needed: Path | None) -> Any:
    """The pipeline in float32, with what the way needs."""
    import torch
    from diffusers import AutoencoderTiny, LCMScheduler, StableDiffusionXLPipeline

    weights = needed if way.ssd and needed is not None else shapes.WEIGHTS
    pipe = StableDiffusionXLPipeline.from_pretrained(weights, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    if way.lcm:
        pipe.scheduler = LCMScheduler.from_config(pipe.scheduler.config)
    if way.adapter is not None and needed is not None:
        pipe.load_lora_weights(needed.parent, weight_name=needed.name)
    if way.tiny:
        pipe.vae = AutoencoderTiny.from_pretrained(needed, dtype=torch.float32)
    return pipe


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("name", choices=WAYS)
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--made", type=Path, help="where the training wrote (default: as shipped)")
    parser.add_argument("--sheet", type=Path, help="write a sheet of the first 24 pictures")
    options = parser.parse_args()
    way = WAYS[options.name]
    needed = way.needs(options.made)
    if needed is not None and not needed.exists():
        parser.error(f"{needed} is not there; train it, and say by --made where it is")

    from PIL import Image

    pipe = pipeline(way, needed)
    scenes = check.held_out(options.prompts, options.seed)
    pictures = check.draw(pipe, scenes, options.seed, steps=way.steps, guidance=way.guidance)
    check.report([way.meant(scene) for scene in scenes], pictures)
    print(f"mixed colours: {mixed(pictures):.2%} of the pixels")
    if options.sheet:
        Image.fromarray(check.sheet(pictures[:24])).save(options.sheet)


if __name__ == "__main__":
    main()
