"""Draw the captioned pictures that the small SDXL is trained on.

Each picture is one shape on a coloured, textured background. The drawing is a signed distance
field evaluated at pixel centres, so edges are antialiased without supersampling and a picture is a
pure function of its :class:`Scene` (and, for the texture's phase and the placement's jitter, of a
seeded generator).
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 128
"""Side of a picture in pixels."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (215, 40, 45),
    "green": (45, 155, 70),
    "blue": (45, 85, 210),
    "yellow": (245, 215, 50),
    "orange": (240, 130, 30),
    "purple": (135, 55, 170),
    "white": (240, 240, 240),
    "black": (28, 28, 32),
}
KINDS = ("circle", "square", "triangle", "star", "cross", "ring")
SIZES = {"small": 0.15, "large": 0.23}
"""Radius of the shape as a fraction of the picture's side."""
POSITIONS: dict[str, tuple[float, float]] = {
    "top left": (0.27, 0.27),
    "top": (0.5, 0.27),
    "top right": (0.73, 0.27),
    "left": (0.27, 0.5),
    "center": (0.5, 0.5),
    "right": (0.73, 0.5),
    "bottom left": (0.27, 0.73),
    "bottom": (0.5, 0.73),
    "bottom right": (0.73, 0.73),
}
"""Centre of the shape (x, y) as fractions of the picture's side."""
TEXTURES = ("plain", "striped", "checkered", "dotted")


@dataclass(frozen=True)
class Scene:
    """What a caption says: every field is a key of the tables above."""

    size: str
    colour: str
    kind: str
    position: str
    background: str
    texture: str

    @property
    def caption(self) -> str:
        """The prompt that describes this scene."""
        return (
            f"a {self.size} {self.colour} {self.kind} at the {self.position} "
            f"on a {self.background} {self.texture} background"
        )

    @property
    def held_out(self) -> bool:
        """True for about one caption in ten, chosen by hash: never drawn for training."""
        return hashlib.sha256(self.caption.encode()).digest()[0] < 26


def scenes() -> Iterator[Scene]:
    """Every scene whose shape can be told from its background, in a fixed order."""
    for fields in itertools.product(SIZES, COLOURS, KINDS, POSITIONS, COLOURS, TEXTURES):
        scene = Scene(*fields)
        if scene.colour != scene.background:
            yield scene


def words() -> list[str]:
    """Every word that a caption can contain, sorted."""
    text = " ".join(["a at the on background", *SIZES, *COLOURS, *KINDS, *POSITIONS, *TEXTURES])
    return sorted(set(text.split()))


def _polygon(x: np.ndarray, y: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Signed distance to a closed polygon, negative inside.

    After I. Quilez, "2D distance functions" (sdPolygon).
    """
    inside = np.zeros(x.shape, dtype=bool)
    squared = np.full(x.shape, np.inf)
    for (ax, ay), (bx, by) in zip(points, np.roll(points, 1, axis=0), strict=True):
        ex, ey = bx - ax, by - ay
        wx, wy = x - ax, y - ay
        along = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0.0, 1.0)
        squared = np.minimum(squared, (wx - ex * along) ** 2 + (wy - ey * along) ** 2)
        if ay != by:
            inside ^= ((y >= ay) != (y >= by)) & (x < ax + (y - ay) * ex / ey)
    return np.where(inside, -1.0, 1.0) * np.sqrt(squared)


def _ngon(radii: tuple[float, ...], turn: float) -> np.ndarray:
    angles = turn + np.arange(len(radii)) * 2.0 * np.pi / len(radii)
    return np.stack([np.cos(angles) * radii, np.sin(angles) * radii], axis=1)


def _distance(kind: str, x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    """Signed distance in pixels to the named shape of this radius around the origin."""
    up = -np.pi / 2
    if kind == "circle":
        return np.hypot(x, y) - radius
    if kind == "ring":
        return np.abs(np.hypot(x, y) - 0.75 * radius) - 0.25 * radius
    if kind == "square":
        return np.maximum(np.abs(x), np.abs(y)) - 0.85 * radius
    if kind == "cross":
        arm = 0.32 * radius
        upright = np.maximum(np.abs(x) - arm, np.abs(y) - radius)
        level = np.maximum(np.abs(x) - radius, np.abs(y) - arm)
        return np.minimum(upright, level)
    if kind == "triangle":
        return _polygon(x, y - 0.15 * radius, radius * 1.1 * _ngon((1.0,) * 3, up))
    if kind == "star":
        return _polygon(x, y, radius * 1.15 * _ngon((1.0, 0.42) * 5, up))
    raise ValueError(f"unknown shape {kind!r}; one of {', '.join(KINDS)}")


def _texture(name: str, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness pattern in [-1, 1] with a period of 32 pixels and a random phase."""
    period = 32.0
    px, py = rng.uniform(0.0, period, 2)
    wave_x = np.sin(2.0 * np.pi * (x + px) / period)
    wave_y = np.sin(2.0 * np.pi * (y + py) / period)
    if name == "plain":
        return np.zeros_like(x)
    if name == "striped":
        return np.clip(2.0 * wave_y, -1.0, 1.0)
    if name == "checkered":
        return np.clip(3.0 * wave_x * wave_y, -1.0, 1.0)
    if name == "dotted":
        return np.clip(4.0 * (wave_x + wave_y - 1.0), 0.0, 1.0)
    raise ValueError(f"unknown texture {name!r}; one of {', '.join(TEXTURES)}")


def contrast(background: np.ndarray) -> float:
    """Brightness that a texture adds at most: dark colours are lightened, light ones darkened."""
    return 38.0 if background.mean() < 128.0 else -38.0


def draw(scene: Scene, rng: np.random.Generator, size: int = SIZE) -> np.ndarray:
    """Draw a scene: uint8 array of shape (size, size, 3), RGB.

    `rng` sets the texture's phase, a jitter of the centre (sd 1.5 % of the side) and of the radius
    (up to 6 %).
    """
    axis = np.arange(size) + 0.5
    x, y = np.meshgrid(axis * SIZE / size, axis * SIZE / size)
    background = np.array(COLOURS[scene.background], dtype=np.float64)
    pattern = _texture(scene.texture, x, y, rng)[..., None]
    canvas = background + contrast(background) * (0.5 + 0.5 * pattern if scene.texture != "plain" else 0.0)
    cx, cy = (
        SIZE * (c + float(np.clip(rng.normal(0.0, 0.015), -0.03, 0.03))) for c in POSITIONS[scene.position]
    )
    radius = SIZE * SIZES[scene.size] * float(rng.uniform(0.94, 1.06))
    cover = np.clip(0.5 - _distance(scene.kind, x - cx, y - cy, radius), 0.0, 1.0)[..., None]
    picture = canvas * (1.0 - cover) + np.array(COLOURS[scene.colour]) * cover
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
