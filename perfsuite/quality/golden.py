"""Golden float32 pictures: whether float32 itself has moved since they were recorded."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from perfsuite.pipelines import models
from perfsuite.quality.metrics import WrongPictureError, broken
from perfsuite.quality.pictures import score, worst
from perfsuite.quality.relative_errors import relative_l2
from perfsuite.records import PictureScore, PictureStatus, Quality
from perfsuite.store.files import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from perfsuite.quality.reference import Reference

GOLDEN_SSIM = 0.9999
"""Least SSIM of a float32 picture against its golden one, found as `perfsuite guide pictures` tells."""


GOLDEN_LATENTS = 1e-3
"""Largest relative L2 error of float32 latents against golden ones, found likewise."""
LATENTS_EVERY = 10
"""Steps between golden latents; those after the last step are always among them."""


class GoldenError(RuntimeError):
    """A golden picture that cannot be read, or is not worth storing."""


def golden_path(folder: Path, index: int) -> Path:
    """File of one prompt's picture below ``baselines/reference/<workload>``."""
    return folder / f"prompt-{index}.png"


def latents_path(folder: Path) -> Path:
    """File of a workload's golden latents."""
    return folder / "latents.safetensors"


def _chosen_latents(reference: Reference) -> dict[str, Any]:
    """Latents (1, 4, h, w) by name, which holds prompt and step (from 1)."""
    return {
        f"prompt-{prompt}.step-{step + 1}": trace["latents"][step].clone()
        for prompt, trace in enumerate(reference.traces)
        for step in range(trace.steps)
        if (step + 1) % LATENTS_EVERY == 0 or step + 1 == trace.steps
    }


def write_golden(folder: Path, reference: Reference) -> list[Path]:
    """Store the reference's pictures as 8-bit PNG files, each written aside and renamed.

    A deep reference's latents after every `LATENTS_EVERY`-th step are stored too, in float32.

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
    if reference.traces:
        from safetensors.torch import save

        path = latents_path(folder)
        write_atomic(path, save(_chosen_latents(reference)))
        written.append(path)
    return written


def _moved_latents(folder: Path, reference: Reference) -> dict[int, tuple[PictureStatus, str]]:
    """By prompt, what is to be said of its latents: nothing where they are as stored.

    Raises `GoldenError` for a damaged file.
    """
    if not reference.traces:
        return {}
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = latents_path(folder)
    if not path.exists():
        return dict.fromkeys(range(len(reference.traces)), (PictureStatus.NEW, f"no golden latents {path}"))
    try:
        golden = load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise GoldenError(
            f"{path}: not readable safetensors ({error}); restore it with: git checkout -- {path}"
        ) from error
    found: dict[int, tuple[PictureStatus, str]] = {}
    for name, latents in _chosen_latents(reference).items():
        prompt = int(name.partition(".")[0].removeprefix("prompt-"))
        if name not in golden:
            found.setdefault(prompt, (PictureStatus.NEW, f"{path} holds no {name}"))
            continue
        moved = relative_l2(latents, golden[name])
        if moved > GOLDEN_LATENTS:
            detail = f"latents {name} moved by {moved:.2g}, allowed {GOLDEN_LATENTS:g}"
            if found.get(prompt, (PictureStatus.NEW,))[0] is PictureStatus.NEW:
                found[prompt] = (PictureStatus.DEGRADED, detail)
    return found


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
    """The float32 pictures (and latents) of this run against the stored ones; NEW where none is stored.

    Golden pictures have 8 bits, so the pictures are rounded likewise before they are compared.
    """
    scores = []
    moved = _moved_latents(folder, reference)
    blind, batch = models.blind(reference.workload, reference.weights), reference.workload.batch
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
        # Latents can tell where pictures cannot.
        unseen = blind if not reference.traces else None
        found = score(
            prompt, np.rint(picture * 255.0) / 255.0, golden, GOLDEN_SSIM, batch=batch, blind=unseen
        )
        if index in moved and found.status is PictureStatus.OK:
            found = replace(found, status=moved[index][0], detail=moved[index][1])
        scores.append(found)
    return Quality(worst(scores), tuple(scores))
