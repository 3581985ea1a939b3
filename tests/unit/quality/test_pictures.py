"""One picture is judged by its own threshold, and a workload by its worst picture."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from perfsuite.pipelines import workloads
from perfsuite.quality.metrics import psnr, ssim
from perfsuite.quality.pictures import judge, score, worst
from perfsuite.records import PictureScore, PictureStatus

Picture = NDArray[np.float32]
OK, NEW, DEGRADED, BROKEN = (
    PictureStatus.OK,
    PictureStatus.NEW,
    PictureStatus.DEGRADED,
    PictureStatus.BROKEN,
)


@pytest.fixture
def other(picture: Picture) -> Picture:
    """The picture with noise: SSIM well below 1."""
    noise = np.random.default_rng(1).normal(0.0, 0.05, picture.shape)
    return (picture + noise).clip(0, 1).astype(np.float32)


def test_score_at_and_below_the_threshold(picture: Picture, other: Picture) -> None:
    """The threshold itself still passes; the least bit below is DEGRADED, with the same figures."""
    reached = ssim(other, picture)
    passed = score("p", other, picture, reached)
    failed = score("p", other, picture, np.nextafter(reached, 2.0))
    assert (passed.status, passed.detail) == (OK, "")
    assert failed.status is DEGRADED
    for result in (passed, failed):
        assert (result.prompt, result.ssim, result.psnr_db) == ("p", reached, psnr(other, picture))


def test_degraded_says_by_how_much(picture: Picture, other: Picture) -> None:
    """As multiples of the allowed distance: twice as far as allowed is 2.0 times."""
    reached = ssim(other, picture)
    found = score("p", other, picture, 1.0 - (1.0 - reached) / 2.0)
    assert found.detail.endswith(": 2.0 times the allowed distance from float32")
    assert f"SSIM {reached:.5f} is below" in found.detail


def test_threshold_of_one_allows_no_distance(picture: Picture, other: Picture) -> None:
    """A threshold of exactly 1 fails a picture that differs, without a multiple of nothing."""
    found = score("p", other, picture, 1.0)
    assert found.status is DEGRADED
    assert "is below 1.00000" in found.detail
    assert score("p", picture, picture, 1.0).status is OK


def test_no_threshold_is_new_with_a_score(picture: Picture, other: Picture) -> None:
    """Without a threshold nothing passes silently, and the score is there to be stored."""
    found = score("p", other, picture, None)
    assert (found.status, found.ssim, found.threshold) == (NEW, ssim(other, picture), None)
    assert found.detail == "no threshold is stored"


@pytest.mark.parametrize("threshold", [None, -1.0, 0.99])
def test_broken_comes_before_every_threshold(picture: Picture, threshold: float | None) -> None:
    """NaN has no score: it is BROKEN where nothing is stored, and whatever is allowed."""
    spoilt = picture.copy()
    spoilt[3, 4, 1] = np.nan
    found = score("p", spoilt, picture, threshold)
    assert (found.status, found.ssim, found.psnr_db, found.threshold) == (BROKEN, None, None, threshold)
    assert "NaN" in found.detail


@pytest.mark.parametrize(
    ("statuses", "gravest"),
    [
        ([OK, OK], OK),
        ([NEW, OK], NEW),
        ([OK, DEGRADED, NEW], DEGRADED),
        ([BROKEN, DEGRADED, NEW, OK], BROKEN),
        ([DEGRADED, BROKEN], BROKEN),
    ],
)
def test_worst(statuses: list[PictureStatus], gravest: PictureStatus) -> None:
    """OK, NEW, DEGRADED, BROKEN: in this order, wherever it stands."""
    assert worst([PictureScore("p", status, None, None, None) for status in statuses]) is gravest


def test_judge_pairs_prompts_with_their_own(picture: Picture, other: Picture) -> None:
    """Each prompt has its picture, its reference and its threshold; strange thresholds are ignored."""
    workload = replace(workloads.SHAPES, prompts=("strict", "lenient", "unknown", "equal"))
    found = judge(
        workload,
        [other, other, other, picture],
        [picture, picture, picture, picture],
        {"lenient": 0.1, "strict": 0.9999, "equal": 1.0, "somewhere else": 1.0},
    )
    assert [(s.prompt, s.status) for s in found.scores] == [
        ("strict", DEGRADED),
        ("lenient", OK),
        ("unknown", NEW),
        ("equal", OK),
    ]
    assert found.status is DEGRADED
    assert found.ssim == ssim(other, picture)


def test_judge_wants_a_picture_for_each_prompt(picture: Picture) -> None:
    """A prompt without a picture must not pass unseen."""
    pictures = [picture] * (len(workloads.SHAPES.prompts) - 1)
    with pytest.raises(ValueError, match="shorter"):
        judge(workloads.SHAPES, pictures, pictures, {})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_reference_that_is_no_picture_lets_nothing_pass(picture: Picture, value: float) -> None:
    """SSIM with it is NaN, which is below no threshold."""
    bad = picture.copy()
    bad[0, 0, 0] = value
    for threshold in (0.9, None):
        found = score("p", picture, bad, threshold)
        assert found.status is BROKEN
        assert "what it is compared with is no picture: 1 of " in found.detail
    assert score("p", picture, bad, 0.9, blind="random weights").status is BROKEN
    grey = np.full_like(picture, 0.5)
    assert score("p", picture, grey, 0.9, blind="random weights").status is PictureStatus.NOT_JUDGED
