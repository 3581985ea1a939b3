"""The reader of pictures is right on pictures that are right, and notices those that are not."""

from dataclasses import replace

import numpy as np
import pytest

from perfsuite.pipelines.models.shapes import check, drawing
from perfsuite.pipelines.models.shapes.drawing import COLOURS, KINDS, POSITIONS, SIZES, TEXTURES, Scene

SCENES = tuple(drawing.scenes())


def sample(count: int, seed: int) -> list[Scene]:
    chosen = np.random.default_rng(seed).choice(len(SCENES), size=count, replace=False)
    return [SCENES[i] for i in chosen]


def test_reads_what_was_drawn() -> None:
    """At least 99 % of 300 scenes, every word of the captions among them."""
    rng = np.random.default_rng(7)
    scenes = sample(300, 7)
    wrong = [scene for scene in scenes if not check.read(drawing.draw(scene, rng)).agrees(scene)]
    assert len(wrong) <= 3, [scene.caption for scene in wrong]
    seen = {word for scene in scenes for word in scene.caption.split()}
    assert seen == set(drawing.words())


def test_reads_through_noise() -> None:
    """A model's pictures are not clean: noise of eight levels and soft edges do not mislead it."""
    rng = np.random.default_rng(8)
    wrong = []
    for scene in sample(60, 8):
        picture = drawing.draw(scene, rng).astype(float)
        soft = (picture + np.roll(picture, 1, axis=0) + np.roll(picture, 1, axis=1)) / 3.0
        rough = (soft + rng.normal(0.0, 8.0, soft.shape)).clip(0, 255).astype(np.uint8)
        if not check.read(rough).agrees(scene):
            wrong.append(scene.caption)
    assert len(wrong) <= 1, wrong


@pytest.mark.parametrize(
    ("field", "words"),
    [("colour", list(COLOURS)), ("background", list(COLOURS)), ("position", list(POSITIONS))],
)
def test_wrong_picture_is_noticed(field: str, words: list[str]) -> None:
    """A picture that is right but for one word is read as that word, and does not agree."""
    rng = np.random.default_rng(9)
    for scene in sample(20, 9):
        free = [word for word in words if word not in (scene.colour, scene.background, scene.position)]
        other = replace(scene, **{field: free[int(rng.integers(len(free)))]})
        reading = check.read(drawing.draw(other, rng))
        assert getattr(reading, field) == getattr(other, field), other.caption
        assert not reading.agrees(scene)


@pytest.mark.parametrize(
    ("field", "words"), [("kind", list(KINDS)), ("size", list(SIZES)), ("texture", list(TEXTURES))]
)
def test_what_is_not_read_does_not_matter(field: str, words: list[str]) -> None:
    """Kind, size and texture are none of the reader's: it agrees whatever they are."""
    scene = Scene("large", "yellow", "square", "bottom left", "purple", "striped")
    for word in words:
        picture = drawing.draw(replace(scene, **{field: word}), np.random.default_rng(10))
        assert check.read(picture).agrees(scene), word


@pytest.mark.parametrize("level", [0, 128, 255])
def test_picture_without_a_shape_agrees_with_no_scene(level: int) -> None:
    """A flat picture has a background colour only, so no scene on it can be taken for right."""
    reading = check.read(np.full((128, 128, 3), level, dtype=np.uint8))
    assert not any(reading.agrees(scene) for scene in SCENES)


def test_held_out_scenes_are_different_and_reproducible() -> None:
    """The check draws held-out scenes only, each once, the same for the same seed."""
    scenes = check.held_out(100, 1)
    assert all(scene.held_out for scene in scenes)
    assert len(set(scenes)) == 100
    assert scenes == check.held_out(100, 1)
    assert scenes != check.held_out(100, 2)


@pytest.mark.parametrize(("count", "shape"), [(12, (8, 24, 3)), (6, (4, 24, 3))])
def test_sheet_of_pictures(count: int, shape: tuple[int, ...]) -> None:
    """Row by row, in reading order."""
    pictures = [np.full((4, 4, 3), i, dtype=np.uint8) for i in range(count)]
    made = check.sheet(pictures)
    assert made.shape == shape
    assert made[::4, ::4, 0].ravel().tolist() == list(range(count))
