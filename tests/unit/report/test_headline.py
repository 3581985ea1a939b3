"""One sentence for a run."""

from __future__ import annotations

import pytest
from sample_runs import quality, result, verdict

from perfsuite.records import PictureStatus, Status
from perfsuite.report.headline import headline

OK = result("fp32")
SLOW = result("bf16", verdict=verdict(Status.REGRESSED, 1.2, candidate_sessions=4))
SLOWER = result("int8", verdict=verdict(Status.REGRESSED, 1.5))
FAST = result("sdpa", verdict=verdict(Status.IMPROVED, 0.8))
UNSURE = result("qkv", verdict=verdict(Status.INCONCLUSIVE, 1.1, minimum_detectable_effect=0.35))
NEW = result("new", verdict=verdict(Status.NEW))
WRONG = result("fp8", quality=quality(PictureStatus.DEGRADED))
NOT_JUDGED = result("random", quality=quality(PictureStatus.NOT_JUDGED))
BUILT = result("built", session=None, verdict=None, quality=None)
DRAWN = result("drawn", session=None, verdict=None)


@pytest.mark.parametrize(
    ("results", "tone", "said"),
    [
        ([], "plain", "This run has no results."),
        ([BUILT], "plain", "Nothing was measured"),
        ([DRAWN], "fine", "Nothing was timed; pictures and numbers are as near"),
        ([OK, SLOW], "bad", "bf16 is slower than its baseline (+20.0 %)."),
        (
            [OK, SLOW, SLOWER],
            "bad",
            "2 of 3 variants are slower than their baselines, int8 the most (+50.0 %).",
        ),
        ([OK, WRONG], "bad", "fp8 draws too far from float32 (pictures, components)."),
        ([SLOW, WRONG, FAST], "bad", "bf16 is slower than its baseline (+20.0 %); fp8 draws too far"),
        ([SLOW], "bad", "bf16 is slower"),
        ([OK, FAST, UNSURE], "good", "1 of 3 variants got faster than the baseline, none slower"),
        (
            [OK, UNSURE],
            "unsure",
            "No slowdown was found, but for 1 of 2 variants it is too noisy or too early",
        ),
        ([OK, OK], "fine", "Nothing moved: all 2 variants within tolerance of the baseline; pictures and"),
        ([OK, NEW], "fine", "Nothing moved: 1 of 2 variants within tolerance of the baseline, 1 are new"),
        ([NEW], "plain", "A first measurement: the one variant without a baseline"),
        ([OK, NOT_JUDGED], "fine", "are as near to float32 as they must be in 1 of 2 variants"),
    ],
)
def test_the_sentence(results, tone, said):
    """What fails goes before what is unsure, that before what is well."""
    found = headline(results)
    assert said in found.verdict
    assert found.tone == tone


def test_how_sure_it_is():
    """The interval of the worst; without one, what would have stayed unseen."""
    assert headline([SLOW]).sure == (
        "95 % interval +17.0 to +23.0 %, against 3 sessions of the baseline, "
        "measured again in 4 fresh processes."
    )
    assert headline([OK, UNSURE]).sure == (
        "Slowdowns below 6.0 to 35.0 % could have stayed unseen, depending on the variant (most: qkv)."
    )
    assert headline([OK]).sure == "A slowdown below 6.0 % could have stayed unseen."
