"""FLIP is the published one, the maps belong to their scores, and no NaN becomes a likely figure."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from perfsuite.quality.metrics import PIXELS_PER_DEGREE, WrongPictureError, flip, flip_map, ssim, ssim_map

Picture = NDArray[np.float32]


def noisy(picture: Picture, deviation: float) -> Picture:
    rng = np.random.default_rng(1)
    return (picture + rng.normal(0.0, deviation, picture.shape)).clip(0, 1).astype(np.float32)


def plain(*colour: float) -> Picture:
    return np.full((16, 16, 3), colour, dtype=np.float32)


def hunt_adjusted(colour: tuple[float, ...]) -> NDArray[np.float64]:
    """CIELAB of an sRGB colour, its chroma scaled by the lightness (Hunt), as in the paper."""
    srgb = np.array(colour)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    ratio = to_xyz @ linear / (to_xyz @ np.ones(3))
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    lightness = 116 * y - 16
    return np.array([lightness, 0.01 * lightness * 500 * (x - y), 0.01 * lightness * 200 * (y - z)])


def published_colour_error(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The colour pipeline of Andersson et al. (2020), sections 4.1.2 and 4.1.3: qc 0.7, pc 0.4, pt 0.95."""

    def hyab(a: tuple[float, ...], b: tuple[float, ...]) -> float:
        difference = hunt_adjusted(a) - hunt_adjusted(b)
        return float(abs(difference[0]) + np.hypot(difference[1], difference[2])) ** 0.7

    most, error = hyab((0, 1, 0), (0, 0, 1)), hyab(one, other)
    knee = 0.4 * most
    return 0.95 * error / knee if error < knee else 0.95 + 0.05 * (error - knee) / (most - knee)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((0.5, 0.5, 0.5), (0.52, 0.5, 0.5)),
        ((0.2, 0.4, 0.6), (0.3, 0.4, 0.5)),
        ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        ((1.0, 0.0, 0.0), (0.0, 1.0, 1.0)),
    ],
)
def test_flip_of_plain_colours_is_the_published_one(one: tuple[float, ...], other: tuple[float, ...]) -> None:
    """Without edges there is nothing but the colour error, which the paper gives in a few lines."""
    assert flip(plain(*one), plain(*other)) == pytest.approx(published_colour_error(one, other), abs=1e-4)


def test_flip_ends_at_one() -> None:
    """Green against blue is the largest difference there is, by definition."""
    assert flip(plain(0, 1, 0), plain(0, 0, 1)) == pytest.approx(1.0, abs=1e-6)


def test_flip_of_the_tool_as_it_comes(picture: Picture, capfd: pytest.CaptureFixture[str]) -> None:
    """The pixels per degree are the tool's default, so that figures compare with others'; it is silent."""
    from flip_evaluator import evaluate

    other = noisy(picture, 0.05)
    found, mean, parameters = evaluate(picture, other, "LDR", applyMagma=False)
    assert parameters["ppd"] == pytest.approx(PIXELS_PER_DEGREE, rel=1e-6)
    assert flip(other, picture) == pytest.approx(mean, abs=1e-6)
    np.testing.assert_allclose(flip_map(other, picture), found[:, :, 0], atol=1e-6)
    assert capfd.readouterr() == ("", "")


def test_flip_grows_with_the_noise(picture: Picture) -> None:
    """0 for an equal picture, more the noisier, never above 1."""
    values = [flip(noisy(picture, deviation), picture) for deviation in (0.0, 0.01, 0.03, 0.1, 0.3, 3.0)]
    assert values[0] == 0.0
    assert all(a < b for a, b in pairwise(values))
    assert values[-1] < 1.0


def test_flip_is_the_same_both_ways_round(picture: Picture) -> None:
    other = noisy(picture, 0.1)
    assert np.array_equal(flip_map(picture, other), flip_map(other, picture))


def test_flip_map_belongs_to_the_score(picture: Picture) -> None:
    """One value a pixel, whose mean is the score."""
    found = flip_map(noisy(picture, 0.1), picture)
    assert found.shape == picture.shape[:2]
    assert found.min() >= 0.0
    assert found.max() <= 1.0
    assert flip(noisy(picture, 0.1), picture) == found.mean(dtype=np.float64)
    assert not flip_map(picture, picture).any()


def test_ssim_map_belongs_to_the_score(picture: Picture) -> None:
    """One value a pixel; the mean over whole windows is the score, and equal pictures have 1 everywhere."""
    other = noisy(picture, 0.1)
    found = ssim_map(other, picture)
    assert found.shape == picture.shape[:2]
    assert found[5:-5, 5:-5].mean() == pytest.approx(ssim(other, picture), abs=1e-12)
    np.testing.assert_allclose(ssim_map(picture, picture), 1.0, atol=1e-12)


def test_maps_show_the_place(picture: Picture) -> None:
    """A disturbed corner is the place of the difference, and far from it there is none."""
    other = picture.copy()
    other[:6, :6] = 1.0 - other[:6, :6]
    for difference in (1.0 - ssim_map(other, picture), flip_map(other, picture)):
        assert difference[:6, :6].mean() > 0.1
        assert difference[20:, 20:].max() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_no_flip_of_nan(picture: Picture, value: float) -> None:
    """The tool itself takes one NaN for a colour, and its mean looks like any other."""
    spoilt = picture.copy()
    spoilt[3, 4, 1] = value
    for pair in ((spoilt, picture), (picture, spoilt)):
        for metric in (flip, flip_map):
            with pytest.raises(WrongPictureError, match="NaN or Inf"):
                metric(*pair)


@pytest.mark.parametrize(
    ("shape", "reference"),
    [
        ((16, 16, 3), (16, 17, 3)),
        ((16, 16), (16, 16)),
        ((16, 16, 4), (16, 16, 4)),
        ((10, 16, 3), (10, 16, 3)),
    ],
)
def test_what_cannot_be_compared_is_refused(shape: tuple[int, ...], reference: tuple[int, ...]) -> None:
    """As `ssim` refuses it; the message holds the shape."""
    for metric in (flip, flip_map, ssim_map):
        with pytest.raises(WrongPictureError) as caught:
            metric(np.zeros(shape), np.zeros(reference))
        assert str(shape) in str(caught.value)


def test_flip_of_any_layout(picture: Picture) -> None:
    """Other strides and types give the same, values beyond [0, 1] are clipped, nothing is changed."""
    other = noisy(picture, 0.1)
    wanted, before = flip(other, picture), other.copy()
    assert flip(np.asfortranarray(other), picture.astype(np.float64)) == wanted
    assert flip(other[:, :, ::-1][:, :, ::-1], picture) == wanted
    assert np.array_equal(other, before)
    far = np.where(picture > 0.5, 1e300, -1e300)
    assert flip(far, picture) == flip(far.clip(0, 1), picture)
