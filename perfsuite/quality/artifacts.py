"""What a person looks at where a picture failed: the pictures, their difference, the drift of the latents."""

from __future__ import annotations

import json
import math
import textwrap
import warnings
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from perfsuite.quality.metrics import WINDOW, broken, check_pair, flip_map, ssim_map
from perfsuite.store.errors import StoreError
from perfsuite.store.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from perfsuite.quality.metrics import Picture

KINDS = ("float32.png", "variant.png", "ssim-map.png", "flip-map.png", "drift.png", "drift.json")
QUANTITY = "relative L2 error of the latents against the float32 run"
NO_NUMBER = (255, 0, 255)
"""Magenta stands for NaN and Inf: hardly a picture has it."""
SPANS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Of the colour scale. Few, so that maps compare; below the least, noise is not blown up."""

_DPI = 100
_LEAST_PX = 512
_MARGIN_PX = 16
_SCALE_PX = 104
"""Room for the colour scale with its numbers and its label."""
_LINE_PX = 18
_LETTER_PX = 8
"""Every letter of this font is as wide, so that lines are known to fit; it comes with matplotlib."""
_FONT: dict[str, Any] = {"family": "DejaVu Sans Mono", "size": 9, "linespacing": 1.25}
_PROMPT_LINES = 4


@dataclass(frozen=True)
class Drift:
    """Relative L2 error of the latents against the float32 run, after each denoising step.

    `variant` is the pipeline under test, `same_precision` the honest eager one of the same precision,
    `budget` what is allowed. The last two may be empty.
    """

    steps: tuple[int, ...]
    variant: tuple[float, ...]
    same_precision: tuple[float, ...] = ()
    budget: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        wanted = len(self.steps)
        if not wanted:
            raise ValueError("a drift without steps")
        for name in ("variant", "same_precision", "budget"):
            found = len(getattr(self, name))
            if found != wanted and (found or name == "variant"):
                raise ValueError(f"{name}: {found} values for {wanted} steps")


def write_artifacts(
    folder: Path, name: str, prompt: str, picture: Picture, reference: Picture, drift: Drift | None
) -> list[Path]:
    """Write ``<name>-<kind>`` for those of `KINDS` that there are, and return the paths.

    There are no maps where a picture is broken, and no drift without `drift`; files of these names
    that an earlier run left are removed. Each file is written aside and renamed.

    Raises:
        ValueError: if `name` is no plain file name.
        WrongPictureError: if the two cannot be compared; then nothing is written.
        StoreError: if a file cannot be written or removed.
    """
    if not name or name.startswith(".") or not set(name).isdisjoint("/\\\0"):
        raise ValueError(f"{name!r} cannot be a file name: empty, hidden, or with a path separator")
    check_pair(picture, reference)
    made = {"float32.png": picture_png(reference), "variant.png": picture_png(picture)}
    with _own_style():
        if broken(picture) is None and broken(reference) is None:
            made["ssim-map.png"] = _plot_ssim(ssim_map(picture, reference), name, prompt)
            made["flip-map.png"] = _plot_flip(flip_map(picture, reference), name, prompt)
        if drift is not None:
            made["drift.png"] = _plot_drift(drift, name, prompt)
            made["drift.json"] = _json(drift, name, prompt)
    paths = {kind: folder / f"{name}-{kind}" for kind in KINDS}
    for kind, path in paths.items():
        if kind in made:
            write_atomic(path, made[kind])
        else:
            remove(path)
    return [paths[kind] for kind in KINDS if kind in made]


def remove(path: Path) -> None:
    """Delete a file that an earlier run left, if it is there; raises `StoreError` if it cannot be."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: an old file that cannot be removed ({error.strerror})") from error


def picture_png(picture: Picture) -> bytes:
    """The picture in 8-bit levels; NaN and Inf are `NO_NUMBER`."""
    from PIL import Image

    number = np.isfinite(picture).all(axis=-1, keepdims=True)
    # Clipped before it is scaled, so that a large value does not overflow.
    levels = np.rint(255.0 * np.clip(np.where(number, picture, 0.0), 0.0, 1.0))
    stream = BytesIO()
    Image.fromarray(np.where(number, levels, NO_NUMBER).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def _json(drift: Drift, name: str, prompt: str) -> bytes:
    """One line a series; null is an error that is NaN or Inf, which JSON does not have."""
    series = {
        key: [int(v) if key == "steps" else float(v) if math.isfinite(v) else None for v in values]
        for key, values in asdict(drift).items()
    }
    document = {"name": name, "prompt": prompt, "quantity": QUANTITY, **series}
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in document.items())
    return f"{{\n{lines}\n}}\n".encode()


def _plot_ssim(values: NDArray[np.float64], name: str, prompt: str) -> bytes:
    whole = slice(WINDOW // 2, -(WINDOW // 2))
    span = span_of(1.0 - values.min())
    return _plot_map(
        values,
        (1.0 - span, 1.0),
        ("magma_r", "SSIM (1: equal; bright: differs)"),
        (f"SSIM {values[whole, whole].mean():.5f}, least of a window {values.min():.5f}", name, prompt),
    )


def _plot_flip(values: NDArray[np.float32], name: str, prompt: str) -> bytes:
    return _plot_map(
        values,
        (0.0, span_of(values.max())),
        ("magma", "FLIP error (0: equal; bright: differs)"),
        (f"FLIP error {values.mean(dtype=np.float64):.5f}, most of a pixel {values.max():.5f}", name, prompt),
    )


def span_of(most: float) -> float:
    """The least of `SPANS` that holds `most`."""
    return next((span for span in SPANS if most <= span), SPANS[-1])


def _plot_map(
    values: NDArray[Any], limits: tuple[float, float], look: tuple[str, str], text: tuple[str, str, str]
) -> bytes:
    """A map and its scale; a pixel has a whole number of dots, so that none is blurred or left out."""
    zoom = max(1, math.ceil(_LEAST_PX / max(values.shape)))
    height, width = (side * zoom for side in values.shape)
    colours, label = look
    sheet = _Sheet.of(max(width, _LEAST_PX) + _SCALE_PX, max(height, _LEAST_PX // 2), text)
    axes = sheet.axes(0, sheet.height - height, width, height)
    axes.set_axis_off()
    shown = axes.imshow(
        values, colours, vmin=limits[0], vmax=limits[1], interpolation="nearest", aspect="auto"
    )
    scale = sheet.axes(width + _MARGIN_PX, 0, 20, sheet.height)
    sheet.figure.colorbar(shown, cax=scale).set_label(label, size=9)
    return sheet.png()


def _plot_drift(drift: Drift, name: str, prompt: str) -> bytes:
    from matplotlib.ticker import MaxNLocator

    sheet = _Sheet.of(720, 400, (_summary(drift), name, prompt))
    axes = sheet.axes(100, 40, 614, 330)
    shown = [
        *_curve(axes, drift.steps, drift.variant, label="this variant", color="#0072B2", marker="o"),
        *_curve(
            axes, drift.steps, drift.same_precision, label="eager, same precision", color="#555555", ls="--"
        ),
        *_curve(axes, drift.steps, drift.budget, label="budget", color="#D55E00", ls=":", lw=2.5),
    ]
    for step, value in zip(drift.steps, drift.variant, strict=True):
        if not math.isfinite(value):
            axes.axvspan(step - 0.5, step + 0.5, color="magenta", alpha=0.3, lw=0)
    # Where every error is 0, as that of float32 itself, a logarithmic axis would be empty.
    if max(shown, default=0.0) > 0.0:
        axes.set_yscale("log")
    else:
        axes.set_ylim(0.0, 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="denoising step", ylabel="relative L2 error of the latents")
    axes.grid(alpha=0.3)
    # Outside, since curves can be anywhere.
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, borderpad=0)
    return sheet.png()


def _curve(axes: Any, steps: tuple[int, ...], values: tuple[float, ...], **look: Any) -> list[float]:
    """Draw what is finite, and return it."""
    if values:
        axes.plot(steps, [v if math.isfinite(v) else math.nan for v in values], **look)
    return [v for v in values if math.isfinite(v)]


def _summary(drift: Drift) -> str:
    """Magenta is explained in words, where it is there."""
    parts = ["Drift from float32"]
    if drift.budget:
        pairs = zip(drift.steps, drift.variant, drift.budget, strict=True)
        above = [step for step, value, most in pairs if not value <= most]
        first = f", first step {above[0]}" if above else ""
        parts.append(f"{len(above)} of {len(drift.steps)} steps above the budget{first}")
    if not all(map(math.isfinite, drift.variant)):
        parts.append("magenta: NaN or Inf")
    return "; ".join(parts)


@contextmanager
def _own_style() -> Iterator[None]:
    """Pictures look the same whatever style, LaTeX perhaps, the user has set, and theirs comes back."""
    from matplotlib import style

    with style.context("default"), warnings.catch_warnings():
        # A prompt may have letters that the font, or matplotlib before 3.11, has not.
        warnings.filterwarnings(
            "ignore", r"Glyph .* missing from|.*does not support .* natively", UserWarning
        )
        yield


@dataclass(frozen=True)
class _Sheet:
    """A figure of `width` by `height` pixels, with text above; pyplot and its backend stay untouched."""

    figure: Any
    width: int
    height: int

    @classmethod
    def of(cls, width: int, height: int, text: tuple[str, str, str]) -> _Sheet:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        lines = _lines(text, width // _LETTER_PX)
        size = (2 * _MARGIN_PX + width, 2 * _MARGIN_PX + height + _LINE_PX * len(lines))
        figure = Figure(figsize=(size[0] / _DPI, size[1] / _DPI), dpi=_DPI)
        FigureCanvasAgg(figure)
        figure.text(
            _MARGIN_PX / size[0],
            1 - _MARGIN_PX / 2 / size[1],
            "\n".join(lines),
            verticalalignment="top",
            parse_math=False,
            **_FONT,
        )
        return cls(figure, width, height)

    def axes(self, left: int, bottom: int, width: int, height: int) -> Any:
        """Axes at these pixels, counted from the lower left corner."""
        whole_width, whole_height = (self.figure.get_size_inches() * _DPI).tolist()
        return self.figure.add_axes(
            (
                (_MARGIN_PX + left) / whole_width,
                (_MARGIN_PX + bottom) / whole_height,
                width / whole_width,
                height / whole_height,
            )
        )

    def png(self) -> bytes:
        stream = BytesIO()
        self.figure.savefig(stream, format="png", dpi=_DPI)
        return stream.getvalue()


def _lines(text: tuple[str, str, str], columns: int) -> list[str]:
    """Title, name and prompt, wrapped; of a long prompt the first lines."""
    title, name, prompt = ("".join(c if c.isprintable() else " " for c in part) for part in text)
    return [
        *textwrap.wrap(title, columns),
        *textwrap.wrap(name, columns),
        *textwrap.wrap(prompt, columns, max_lines=_PROMPT_LINES, placeholder=" …"),
    ]
