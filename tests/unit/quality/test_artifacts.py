"""Pictures to look at: whole files or none, readable whatever the prompt holds, nothing stale."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from perfsuite.quality.artifacts import KINDS, Drift, write_artifacts
from perfsuite.quality.metrics import WrongPictureError, flip_map, ssim_map
from perfsuite.store import StoreError

Picture = NDArray[np.float32]
DRIFT = Drift((1, 2, 3), (0.001, 0.1 + 0.2, 1 / 3), (0.001, 0.002, 0.003), (0.002, 0.004, 0.006))


@pytest.fixture
def other(picture: Picture) -> Picture:
    """The picture with one corner upside down."""
    changed = picture.copy()
    changed[:12, 20:] = changed[:12, 20:][::-1]
    return changed


@pytest.fixture
def spoilt(picture: Picture) -> Picture:
    """A broken picture: it has no maps, so that tests of the rest draw less."""
    changed = picture.copy()
    changed[3, 4, 1], changed[5, 6, 2] = np.nan, np.inf
    return changed


def load(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def strict_json(path: Path) -> Any:
    """JSON as other languages read it, where NaN is an error."""
    return json.loads(path.read_text(), parse_constant=pytest.fail)


def assert_nothing_is_cut_off(shown: NDArray[np.uint8]) -> None:
    """What reached over the edge would leave ink on it."""
    for edge in (shown[:2], shown[-2:], shown[:, :2], shown[:, -2:]):
        assert (edge == 255).all()


def test_every_kind_is_written(tmp_path: Path, picture: Picture, other: Picture) -> None:
    """Under the names promised, in their order, and no other file is left."""
    folder = tmp_path / "not" / "yet"
    written = write_artifacts(folder, "shapes-bf16-0", "a red circle", other, picture, DRIFT)
    assert written == [folder / f"shapes-bf16-0-{kind}" for kind in KINDS]
    assert sorted(folder.iterdir()) == sorted(written)
    for path in written:
        if path.suffix == ".png" and path.name not in (
            "shapes-bf16-0-float32.png",
            "shapes-bf16-0-variant.png",
        ):
            assert_nothing_is_cut_off(load(path))


def test_pictures_are_stored_as_they_are(tmp_path: Path, picture: Picture, other: Picture) -> None:
    """Which is which, at their own size, in the nearest of 8-bit levels."""
    float32, variant, *_ = write_artifacts(tmp_path, "n", "p", other + 0.3 / 255, picture.astype(float), None)
    assert np.array_equal(load(float32), np.rint(255.0 * picture))
    assert np.array_equal(load(variant), np.rint(255.0 * other))


def test_maps_show_their_values(tmp_path: Path, picture: Picture, other: Picture) -> None:
    """Pixel by pixel, the brighter the more they differ; the map is the lower left of the figure."""
    paths = write_artifacts(tmp_path, "n", "p", other, picture, None)
    zoom, (height, width) = 13, picture.shape[:2]
    differences: tuple[NDArray[Any], ...] = (1.0 - ssim_map(other, picture), flip_map(other, picture))
    for path, difference in zip(paths[2:], differences, strict=True):
        shown = load(path)[-16 - zoom * height : -16, 16 : 16 + zoom * width].astype(float)
        blocks = shown.mean(axis=-1).reshape(height, zoom, width, zoom)
        # Not the outer dots of a block, which may be the neighbour's.
        dots = blocks[:, 3:-3, :, 3:-3]
        assert np.ptp(dots, axis=(1, 3)).max() == 0.0
        brightness = dots.mean(axis=(1, 3)).ravel()[difference.ravel().argsort()]
        assert np.diff(brightness).min() >= -1.0
        assert np.ptp(brightness) > 100.0


def test_broken_picture_is_shown_without_maps(tmp_path: Path, picture: Picture, spoilt: Picture) -> None:
    """Magenta where the picture has no colour; the maps and the drift of an earlier run do not stay."""
    for kind in KINDS:
        (tmp_path / f"n-{kind}").write_bytes(b"old")
    (tmp_path / "n2-ssim-map.png").write_bytes(b"of another prompt")
    written = write_artifacts(tmp_path, "n", "p", spoilt, picture, None)
    assert [path.name for path in written] == ["n-float32.png", "n-variant.png"]
    assert sorted(tmp_path.iterdir()) == sorted([*written, tmp_path / "n2-ssim-map.png"])
    float32, variant = load(written[0]), load(written[1])
    magenta = (variant == (255, 0, 255)).all(axis=-1)
    assert np.argwhere(magenta).tolist() == [[3, 4], [5, 6]]
    assert np.array_equal(variant[~magenta], float32[~magenta])


def test_broken_reference_has_no_maps_either(tmp_path: Path, picture: Picture) -> None:
    written = write_artifacts(tmp_path, "n", "p", picture, np.full_like(picture, np.nan), DRIFT)
    assert [path.name for path in written] == [
        "n-float32.png", "n-variant.png", "n-drift.png", "n-drift.json",
    ]  # fmt: skip
    assert (load(written[0]) == (255, 0, 255)).all()


def test_drift_of_numpy_numbers(tmp_path: Path, picture: Picture, spoilt: Picture) -> None:
    """As they come out of an array."""
    steps: Any = tuple(np.arange(1, 3))
    errors: Any = tuple(np.array([0.5, 0.25], dtype=np.float32))
    *_, path = write_artifacts(tmp_path, "n", "p", spoilt, picture, Drift(steps, errors))
    assert (strict_json(path)["steps"], strict_json(path)["variant"]) == ([1, 2], [0.5, 0.25])


@pytest.mark.parametrize("drift", [DRIFT, Drift((5,), (0.0,)), Drift((1, 2), (1e-9, 1e9), budget=(1.0, 1.0))])
def test_drift_can_be_read_again(tmp_path: Path, picture: Picture, spoilt: Picture, drift: Drift) -> None:
    """To the last bit, with what it is of."""
    *_, path = write_artifacts(tmp_path, "n", 'a "red"\nbox \u6728', spoilt, picture, drift)
    document = strict_json(path)
    series = {key: tuple(document.pop(key)) for key in asdict(drift)}
    assert Drift(**series) == drift
    assert document["prompt"] == 'a "red"\nbox \u6728'
    assert "relative L2" in document["quantity"]


@pytest.mark.parametrize("errors", [(0.0, 0.0, 0.0), (0.1, np.inf, np.nan), (np.nan, np.nan, np.nan)])
def test_drift_of_zeros_and_nan(tmp_path: Path, picture: Picture, errors: tuple[float, ...]) -> None:
    """A run that broke half way, and float32 itself: still a plot, and JSON without NaN."""
    drift = Drift((1, 2, 3), errors, (), (0.2, 0.2, 0.2))
    plot, data = write_artifacts(tmp_path, "n", "p", np.zeros_like(picture), picture, drift)[2:]
    assert strict_json(data)["variant"] == [e if np.isfinite(e) else None for e in errors]
    shown = load(plot).astype(int)
    assert_nothing_is_cut_off(shown.astype(np.uint8))
    magenta = (shown[:, :, 0] == 255) & (shown[:, :, 1] < 200) & (shown[:, :, 2] == 255)
    assert magenta.any() == (not np.isfinite(errors).all())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Drift((), ()), "without steps"),
        (lambda: Drift((1, 2), ()), "variant: 0 values for 2 steps"),
        (lambda: Drift((1, 2), (0.1, 0.2), (0.1,)), "same_precision: 1 values for 2 steps"),
        (lambda: Drift((1,), (0.1,), (), (0.1, 0.2)), "budget: 2 values for 1 steps"),
    ],
)
def test_drift_of_unequal_lengths_is_refused(make: Callable[[], Drift], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", ["a/b", "a\\b", "../a", "/a", "a\0b", "", ".", "..", ".hidden"])
def test_name_stays_in_the_folder(tmp_path: Path, picture: Picture, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a file name") as caught:
        write_artifacts(tmp_path / "here", name, "p", picture, picture, DRIFT)
    assert repr(name) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_no_pair_of_pictures_is_refused(tmp_path: Path, picture: Picture) -> None:
    with pytest.raises(WrongPictureError):
        write_artifacts(tmp_path / "here", "n", "p", picture[:-1], picture, DRIFT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("after", [0, 2, 3])
def test_a_write_that_fails_leaves_whole_files(
    tmp_path: Path, picture: Picture, spoilt: Picture, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """The disk is full after some files: those are there as a whole, and no part of another."""
    replace = os.replace
    done: list[Path] = []

    def fail_later(source: Path, target: Path) -> None:
        if len(done) == after:
            raise OSError(28, "No space left on device")
        done.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail_later)
    with pytest.raises(StoreError, match="No space left on device"):
        write_artifacts(tmp_path, "n", "p", spoilt, picture, DRIFT)
    assert sorted(tmp_path.iterdir()) == sorted(done)
    for path in done:
        load(path)


@pytest.mark.parametrize(
    "prompt",
    ["for $\\undefined{$", "a\nb\tc\0\udc80\u200b\u6728 \U0001f600 \u05d0 e\u0301", ""],
    ids=["dollars", "letters", "empty"],
)
def test_any_prompt_can_be_drawn(tmp_path: Path, picture: Picture, spoilt: Picture, prompt: str) -> None:
    """Text from outside is no formula, and letters that no font has are no warning."""
    plot = write_artifacts(tmp_path, "n", prompt, spoilt, picture, DRIFT)[2]
    assert_nothing_is_cut_off(load(plot))


def test_a_long_prompt_fits(tmp_path: Path, picture: Picture, other: Picture) -> None:
    """The widest letters, in every figure: wrapped, and cut off after some lines."""
    for path in write_artifacts(tmp_path, "n" * 150, "W" * 2000, other, picture, DRIFT)[2:5]:
        shown = load(path)
        assert_nothing_is_cut_off(shown)
        assert shown.shape[0] < 700


def test_a_users_style_neither_matters_nor_changes(tmp_path: Path, picture: Picture, spoilt: Picture) -> None:
    """Not even LaTeX, which would run a program; and the global settings are as before."""
    import matplotlib

    plain = write_artifacts(tmp_path / "plain", "n", "p $", spoilt, picture, DRIFT)
    with matplotlib.rc_context({"text.usetex": True, "font.size": 30, "savefig.bbox": "tight"}):
        before = dict.copy(matplotlib.rcParams)
        styled = write_artifacts(tmp_path / "styled", "n", "p $", spoilt, picture, DRIFT)
        assert dict.copy(matplotlib.rcParams) == before
    assert [path.read_bytes() for path in styled] == [path.read_bytes() for path in plain]


def test_importing_is_cheap_and_pyplot_stays_out(tmp_path: Path) -> None:
    """In a fresh process: matplotlib comes with the first plot, and pyplot never."""
    program = f"""
import sys
from pathlib import Path
import numpy as np
from perfsuite.quality.artifacts import Drift, write_artifacts
print([name for name in ("matplotlib", "flip_evaluator", "skimage", "torch") if name in sys.modules])
flat = np.zeros((16, 16, 3))
write_artifacts(Path({str(tmp_path)!r}), "n", "p", flat, flat, Drift((1,), (0.1,)))
print([name for name in ("matplotlib", "matplotlib.pyplot") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "[]\n['matplotlib']\n"), done.stderr[-2000:]
