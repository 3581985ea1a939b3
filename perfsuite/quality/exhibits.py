"""What a report shows of every variant, not only of those that failed: kept in files beside the results."""

from __future__ import annotations

import math
import re
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from perfsuite.quality.artifacts import picture_png, remove, span_of
from perfsuite.quality.compiled.look import NAME as COMPILED
from perfsuite.quality.metrics import broken, check_pair, flip_map, ssim_map
from perfsuite.records import DriftCurve, Exhibits, Numbers, PictureFiles
from perfsuite.store.exhibits import encode_numbers, folder_of, write_exhibits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from perfsuite.pipelines.technique import Variant
    from perfsuite.quality.artifacts import Drift
    from perfsuite.quality.assessing import Inspection
    from perfsuite.quality.metrics import Picture
    from perfsuite.quality.reference import Reference
    from perfsuite.records import Deviation

MOST_PLACES = 60
"""Errors kept of the single modules, those nearest to their budget; there are hundreds, all but equal."""
COLOURS = 64
"""Of a map. More cannot be told apart, and fewer make a smaller file."""


class Keeper:
    """Writes the exhibits of one run into a folder beside its results file."""

    def __init__(self, results: Path) -> None:
        """`results`: the results file of the run. What an earlier run kept for it is removed.

        Raises:
            StoreError: if that cannot be removed.
        """
        self.folder = folder_of(results)
        self._drawn: set[str] = set()
        """Workloads whose float32 pictures are written."""
        if self.folder.is_dir():
            for path in [*self.folder.glob("*-prompt-*.png"), *self.folder.glob("*-numbers.json")]:
                remove(path)

    def keep(
        self,
        variant: Variant,
        pictures: Sequence[Picture],
        reference: Reference,
        inspection: Inspection | None = None,
    ) -> Exhibits:
        """Write the pictures (float32 (height, width, 3) in [0, 1], one a prompt) and what `inspection` saw.

        Raises:
            WrongPictureError: if pictures and reference cannot be compared.
            StoreError: if a file cannot be written.
        """
        workload = reference.workload
        own = _plain(f"{workload.name}-{variant.name}")
        files: dict[str, bytes] = {}
        shown = []
        for i, (prompt, picture, wanted) in enumerate(
            zip(workload.prompts, pictures, reference.pictures, strict=True)
        ):
            check_pair(picture, wanted)
            golden, drawn = f"{_plain(workload.name)}-prompt-{i}-float32.png", f"{own}-prompt-{i}.png"
            if workload.name not in self._drawn:
                files[golden] = picture_png(wanted)
            files[drawn] = picture_png(picture)
            found: dict[str, Any] = {}
            if broken(picture) is None and broken(wanted) is None:
                for kind, values in (
                    ("ssim", 1.0 - ssim_map(picture, wanted)), ("flip", flip_map(picture, wanted))
                ):  # fmt: skip
                    name, span = f"{own}-prompt-{i}-{kind}.png", span_of(float(values.max()))
                    files[name] = map_png(values, span)
                    found |= {f"{kind}_map": self._named(name), f"{kind}_span": span}
            shown.append(PictureFiles(prompt, self._named(golden), self._named(drawn), **found))
        numbers = None
        if inspection is not None:
            numbers = f"{own}-numbers.json"
            files[numbers] = encode_numbers(_numbers(inspection, reference), numbers)
        write_exhibits(self.folder, files)
        self._drawn.add(workload.name)
        return Exhibits(tuple(shown), None if numbers is None else self._named(numbers))

    def _named(self, name: str) -> str:
        return f"{self.folder.name}/{name}"


def map_png(values: NDArray[np.floating[Any]], span: float) -> bytes:
    """A map as a picture of its own size: black where `values` (height, width) are 0, bright at `span`."""
    from matplotlib import colormaps
    from PIL import Image

    steps = np.clip(np.rint(np.asarray(values, dtype=np.float64) / span * (COLOURS - 1)), 0, COLOURS - 1)
    image = Image.fromarray(steps.astype(np.uint8))
    shades = colormaps["magma"](np.linspace(0.0, 1.0, COLOURS))[:, :3]
    image.putpalette(np.rint(255.0 * shades).astype(np.uint8).tobytes())
    stream = BytesIO()
    image.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _plain(name: str) -> str:
    """A name that any file system takes."""
    return re.sub(r"[^\w.@+-]", "_", name)


def _numbers(inspection: Inspection, reference: Reference) -> Numbers:
    curves = []
    for i, prompt in enumerate(reference.workload.prompts):
        drift = inspection.drift(reference, i)
        if drift is not None:
            curves.append(_curve(prompt, drift))
    errors = {look: tuple(found) for look, found in inspection.deviations(reference).items()}
    for look in ("modules", COMPILED):
        errors[look] = _nearest(errors.get(look, ()))
    return Numbers(tuple(curves), {look: found for look, found in errors.items() if found})


def _curve(prompt: str, drift: Drift) -> DriftCurve:
    def finite(values: tuple[float, ...]) -> tuple[float | None, ...]:
        return tuple(float(v) if math.isfinite(v) else None for v in values)

    return DriftCurve(
        prompt, drift.steps, finite(drift.variant), finite(drift.same_precision), finite(drift.budget)
    )


def _nearest(found: tuple[Deviation, ...]) -> tuple[Deviation, ...]:
    kept = sorted(found, key=lambda d: d.ratio, reverse=True)[:MOST_PLACES]
    ids = {id(deviation) for deviation in kept}
    return tuple(deviation for deviation in found if id(deviation) in ids)
