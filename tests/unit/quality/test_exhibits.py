"""What is kept for a report: of every prompt, of its own size, named relative to the results file."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from perfsuite.pipelines import variants, workloads
from perfsuite.quality.assessing import Inspection
from perfsuite.quality.exhibits import MOST_PLACES, Keeper, map_png
from perfsuite.quality.loop import FREE
from perfsuite.quality.reference import Reference
from perfsuite.quality.reference_files import Yardstick
from perfsuite.quality.relative_errors import Place
from perfsuite.records import PictureStatus, Quality
from perfsuite.store.exhibits import read_exhibit, read_numbers

Picture = NDArray[np.float32]
BF16 = variants.get("bf16")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "out" / "run.jsonl"


@pytest.fixture
def reference(picture: Picture) -> Reference:
    """Four prompts that are drawn alike."""
    return Reference(workloads.SHAPES, (picture,) * 4)


def drawn(picture: Picture) -> list[Picture]:
    """The second prompt differs in a corner."""
    other = picture.copy()
    other[:8, :8] = 1.0 - other[:8, :8]
    return [picture, other, picture, picture]


def test_pictures_and_maps_of_every_prompt(results: Path, picture: Picture, reference: Reference) -> None:
    """All are there under the names that the record gives, of the picture's size."""
    kept = Keeper(results).keep(BF16, drawn(picture), reference)
    assert [p.prompt for p in kept.pictures] == list(workloads.SHAPES.prompts)
    for files in kept.pictures:
        for name in (files.float32, files.variant, files.ssim_map, files.flip_map):
            assert name is not None
            assert name.startswith("run-exhibits/")
            read_exhibit(results.parent, name)
            with Image.open(results.parent / name) as image:
                assert (image.format, image.size) == ("PNG", (40, 32))
    assert kept.numbers is None
    assert {f.float32 for f in kept.pictures} & {f.variant for f in kept.pictures} == set()


def test_maps_are_dark_where_the_pictures_are_equal(
    results: Path, picture: Picture, reference: Reference
) -> None:
    """And bright where they differ; the span is the least that holds the greatest difference."""
    kept = Keeper(results).keep(BF16, drawn(picture), reference)
    for name in (kept.pictures[1].ssim_map, kept.pictures[1].flip_map):
        with Image.open(results.parent / str(name)) as image:
            shade = np.asarray(image.convert("L")).astype(float)
        assert shade[:4, :4].mean() > 100
        assert shade[24:, 24:].max() < 5
    assert kept.pictures[0].ssim_span == 0.01
    assert (kept.pictures[1].ssim_span or 0) > 0.1


def test_a_map_keeps_its_values() -> None:
    """As one of 64 colours, of which the first is 0 and the last the span or more."""
    from io import BytesIO

    values = np.array([[0.0, 0.5, 1.0, 2.0, np.float64("nan")]])[:, :4]
    with Image.open(BytesIO(map_png(values, 1.0))) as image:
        assert image.mode == "P"
        assert np.asarray(image).tolist() == [[0, 32, 63, 63]]


def test_a_broken_picture_has_no_maps(results: Path, picture: Picture, reference: Reference) -> None:
    """It is shown with its NaN in magenta."""
    spoilt = picture.copy()
    spoilt[3, 4] = np.nan
    kept = Keeper(results).keep(BF16, [spoilt, *drawn(picture)[1:]], reference).pictures[0]
    assert (kept.ssim_map, kept.flip_map, kept.ssim_span, kept.flip_span) == (None,) * 4
    with Image.open(results.parent / kept.variant) as image:
        assert image.getpixel((4, 3)) == (255, 0, 255)


def test_float32_is_written_once(results: Path, picture: Picture, reference: Reference) -> None:
    """All variants of a workload name the same files."""
    keeper = Keeper(results)
    one = keeper.keep(BF16, drawn(picture), reference)
    stamp = (results.parent / one.pictures[0].float32).stat().st_mtime_ns
    other = keeper.keep(variants.get("bf16-sdpa"), drawn(picture), reference)
    assert [f.float32 for f in one.pictures] == [f.float32 for f in other.pictures]
    assert (results.parent / one.pictures[0].float32).stat().st_mtime_ns == stamp
    assert {f.variant for f in one.pictures} & {f.variant for f in other.pictures} == set()


def test_an_earlier_run_is_cleared_away(results: Path, picture: Picture, reference: Reference) -> None:
    """Not what somebody else put there."""
    kept = Keeper(results).keep(BF16, drawn(picture), reference)
    (results.parent / "run-exhibits" / "mine.txt").write_text("keep")
    Keeper(results)
    assert not (results.parent / kept.pictures[0].variant).exists()
    assert [p.name for p in (results.parent / "run-exhibits").iterdir()] == ["mine.txt"]


def test_numbers_hold_drift_and_errors_with_their_budgets(
    results: Path, picture: Picture, reference: Reference
) -> None:
    """Places that are infinite are null; of many modules those nearest to their budget are kept."""
    free = {Place("loop", FREE, 0, step): 0.01 * step for step in range(3)}
    free[Place("loop", FREE, 0, 2)] = float("inf")
    modules = {Place("unet", f"block.{i}", 0, 0): 0.001 * i for i in range(MOST_PLACES + 40)}
    errors = {
        "components": {Place("vae", "", 0): 0.02}, "modules": modules,
        "loop": {Place("loop", "calls", 0): 0.0}, "free": free,
    }  # fmt: skip
    reference.yardsticks["bf16"] = Yardstick(
        {k: dict.fromkeys(v, 0.01) for k, v in errors.items()}, (1.0,) * 4
    )
    found = Inspection(BF16, Quality(PictureStatus.OK, ()), tuple(drawn(picture)), errors)
    kept = Keeper(results).keep(BF16, drawn(picture), reference, found)
    assert kept.numbers is not None
    read = read_numbers(results.parent, kept.numbers)
    (curve,) = read.drift
    assert (curve.steps, curve.variant) == ((0, 1, 2), (0.0, 0.01, None))
    assert curve.budget == pytest.approx((0.03,) * 3)
    (vae,) = read.errors["components"]
    assert (vae.place, vae.error, vae.same_precision) == ("vae, prompt 0", 0.02, 0.01)
    assert vae.budget == pytest.approx(0.0125)
    places = [d.place for d in read.errors["modules"]]
    assert len(places) == MOST_PLACES
    assert places[-1] == f"unet.block.{MOST_PLACES + 39}, step 0, prompt 0"
    json.loads((results.parent / kept.numbers).read_text(), parse_constant=pytest.fail)
