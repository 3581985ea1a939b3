"""Golden float32 pictures: whether float32 itself has moved since they were recorded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from perfsuite.quality.metrics import WrongPictureError, broken
from perfsuite.quality.pictures import score, worst
from perfsuite.records import PictureScore, PictureStatus, Quality

if TYPE_CHECKING:
    from pathlib import Path

    from perfsuite.quality.pictures import Reference

GOLDEN_SSIM = 0.9999
"""Least SSIM of a float32 picture against its golden one; see the README for how it was found."""


class GoldenError(RuntimeError):
    """A golden picture that cannot be read, or is not worth storing."""


def golden_path(folder: Path, index: int) -> Path:
    """File of one prompt's picture below ``baselines/reference/<workload>``."""
    return folder / f"prompt-{index}.png"


def write_golden(folder: Path, reference: Reference) -> list[Path]:
    """Store the reference's pictures as 8-bit PNG files, each written aside and renamed.

    Raises `GoldenError`, and writes nothing, if a picture is broken.
    """
    from PIL import Image

    for prompt, picture in zip(reference.workload.prompts, reference.pictures, strict=True):
        reason = broken(picture)
        if reason is not None:
            raise GoldenError(f"{prompt!r}: no golden picture is stored: {reason}")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for index, picture in enumerate(reference.pictures):
        path = golden_path(folder, index)
        temporary = path.with_suffix(".tmp")
        levels = np.clip(np.rint(picture * 255.0), 0, 255).astype(np.uint8)
        Image.fromarray(levels).save(temporary, format="PNG", optimize=True)
        os.replace(temporary, path)
        written.append(path)
    return written


def _read(path: Path) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"), dtype=np.float32) / 255.0
    # Pillow raises the last two for damaged PNG chunks.
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise GoldenError(
            f"{path}: not a readable PNG ({error}); restore it with: git checkout -- {path}"
        ) from error


def compare_golden(folder: Path, reference: Reference) -> Quality:
    """The float32 pictures of this run against the stored ones; NEW where none is stored.

    Golden pictures have 8 bits, so the pictures are rounded likewise before they are compared.
    """
    scores = []
    for index, (prompt, picture) in enumerate(
        zip(reference.workload.prompts, reference.pictures, strict=True)
    ):
        path = golden_path(folder, index)
        if not path.exists():
            detail = f"no golden picture {path}"
            scores.append(PictureScore(prompt, PictureStatus.NEW, None, None, None, detail))
            continue
        golden = _read(path)
        if golden.shape != picture.shape:
            raise WrongPictureError(
                f"{path}: {golden.shape[1]}x{golden.shape[0]} pixels, "
                f"this run drew {picture.shape[1]}x{picture.shape[0]}; record it again"
            )
        scores.append(score(prompt, np.rint(picture * 255.0) / 255.0, golden, GOLDEN_SSIM))
    return Quality(worst(scores), tuple(scores))
