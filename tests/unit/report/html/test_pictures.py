"""Only whole PNG pictures come into a page, and no more than it can carry."""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from sample_runs import exhibits, picture, png, quality, result, write_run

from perfsuite.records import PictureStatus
from perfsuite.report.html import gather
from perfsuite.report.html.pictures import MOST_SHOWN_PX, Album, NoPictureError, read_png


def encoded(kind):
    stream = BytesIO()
    Image.fromarray(picture(0, 32)).save(stream, kind)
    return stream.getvalue()


def test_a_small_picture_goes_in_as_it_is():
    data = png(picture(0, 40))
    found = read_png(data)
    assert base64.b64decode(found.data) == data
    assert found.size == found.whole == (40, 40)


def test_a_large_one_is_scaled_down():
    """To the longer side, in colour, and said."""
    found = read_png(png(np.tile(picture(0, 600), (1, 2, 1))))
    assert found.whole == (1200, 600)
    assert found.size == (MOST_SHOWN_PX, MOST_SHOWN_PX // 2)
    with Image.open(BytesIO(base64.b64decode(found.data))) as image:
        assert (image.format, image.size) == ("PNG", found.size)


def huge():
    """A header of 100000x100000 pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "data",
    [b"", b"\x89PNG\r\n\x1a\n", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
     encoded("JPEG"), encoded("GIF"), encoded("WEBP"), png(picture(0, 40))[:-20], png(picture(0, 40))[:400],
     png(picture(0, 40)).replace(b"IDAT", b"IDAU", 1), huge()],
    ids=["empty", "signature", "svg", "jpeg", "gif", "webp", "cut", "cut-early", "changed", "huge"],
)  # fmt: skip
def test_anything_else_is_refused(data):
    """Also what only begins as a PNG, and a picture that would fill the memory."""
    with pytest.raises(NoPictureError):
        read_png(data)


@pytest.fixture
def album(tmp_path):
    """The album of three variants, of which the last fails, with room for so many characters."""
    path = tmp_path / "run.jsonl"
    results = [replace(result(f"v{i}"), exhibits=exhibits(path, f"v{i}", seed=i, side=64)) for i in range(3)]
    results[2] = replace(results[2], quality=quality(PictureStatus.DEGRADED))
    sources = gather([write_run(path, results)], tmp_path / "baselines")
    return results, lambda most: Album(sources, most)


def test_with_room_every_picture_is_there(album):
    results, make = album
    found = make(10**9)
    for one in results:
        for prompt in range(4):
            assert set(found.shown(0, one, prompt).images) == {"float32", "variant", "ssim_map", "flip_map"}
    assert len(found.images) == 4 + 3 * 4 * 3 - _equal_maps(found, results)


def _equal_maps(found, results):
    """The samples' maps repeat."""
    shown = [
        found.shown(0, r, p).images[k]
        for r in results
        for p in range(4)
        for k in ("variant", "ssim_map", "flip_map")
    ]
    return len(shown) - len(set(shown))


def test_with_little_room_failures_and_the_worst_prompts_come_first(album):
    """The rest is said to be in its files; the room is not exceeded."""
    results, make = album
    whole = make(10**9)
    one = sum(len(d) for d in whole.images.values()) // 12
    found = make(int(4.9 * one))
    assert sum(len(data) for data in found.images.values()) <= 4.9 * one
    assert found.shown(0, results[2], 0).images
    shown = [bool(found.shown(0, r, p).images) for r in results for p in range(4)]
    assert any(shown)
    assert not all(shown)
    assert sum(shown[8:]) >= sum(shown[:4])
    left_out = next(
        found.shown(0, r, p) for r in results for p in range(4) if not found.shown(0, r, p).images
    )
    assert "not in this page, to keep it small" in left_out.notes[0]


def test_a_variant_without_pictures_has_none(album):
    _, make = album
    assert make(10**9).shown(0, result("other"), 0) is None
