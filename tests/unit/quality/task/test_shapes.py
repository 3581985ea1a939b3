"""The task gate on the small model's pictures: a loss beyond the margin fails, and few captions say so."""

import dataclasses

import pytest

from perfsuite.pipelines import variants, workloads
from perfsuite.quality import task
from perfsuite.quality.task.shapes import ShapesReader, margin_of
from perfsuite.records import PictureStatus

DEEP = variants.get("bf16+sdpa+deepcache:3")


def readings(right: int, of: int = 100, *, first: bool = True) -> list[bool]:
    return [True] * right + [False] * (of - right) if first else [False] * (of - right) + [True] * right


@pytest.mark.parametrize(
    ("without", "with_it", "status"),
    [
        (readings(92), readings(91), PictureStatus.OK),
        (readings(92), readings(92), PictureStatus.OK),
        (readings(92), readings(96), PictureStatus.OK),
        (readings(92), readings(5), PictureStatus.DEGRADED),
        (readings(92), readings(70), PictureStatus.DEGRADED),
        (readings(92), readings(84), PictureStatus.INCONCLUSIVE),
        (readings(18, 20), readings(17, 20), PictureStatus.INCONCLUSIVE),
        (readings(18, 20), readings(2, 20), PictureStatus.DEGRADED),
        (readings(0), readings(0), PictureStatus.NOT_JUDGED),
        (readings(49), readings(49), PictureStatus.NOT_JUDGED),
    ],
)
def test_a_loss_is_held_to_the_margin(without, with_it, status):
    """Ten of a hundred for DeepCache; where hardly anything is right nothing can be lost."""
    found = ShapesReader().judge(DEEP, without, with_it)
    assert found.status is status, found.detail


def test_the_message_has_all_that_decides():
    """Both counts, the pairs, the interval, the margin, the exact test, and how many captions would do."""
    found = ShapesReader().judge(DEEP, readings(18, 20), readings(17, 20))
    for part in ("17 of 20", "18 without deepcache:3", "lost 1, gained 0", "allowed 10%", "McNemar p 1"):
        assert part in found.detail
    assert "captions would settle it: --perf-captions" in found.detail
    assert (found.name, found.count, found.beyond) == ("task", 20, 1)


def test_other_pictures_that_are_as_right_are_fine():
    """Lost and gained alike: no loss, whatever the pictures are."""
    found = ShapesReader().judge(DEEP, readings(95), readings(95, first=False))
    assert "lost 5, gained 5" in found.detail
    assert found.status is PictureStatus.OK


@pytest.mark.parametrize(
    ("workload", "said"),
    [
        (
            workloads.SDXL_BASE,
            "nothing here reads what a picture of sdxl-base shows; give a CLIP model",
        ),
        (dataclasses.replace(workloads.SHAPES, batch=2), "draws 2 pictures a call"),
    ],
)
def test_what_nothing_reads_is_not_judged(workload, said):
    """With the reason."""
    assert said in task.unreadable(workload, "auto")


def test_the_small_models_pictures_are_read():
    """Its trained weights; random ones draw nothing."""
    assert task.unreadable(workloads.SHAPES, "auto") is None
    assert task.unreadable(workloads.SHAPES, "random")


def test_the_widest_margin_of_several_holds():
    """Of a variant with two techniques that are not exact."""
    assert margin_of(variants.get("bf16+sdpa+deepcache:3+vae-tiling:64")) == 0.1
