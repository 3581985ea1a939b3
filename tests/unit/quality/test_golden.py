"""Golden pictures: stored without loss, compared as stored, never a broken one, never a bare traceback."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from perfsuite.pipelines import workloads
from perfsuite.quality.golden import GoldenError, compare_golden, golden_path, write_golden
from perfsuite.quality.metrics import WrongPictureError
from perfsuite.quality.reference import Reference
from perfsuite.records import PictureStatus

Picture = NDArray[np.float32]


def reference_of(*pictures: Picture) -> Reference:
    prompts = tuple(f"prompt {i}" for i in range(len(pictures)))
    return Reference(replace(workloads.SHAPES, prompts=prompts), pictures)


def statuses(folder: Path, *pictures: Picture) -> list[PictureStatus]:
    return [found.status for found in compare_golden(folder, reference_of(*pictures)).scores]


def test_stored_picture_equals_itself(tmp_path: Path, picture: Picture) -> None:
    """Between 8-bit levels too: the run's picture is rounded as the stored one was."""
    between = (picture + 0.3 / 255.0).clip(0, 1).astype(np.float32)
    folder = tmp_path / "reference" / "shapes"
    written = write_golden(folder, reference_of(picture, between))
    found = compare_golden(folder, reference_of(picture, between))
    assert written == [golden_path(folder, 0), golden_path(folder, 1)]
    assert sorted(folder.iterdir()) == written
    assert [(s.status, s.ssim) for s in found.scores] == [(PictureStatus.OK, 1.0)] * 2


def test_missing_picture_is_new(tmp_path: Path, picture: Picture) -> None:
    """A workload with nothing stored is NEW, and one with a further prompt is NEW as a whole."""
    assert statuses(tmp_path, picture) == [PictureStatus.NEW]
    write_golden(tmp_path, reference_of(picture))
    assert statuses(tmp_path, picture, picture) == [PictureStatus.OK, PictureStatus.NEW]
    found = compare_golden(tmp_path, reference_of(picture, picture))
    assert found.status is PictureStatus.NEW
    assert str(golden_path(tmp_path, 1)) in found.scores[1].detail


def test_float32_that_moved_is_degraded(tmp_path: Path, picture: Picture) -> None:
    """One picture has moved and is named; the other has not."""
    moved = picture.copy()
    moved[8:16, 8:16] = moved[8:16, 8:16][::-1]
    write_golden(tmp_path, reference_of(picture, picture))
    assert statuses(tmp_path, moved, picture) == [PictureStatus.DEGRADED, PictureStatus.OK]


def test_recording_again_accepts_the_change(tmp_path: Path, picture: Picture) -> None:
    """The old picture is replaced, and no half-written file is left."""
    write_golden(tmp_path, reference_of(picture))
    write_golden(tmp_path, reference_of(picture[::-1]))
    assert statuses(tmp_path, picture[::-1]) == [PictureStatus.OK]
    assert list(tmp_path.iterdir()) == [golden_path(tmp_path, 0)]


def test_other_size_is_refused(tmp_path: Path, picture: Picture) -> None:
    """The message has both sizes as width by height."""
    write_golden(tmp_path, reference_of(picture))
    with pytest.raises(WrongPictureError, match="40x32 pixels, this run drew 32x40; record it again"):
        compare_golden(tmp_path, reference_of(picture.transpose(1, 0, 2)))


@pytest.mark.parametrize("value", [np.nan, 0.5, 1.0])
def test_broken_picture_is_not_stored(tmp_path: Path, picture: Picture, value: float) -> None:
    """A NaN would become a black picture: nothing is written, not even the pictures that are fine."""
    with pytest.raises(GoldenError, match=r"^'prompt 1': no golden picture is stored: "):
        write_golden(tmp_path / "new", reference_of(picture, np.full_like(picture, value)))
    assert not (tmp_path / "new").exists()


def flip(position: int) -> Callable[[bytes], bytes]:
    return lambda raw: raw[:position] + bytes([raw[position] ^ 0x99]) + raw[position + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda raw: b"", lambda raw: raw[: len(raw) // 2], lambda raw: b"version https://git-lfs\n",
     lambda raw: raw[:11] + bytes([4]) + raw[12:], *(flip(i) for i in (0, 11, 14, 18, 30, 36, 39, 41))],
    ids=["empty", "cut", "pointer", "short-header", "signature", "long-header", "header-name", "width",
         "checksum", "data-length", "data-name", "data"],
)  # fmt: skip
def test_damaged_file_is_named(tmp_path: Path, picture: Picture, damage: Callable[[bytes], bytes]) -> None:
    """Whatever is wrong with the file: its name, and the command that restores it."""
    (path,) = write_golden(tmp_path, reference_of(picture))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(GoldenError, match="not a readable PNG") as caught:
        compare_golden(tmp_path, reference_of(picture))
    assert str(caught.value).endswith(f"restore it with: git checkout -- {path}")
