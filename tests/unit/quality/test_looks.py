"""Pictures that are drawn again after all looks were taken."""

from perfsuite.quality.looks import with_pictures
from perfsuite.records import Look, PictureScore, PictureStatus, Quality

OK, DEGRADED = PictureStatus.OK, PictureStatus.DEGRADED


def score(status: PictureStatus) -> PictureScore:
    return PictureScore("p", status, 0.5, 20.0, 0.9, "why")


def test_the_pictures_verdict_changes_and_the_other_looks_stay() -> None:
    """The whole is as grave as the gravest of them."""
    held = Quality(DEGRADED, (score(OK),), (Look("pictures", OK, 1), Look("loop", DEGRADED, 9, detail="d")))
    found = with_pictures(held, [score(OK), score(OK)])
    assert (found.status, len(found.scores), found.look("pictures").count) == (DEGRADED, 2, 2)
    assert found.look("loop") == held.look("loop")
    fine = Quality(OK, (score(OK),), (Look("pictures", OK, 1), Look("loop", OK, 9)))
    worse = with_pictures(fine, [score(DEGRADED)])
    assert (worse.status, worse.look("pictures").status, worse.look("loop").status) == (
        DEGRADED,
        DEGRADED,
        OK,
    )
    assert worse.look("pictures").detail == "'p': why"
