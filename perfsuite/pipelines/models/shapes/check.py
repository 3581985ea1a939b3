"""Read shape colour, background colour and position off the model's pictures of held-out prompts.

``python -m perfsuite.pipelines.models.shapes.check`` draws 100 prompts that were never drawn for training and
prints how many of them are right; ``--sheet FILE`` writes a sheet of 24 pictures to look at.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perfsuite.pipelines.models import shapes
from perfsuite.pipelines.models.shapes import drawing

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Reading:
    """What the pixels say."""

    colour: str
    background: str
    position: str

    def agrees(self, scene: drawing.Scene) -> bool:
        """True if colour, background and position are those of the scene."""
        return (self.colour, self.background, self.position) == (
            scene.colour,
            scene.background,
            scene.position,
        )


def palette() -> tuple[np.ndarray, list[str]]:
    """Every shade that `drawing` uses, and the colour that it is a shade of."""
    shades, names = [], []
    for name, rgb in drawing.COLOURS.items():
        for share in (0.0, 0.5, 1.0):
            shades.append(np.array(rgb) + share * drawing.contrast(np.array(rgb)))
            names.append(name)
    return np.array(shades, dtype=np.float32), names


def read(picture: np.ndarray) -> Reading:
    """Read a picture: uint8 array (height, width, 3).

    Each pixel takes the name of its nearest colour; the commonest name along the border is the
    background, the commonest other name is the shape, and its centroid the position. Without another
    name there is no shape.
    """
    shades, names = palette()
    # The squared distance, less the pixel's own square, which is the same for every shade.
    distance = np.square(shades).sum(axis=-1) - 2.0 * (picture.astype(np.float32) @ shades.T)
    order = list(drawing.COLOURS)
    index_of = np.array([order.index(name) for name in names])
    labels = index_of[distance.argmin(axis=-1)]
    border = np.concatenate(
        [labels[:4].ravel(), labels[-4:].ravel(), labels[:, :4].ravel(), labels[:, -4:].ravel()]
    )
    background = int(np.bincount(border, minlength=len(order)).argmax())
    counts = np.bincount(labels.ravel(), minlength=len(order))
    counts[background] = -1
    shape = int(counts.argmax())
    if counts[shape] <= 0:
        return Reading("none", order[background], "nowhere")
    ys, xs = np.nonzero(labels == shape)
    centre = (xs.mean() / labels.shape[1], ys.mean() / labels.shape[0])
    position = min(
        drawing.POSITIONS,
        key=lambda name: (
            (drawing.POSITIONS[name][0] - centre[0]) ** 2 + (drawing.POSITIONS[name][1] - centre[1]) ** 2
        ),
    )
    return Reading(order[shape], order[background], position)


def held_out(count: int, seed: int) -> list[drawing.Scene]:
    """`count` different held-out scenes, drawn by seed."""
    scenes = [scene for scene in drawing.scenes() if scene.held_out]
    chosen = np.random.default_rng(seed).choice(len(scenes), size=count, replace=False)
    return [scenes[i] for i in chosen]


def draw(
    pipe: Any,
    scenes: Sequence[drawing.Scene],
    seed: int,
    batch: int = 10,
    steps: int = 30,
    guidance: float = 5.0,
) -> list[np.ndarray]:
    """The model's pictures of these scenes."""
    import torch

    pictures: list[np.ndarray] = []
    for start in range(0, len(scenes), batch):
        part = scenes[start : start + batch]
        generators = [torch.Generator("cpu").manual_seed(seed + start + i) for i in range(len(part))]
        images = pipe(
            prompt=[scene.caption for scene in part],
            generator=generators,
            num_inference_steps=steps,
            guidance_scale=guidance,
            output_type="np",
        ).images
        pictures.extend(np.rint(images * 255.0).clip(0, 255).astype(np.uint8))
        print(f"{len(pictures)}/{len(scenes)} pictures", flush=True)
    return pictures


def sheet(pictures: Sequence[np.ndarray], columns: int = 6) -> np.ndarray:
    """Pictures side by side in rows."""
    rows = [np.concatenate(list(pictures[i : i + columns]), axis=1) for i in range(0, len(pictures), columns)]
    return np.concatenate(rows, axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", type=Path, default=shapes.WEIGHTS)
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sheet", type=Path, help="write a sheet of the first 24 pictures")
    options = parser.parse_args()

    import torch
    from diffusers import StableDiffusionXLPipeline
    from PIL import Image

    pipe = StableDiffusionXLPipeline.from_pretrained(options.weights, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    scenes = held_out(options.prompts, options.seed)
    pictures = draw(pipe, scenes, options.seed)
    report(scenes, pictures)
    if options.sheet:
        Image.fromarray(sheet(pictures[:24])).save(options.sheet)


def report(scenes: Sequence[drawing.Scene], pictures: Sequence[np.ndarray]) -> None:
    """Print what is wrong, and how many are right."""
    readings = [read(picture) for picture in pictures]
    for scene, reading in zip(scenes, readings, strict=True):
        if not reading.agrees(scene):
            print(f"wrong: {scene.caption!r}: read {reading}")
    right = sum(r.agrees(s) for r, s in zip(readings, scenes, strict=True))
    for field in ("colour", "background", "position"):
        count = sum(getattr(r, field) == getattr(s, field) for r, s in zip(readings, scenes, strict=True))
        print(f"{field}: {count}/{len(scenes)}")
    print(f"all three right: {right}/{len(scenes)}")


if __name__ == "__main__":
    main()
