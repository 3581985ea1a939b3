"""Properties of a JUnit test case: all that a dashboard needs, nothing invented."""

from collections.abc import Callable
from dataclasses import replace

from perfsuite.records import Cause, PictureScore, PictureStatus, Quality, Result, Status, Verdict
from perfsuite.report import junit

VERDICT = Verdict(
    Status.REGRESSED, ratio=1.23456789, interval=(1.1, 1.3), confidence=0.99,
    minimum_detectable_effect=0.0812345, baseline_s=0.4, baseline_sessions=3,
    causes=(Cause.SLOW_TAIL, Cause.NOISY_MACHINE), detail="why", basis="relative to fp32",
)  # fmt: skip


def test_all_of_a_verdict(make_result: Callable[..., Result]) -> None:
    """Unrounded; interval and causes as lists with a comma."""
    timed = PictureScore("p", PictureStatus.OK, 0.98765, 31.2, 0.9)
    assert dict(junit.of_latency(make_result(verdict=VERDICT, timed=timed))) == {
        "perfsuite.median_s": 0.5,
        "perfsuite.n": 5,
        "perfsuite.verdict": "REGRESSED",
        "perfsuite.ratio": 1.23456789,
        "perfsuite.interval": "1.1,1.3",
        "perfsuite.confidence": 0.99,
        "perfsuite.minimum_detectable_effect": 0.0812345,
        "perfsuite.baseline_s": 0.4,
        "perfsuite.baseline_sessions": 3,
        "perfsuite.basis": "relative to fp32",
        "perfsuite.causes": "SLOW_TAIL,NOISY_MACHINE",
        "perfsuite.detail": "why",
        "perfsuite.timed_picture": "OK",
        "perfsuite.ssim": 0.98765,
    }


def test_what_is_not_known_has_no_property(make_result: Callable[..., Result]) -> None:
    """A NEW verdict has no ratio; a broken picture no SSIM."""
    found = dict(junit.of_latency(make_result(verdict=Verdict(Status.NEW))))
    assert found["perfsuite.verdict"] == "NEW"
    assert not {"perfsuite.ratio", "perfsuite.interval", "perfsuite.ssim"} & found.keys()
    broken = PictureScore("p", PictureStatus.BROKEN, None, None, 0.9)
    assert junit.of_pictures(Quality(PictureStatus.BROKEN, (broken,))) == [("perfsuite.pictures", "BROKEN")]
    fine = replace(broken, status=PictureStatus.OK, ssim=0.5)
    assert dict(junit.of_pictures(Quality(PictureStatus.OK, (fine,))))["perfsuite.ssim"] == 0.5
