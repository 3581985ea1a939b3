"""Pictures into the page: only what really is a PNG, each once, and no more than a page can carry."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

from perfsuite.report.figures import BAD, complaints
from perfsuite.store import StoreError
from perfsuite.store.exhibits import read_exhibit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from perfsuite.records import PictureFiles, Result
    from perfsuite.report.html.gather import Source

MOST_CHARACTERS = 24_000_000
"""Of a page."""
EACH_CHARACTERS = 40_000
"""Set aside for the charts and figures of a variant."""
LEAST_CHARACTERS = 2_000_000
"""For pictures, however many variants there are."""
MOST_SHOWN_PX = 512
"""Longer sides are scaled down: the page is for a look, the files beside the results keep every pixel."""
MOST_PX = 80_000_000
KINDS = ("float32", "variant", "ssim_map", "flip_map")


class NoPictureError(ValueError):
    """Bytes that are no PNG picture, or one that is too large."""


@dataclass
class Shown:
    """The pictures of one prompt as the page has them."""

    images: dict[str, str] = field(default_factory=dict)
    """Id of the image by kind, of those that are there."""
    size: tuple[int, int] | None = None
    """Width and height as shown, of the variant's picture."""
    whole: tuple[int, int] | None = None
    """Its own size."""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Image:
    """One PNG file, checked."""

    data: str
    """Base64."""
    id: str
    """Of equal bytes the same."""
    size: tuple[int, int]
    whole: tuple[int, int]


class Album:
    """All pictures of a page."""

    def __init__(self, sources: Sequence[Source], most_characters: int | None = None) -> None:
        """Read what the results name, failing variants and the worst prompts first, while there is room.

        `most_characters`: of all pictures in base64; by default what a page has room for.
        """
        count = sum(len(source.run.results) for source in sources)
        room = max(LEAST_CHARACTERS, MOST_CHARACTERS - EACH_CHARACTERS * count)
        self._left = room if most_characters is None else most_characters
        self.images: dict[str, str] = {}
        """Base64 by id."""
        self._shown: dict[tuple[int, str, str, int], Shown] = {}
        for number, source, result, prompt in _by_need(sources):
            files = result.exhibits.pictures[prompt] if result.exhibits else None
            assert files is not None
            self._shown[number, result.workload, result.variant, prompt] = self._take(source, files)

    def shown(self, source: int, result: Result, prompt: int) -> Shown | None:
        """The pictures of a prompt, None if the results name none; `source` is its place on the page."""
        return self._shown.get((source, result.workload, result.variant, prompt))

    def _take(self, source: Source, files: PictureFiles) -> Shown:
        shown = Shown()
        found: dict[str, Image] = {}
        for kind in KINDS:
            name = getattr(files, kind)
            if name is None:
                continue
            try:
                found[kind] = read_png(read_exhibit(source.path.parent, name))
            except (StoreError, NoPictureError) as error:
                shown.notes.append(f"{kind.replace('_', ' ')}: {error}")
        fresh = {image.id: image for image in found.values() if image.id not in self.images}
        size = sum(len(image.data) for image in fresh.values())
        if size > self._left:
            shown.notes.append(
                f"not in this page, to keep it small; see {files.float32} and {files.variant} beside "
                f"{source.path.name}"
            )
            return shown
        self._left -= size
        self.images |= {id_: image.data for id_, image in fresh.items()}
        shown.images = {kind: image.id for kind, image in found.items()}
        first = found.get("variant") or found.get("float32")
        if first is not None:
            shown.size, shown.whole = first.size, first.whole
        return shown


def _by_need(sources: Sequence[Source]) -> Iterator[tuple[int, Source, Result, int]]:
    """Every prompt that has pictures: of failing variants first, and of each the least similar first."""
    wanted = []
    for number, source in enumerate(sources):
        for result in source.run.results:
            count = len(result.exhibits.pictures) if result.exhibits else 0
            failing = any(status in BAD for _, status, _ in complaints(result))
            order = sorted(range(count), key=partial(_similarity, result))
            wanted += [(not failing, rank, number, source, result, i) for rank, i in enumerate(order)]
    wanted.sort(key=lambda entry: entry[:2])
    return ((number, source, result, prompt) for _, _, number, source, result, prompt in wanted)


def _similarity(result: Result, prompt: int) -> float:
    scores = result.quality.scores if result.quality else ()
    value = scores[prompt].ssim if prompt < len(scores) else 1.0
    return -1.0 if value is None else value


def read_png(data: bytes) -> Image:
    """The picture that these bytes are, scaled down if it is large.

    Raises:
        NoPictureError: if they are no whole PNG file, or a picture of more than `MOST_PX` pixels.
    """
    from PIL import Image as Pillow

    try:
        with Pillow.open(BytesIO(data), formats=["PNG"]) as image:
            width, height = image.size
            if width * height > MOST_PX:
                raise NoPictureError(f"{width}x{height} pixels are more than a page should hold")
            image.verify()
        scale = MOST_SHOWN_PX / max(width, height)
        size = (width, height)
        if scale < 1.0:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            with Pillow.open(BytesIO(data), formats=["PNG"]) as image:
                small = image.convert("RGB").resize(size, Pillow.Resampling.LANCZOS)
            stream = BytesIO()
            small.save(stream, "PNG", optimize=True)
            data = stream.getvalue()
    except NoPictureError:
        raise
    # What Pillow raises for damage of all kinds; UnidentifiedImageError is an OSError.
    except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
        raise NoPictureError("no whole PNG picture") from error
    return Image(
        b64encode(data).decode("ascii"), hashlib.sha256(data).hexdigest()[:16], size, (width, height)
    )
