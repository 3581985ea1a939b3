"""A picture shows what its caption says, and is a pure function of scene and seed."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from perfsuite.pipelines.models.shapes import drawing
from perfsuite.pipelines.models.shapes.drawing import COLOURS, KINDS, POSITIONS, SIZE, TEXTURES, Scene

SCENE = Scene("large", "red", "circle", "center", "blue", "plain")
SCENES = tuple(drawing.scenes())


def draw(scene: Scene, seed: int = 0, **options: int) -> NDArray[np.uint8]:
    return drawing.draw(scene, np.random.default_rng(seed), **options)


def shape_of(scene: Scene, seed: int = 0) -> NDArray[np.bool_]:
    """The pixels that are wholly the shape's."""
    return np.asarray((draw(scene, seed) == COLOURS[scene.colour]).all(axis=-1))


def test_every_scene_has_a_caption_of_its_own() -> None:
    """All combinations but those of a shape on its own colour, each with another caption."""
    assert len(SCENES) == 2 * 8 * 6 * 9 * 7 * 4
    assert len({scene.caption for scene in SCENES}) == len(SCENES)
    assert all(scene.colour != scene.background for scene in SCENES)


def test_words_are_those_of_the_captions() -> None:
    """No caption holds a word that the vocabulary lacks, and none is never used."""
    assert drawing.words() == sorted({word for scene in SCENES for word in scene.caption.split()})


def test_caption() -> None:
    """The form that prompts must have."""
    assert SCENE.caption == "a large red circle at the center on a blue plain background"


def test_held_out_is_a_tenth_of_everything() -> None:
    """About one in ten, and of every colour, kind, position and texture some are trained on."""
    share = np.mean([scene.held_out for scene in SCENES])
    assert 0.09 < share < 0.115
    for field in ("size", "colour", "kind", "position", "background", "texture"):
        for trained in (True, False):
            seen = {getattr(scene, field) for scene in SCENES if scene.held_out is not trained}
            assert seen == {getattr(scene, field) for scene in SCENES}


@pytest.mark.parametrize("texture", TEXTURES)
def test_seed_decides_everything_that_the_scene_does_not(texture: str) -> None:
    """The same seed gives the same bytes, another seed another picture."""
    scene = replace(SCENE, texture=texture)
    assert np.array_equal(draw(scene, 3), draw(scene, 3))
    assert not np.array_equal(draw(scene, 3), draw(scene, 4))


def test_picture_is_8_bit_rgb() -> None:
    """Of the size that was asked for; the default is what the model is trained on."""
    assert (draw(SCENE).shape, draw(SCENE).dtype) == ((SIZE, SIZE, 3), np.uint8)
    assert draw(SCENE, size=64).shape == (64, 64, 3)


def test_smaller_picture_is_the_same_picture() -> None:
    """Drawn at half the size it is the large one scaled down, but for its antialiased edge."""
    scaled = draw(SCENE).reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    different = np.abs(draw(SCENE, size=64) - scaled).max(axis=-1) > 1.0
    assert different.mean() < 0.05


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("position", POSITIONS)
def test_shape_is_where_the_caption_says(kind: str, position: str) -> None:
    """The middle of the shape's box is within a twelfth of the picture of its place, at every seed."""
    for seed in range(5):
        ys, xs = np.nonzero(shape_of(replace(SCENE, size="small", kind=kind, position=position), seed))
        middle = ((xs.min() + xs.max() + 1) / 2 / SIZE, (ys.min() + ys.max() + 1) / 2 / SIZE)
        assert middle == pytest.approx(POSITIONS[position], abs=1 / 12)


@pytest.mark.parametrize("kind", KINDS)
def test_large_is_larger_than_small(kind: str) -> None:
    """At every seed, whatever the jitter of the radius."""
    small = max(shape_of(replace(SCENE, kind=kind, size="small"), seed).sum() for seed in range(10))
    large = min(shape_of(replace(SCENE, kind=kind, size="large"), seed).sum() for seed in range(10))
    assert large > 1.5 * small


def test_kinds_are_different_shapes() -> None:
    """Each kind covers another part of the picture; of any two at least a sixth is not shared."""
    masks = [shape_of(replace(SCENE, kind=kind)) for kind in KINDS]
    for i, one in enumerate(masks):
        for other in masks[i + 1 :]:
            assert (one & other).sum() / (one | other).sum() < 5 / 6


def test_ring_has_a_hole() -> None:
    """And a circle has none."""
    middle = SIZE // 2
    assert tuple(draw(replace(SCENE, kind="ring"))[middle, middle]) == COLOURS["blue"]
    assert tuple(draw(SCENE)[middle, middle]) == COLOURS["red"]


@pytest.mark.parametrize("background", COLOURS)
@pytest.mark.parametrize("texture", TEXTURES)
def test_texture_is_a_shade_of_the_background(background: str, texture: str) -> None:
    """Every texture but plain shows, adds the same to red, green and blue, and no more than `contrast`."""
    colour = "black" if background == "white" else "white"
    scene = replace(SCENE, size="small", colour=colour, background=background, texture=texture)
    base = np.array(COLOURS[background], dtype=float)
    most = drawing.contrast(base)
    frame = np.concatenate([draw(scene)[:32], draw(scene)[-32:]]).astype(float)
    added = frame[..., :1] - base[0]
    # Dots are half as strong as stripes and checks.
    assert np.ptp(added) == 0.0 if texture == "plain" else np.ptp(added) > 0.45 * abs(most)
    assert added.min() >= min(0.0, most) - 0.5
    assert added.max() <= max(0.0, most) + 0.5
    assert np.abs(frame - (base + added).clip(0.0, 255.0)).max() <= 1.0


def test_edges_are_antialiased() -> None:
    """Between shape and background there are mixed pixels, one or two wide."""
    colours = {tuple(pixel) for pixel in draw(SCENE).reshape(-1, 3)}
    assert len(colours) > 10
    mixed = ~((draw(SCENE) == COLOURS["red"]).all(axis=-1) | (draw(SCENE) == COLOURS["blue"]).all(axis=-1))
    perimeter = 2 * np.pi * drawing.SIZES["large"] * SIZE
    assert 0.5 * perimeter < mixed.sum() < 2.5 * perimeter


@pytest.mark.parametrize(("field", "known"), [("kind", KINDS), ("texture", TEXTURES)])
def test_unknown_word_names_the_known(field: str, known: tuple[str, ...]) -> None:
    """What cannot be drawn is refused with the words that can."""
    with pytest.raises(ValueError, match=f"'moon'; one of {', '.join(known)}"):
        draw(replace(SCENE, **{field: "moon"}))
