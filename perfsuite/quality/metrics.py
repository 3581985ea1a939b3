"""Scores of one picture against another. Pictures are float arrays (height, width, 3) in [0, 1]."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

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
PIXELS_PER_DEGREE = 3840 * math.pi / 180
"""67: a screen 3840 pixels and 0.7 m wide, seen from 0.7 m; the default of FLIP (Andersson et al. 2020)."""


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


def check_pair(picture: Picture, reference: Picture) -> None:
    """Raise `WrongPictureError` for unequal or too small pictures."""
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
    return float(_structural_similarity(picture, reference))


def ssim_map(picture: Picture, reference: Picture) -> NDArray[np.float64]:
    """SSIM of the window around each pixel, (height, width), averaged over the channels.

    Its mean without the outer ``WINDOW // 2`` pixels, whose windows reach over the edge, is `ssim`.
    Raises `WrongPictureError` for unequal or too small pictures.
    """
    _, channels = _structural_similarity(picture, reference, full=True)
    return np.mean(channels, axis=-1)


def _structural_similarity(picture: Picture, reference: Picture, full: bool = False) -> Any:
    from skimage.metrics import structural_similarity

    check_pair(picture, reference)
    return structural_similarity(
        np.asarray(picture, dtype=np.float64),
        np.asarray(reference, dtype=np.float64),
        data_range=DATA_RANGE,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=SIGMA,
        use_sample_covariance=False,
        full=full,
    )


def flip(picture: Picture, reference: Picture) -> float:
    """Mean LDR-FLIP error in [0, 1]: what a person sees who switches between the two; 0 for equal pictures.

    Raises `WrongPictureError` for unequal or too small pictures, and for NaN and Inf.
    """
    return float(flip_map(picture, reference).mean(dtype=np.float64))


def flip_map(picture: Picture, reference: Picture) -> NDArray[np.float32]:
    """LDR-FLIP error of each pixel, (height, width), at `PIXELS_PER_DEGREE`.

    Raises `WrongPictureError` for unequal or too small pictures, and for NaN and Inf.
    """
    from flip_evaluator import evaluate

    check_pair(picture, reference)
    # The tool takes NaN for a colour and returns a likely figure.
    if not (np.isfinite(picture).all() and np.isfinite(reference).all()):
        raise WrongPictureError("FLIP of a picture with NaN or Inf")
    found, _, _ = evaluate(
        _single(reference),
        _single(picture),
        "LDR",
        applyMagma=False,
        computeMeanError=False,
        parameters={"ppd": PIXELS_PER_DEGREE},
    )
    return np.asarray(found)[:, :, 0]


def _single(picture: Picture) -> NDArray[np.float32]:
    # The tool clips too, but a large float64 must not overflow on the way there.
    return np.ascontiguousarray(np.clip(picture, 0.0, DATA_RANGE), dtype=np.float32)


def psnr(picture: Picture, reference: Picture) -> float:
    """Peak signal-to-noise ratio in dB (scikit-image, data range 1); 120 for equal pictures."""
    from skimage.metrics import peak_signal_noise_ratio

    check_pair(picture, reference)
    if np.array_equal(picture, reference):
        return PSNR_CAP_DB
    value = peak_signal_noise_ratio(
        np.asarray(reference, dtype=np.float64),
        np.asarray(picture, dtype=np.float64),
        data_range=DATA_RANGE,
    )
    if np.isnan(value):  # `min` would make it the cap
        raise WrongPictureError("a picture holds NaN or Inf: it has no PSNR")
    return min(PSNR_CAP_DB, float(value))
