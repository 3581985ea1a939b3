"""Scores of one picture against another. Pictures are float arrays (height, width, 3) in [0, 1]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.floating]

DATA_RANGE = 1.0
WINDOW = 11
SIGMA = 1.5
"""SSIM as in Wang, Bovik, Sheikh and Simoncelli (2004): Gaussian window of 11 pixels, sigma 1.5."""
LEAST_CONTRAST = 1.0 / 255.0
"""A picture whose standard deviation is below one 8-bit level is flat."""
MOST_SATURATED = 0.98
"""Share of values at 0 or 1 from which a picture counts as saturated."""
PSNR_CAP_DB = 120.0


class WrongPictureError(ValueError):
    """Two arrays that cannot be compared as pictures."""


def broken(picture: Picture) -> str | None:
    """Why this is no picture at all: NaN or Inf, flat, or saturated; None if it is one."""
    if picture.size == 0:
        return "the picture is empty"
    bad = int(np.size(picture) - np.isfinite(picture).sum())
    if bad:
        return f"{bad} of {picture.size} values are NaN or Inf"
    deviation = float(picture.std())
    if deviation < LEAST_CONTRAST:
        return f"flat: standard deviation {deviation:.2g}, mean {float(picture.mean()):.3f}"
    saturated = float(((picture <= 0.0) | (picture >= 1.0)).mean())
    if saturated > MOST_SATURATED:
        return f"saturated: {saturated:.1%} of the values are 0 or 1"
    return None


def _check(picture: Picture, reference: Picture) -> None:
    if picture.shape != reference.shape:
        raise WrongPictureError(f"pictures of unequal size: {picture.shape} against {reference.shape}")
    if picture.ndim != 3 or picture.shape[2] != 3 or min(picture.shape[:2]) < WINDOW:
        raise WrongPictureError(
            f"wanted (height, width, 3) of at least {WINDOW} pixels a side, got {picture.shape}"
        )


def ssim(picture: Picture, reference: Picture) -> float:
    """Structural similarity in [-1, 1], 1 for equal pictures (scikit-image, data range 1).

    Raises `WrongPictureError` for unequal or too small pictures.
    """
    from skimage.metrics import structural_similarity

    _check(picture, reference)
    return float(
        structural_similarity(
            np.asarray(picture, dtype=np.float64),
            np.asarray(reference, dtype=np.float64),
            data_range=DATA_RANGE,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=SIGMA,
            use_sample_covariance=False,
        )
    )


def psnr(picture: Picture, reference: Picture) -> float:
    """Peak signal-to-noise ratio in dB (scikit-image, data range 1); 120 for equal pictures."""
    from skimage.metrics import peak_signal_noise_ratio

    _check(picture, reference)
    if np.array_equal(picture, reference):
        return PSNR_CAP_DB
    value = peak_signal_noise_ratio(
        np.asarray(reference, dtype=np.float64),
        np.asarray(picture, dtype=np.float64),
        data_range=DATA_RANGE,
    )
    return min(PSNR_CAP_DB, float(value))
