"""SSIM and PSNR are the published ones, and what is no picture is told apart from a bad one."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import correlate

from perfsuite.quality.metrics import PSNR_CAP_DB, WrongPictureError, broken, psnr, ssim

Picture = NDArray[np.float32]


def published_ssim(a: Picture, b: Picture) -> float:
    """Mean SSIM as in the paper: Gaussian window of 11 pixels, sigma 1.5, K 0.01 and 0.03, range 1."""
    offsets = np.arange(-5, 6)
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        blurred: NDArray[np.float64] = correlate(values, window)[5:-5, 5:-5]
        return blurred

    scores = []
    for x, y in zip(np.moveaxis(a.astype(float), -1, 0), np.moveaxis(b.astype(float), -1, 0), strict=True):
        mx, my = mean(x), mean(y)
        vx, vy, vxy = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
        c1, c2 = 0.01**2, 0.03**2
        scores.append(((2 * mx * my + c1) * (2 * vxy + c2)) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return float(np.mean(scores))


def noisy(picture: Picture, deviation: float) -> Picture:
    rng = np.random.default_rng(1)
    return (picture + rng.normal(0.0, deviation, picture.shape)).clip(0, 1).astype(np.float32)


@pytest.mark.parametrize("deviation", [0.001, 0.02, 0.3])
def test_ssim_is_the_published_one(picture: Picture, deviation: float) -> None:
    """Equal to a direct computation from the paper, both ways round."""
    other = noisy(picture, deviation)
    assert ssim(other, picture) == pytest.approx(published_ssim(other, picture), abs=1e-9)
    assert ssim(picture, other) == pytest.approx(ssim(other, picture), abs=1e-12)


def test_ssim_falls_with_the_noise(picture: Picture) -> None:
    """1 for an equal picture, and less the noisier."""
    values = [ssim(noisy(picture, deviation), picture) for deviation in (0.0, 0.01, 0.03, 0.1, 0.3)]
    assert values[0] == 1.0
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == len(values)


@pytest.mark.parametrize(("offset", "decibels"), [(0.1, 20.0), (0.01, 40.0)])
def test_psnr_of_a_known_error(offset: float, decibels: float) -> None:
    """20 log10 of 1 over the error, where every value is off by the same."""
    reference = np.full((16, 16, 3), 0.5)
    assert psnr(reference + offset, reference) == pytest.approx(decibels)


def test_psnr_is_capped(picture: Picture) -> None:
    """Equal pictures, and all but equal ones, have a figure that can be stored as JSON."""
    almost = picture.astype(np.float64)
    almost[0, 0, 0] += 1e-9
    assert psnr(picture, picture) == psnr(almost, picture.astype(np.float64)) == PSNR_CAP_DB


@pytest.mark.parametrize(
    ("shape", "reference"),
    [
        ((16, 16, 3), (16, 17, 3)),
        ((16, 16, 3), (1, 16, 16, 3)),
        ((16, 16), (16, 16)),
        ((16, 16, 4), (16, 16, 4)),
        ((3, 16, 16), (3, 16, 16)),
        ((10, 16, 3), (10, 16, 3)),
    ],
)
def test_what_cannot_be_compared_is_refused(shape: tuple[int, ...], reference: tuple[int, ...]) -> None:
    """Never a score for two arrays that are no pair of pictures; the message holds the shape."""
    for metric in (ssim, psnr):
        with pytest.raises(WrongPictureError) as caught:
            metric(np.zeros(shape), np.zeros(reference))
        assert str(shape) in str(caught.value)


def spoilt(picture: Picture, value: float, share: float) -> Picture:
    """The picture with this share of its values replaced."""
    changed = picture.ravel().copy()
    changed[: round(share * changed.size)] = value
    return changed.reshape(picture.shape)


@pytest.mark.parametrize(
    ("value", "share", "reason"),
    [
        (np.nan, 1 / 3840, "1 of 3840 values are NaN or Inf"),
        (np.inf, 1.0, "3840 of 3840 values are NaN or Inf"),
        (-np.inf, 0.5, "1920 of 3840 values are NaN or Inf"),
        (0.0, 1.0, "flat: standard deviation 0, mean 0.000"),
        (0.25, 1.0, "flat: standard deviation 0, mean 0.250"),
        (1.0, 0.99, "saturated: 99.0% of the values are 0 or 1"),
    ],
)
def test_broken_says_why(picture: Picture, value: float, share: float, reason: str) -> None:
    """NaN, Inf, one flat colour, and next to nothing but black and white are no pictures."""
    assert broken(spoilt(picture, value, share)) == reason


def test_saturated_is_both_black_and_white() -> None:
    """A pure black-and-white pattern has contrast and is broken all the same."""
    pattern = np.zeros((32, 32, 3))
    pattern[::2] = 1.0
    assert broken(pattern) == "saturated: 100.0% of the values are 0 or 1"


@pytest.mark.parametrize(("value", "share"), [(1.0, 0.9), (0.0, 0.9), (0.5, 0.9)])
def test_picture_with_large_plain_areas_is_one(picture: Picture, value: float, share: float) -> None:
    """A white or black background alone does not make a picture broken."""
    assert broken(spoilt(picture, value, share)) is None


def test_faint_is_not_flat() -> None:
    """A contrast of one 8-bit level is the limit: two levels either side of grey are a picture."""
    faint = np.full((16, 16, 3), 0.5)
    faint[::2] += 2.5 / 255.0
    assert broken(faint) is None
    faint[::2] -= 1.0 / 255.0
    assert str(broken(faint)).startswith("flat: ")


def test_empty_picture_is_broken() -> None:
    """No pixels are no picture, and no division by zero."""
    assert broken(np.zeros((0, 0, 3))) == "the picture is empty"
