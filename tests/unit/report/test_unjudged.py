"""What was compared with nothing is told as a failure by every report, from the same records."""

from dataclasses import replace

import pytest
from sessions import make_session

from perfsuite.records import (
    Cause,
    Device,
    PictureScore,
    PictureStatus,
    Quality,
    Result,
    Run,
    Status,
    Verdict,
)
from perfsuite.report import figures, markdown, messages, outcome
from perfsuite.report.headline import headline
from perfsuite.report.html.words import badge

DEVICE = Device("cpu", "Example CPU", "cpu-example-2t", 2, 2**34)
MISSED = (Status.LESS_JUDGED, Status.NOT_JUDGED, Status.INCOMPATIBLE)


def _result(variant: str, status: Status, *causes: Cause) -> Result:
    session = make_session() if status is Status.OK else None
    return Result("shapes", variant, "p", session, Verdict(status, detail="a <reason>", causes=causes))


@pytest.mark.parametrize("status", MISSED)
def test_no_report_calls_it_fine(status: Status) -> None:
    results = [_result("bf16", status), _result("fp32", Status.OK)]
    assert outcome.sentence(results, 2).startswith(f"1 of 2 {status}: bf16; 1 OK")
    assert headline(results).tone == "bad"
    assert headline(results).verdict == f"1 of 2 variants were compared with nothing: {status}."
    assert headline(results[:1]).verdict == f"Nothing was judged: {status}."
    assert badge(status).tone == "bad"
    text = markdown.summary([Run("r", "2026-01-02", DEVICE, tuple(results))])
    assert text.startswith("## perfsuite: 1 of 2 results not judged\n")
    assert f"{status}: <code>a &#60;reason&#62;</code>" in text
    assert figures.gravest_first(results[::-1])[0] is results[0]


def test_a_regression_comes_first_and_hides_nothing() -> None:
    results = [_result("bf16", Status.LESS_JUDGED), _result("fp32", Status.REGRESSED)]
    assert outcome.sentence(results, 2) == "1 of 2 REGRESSED: fp32; 1 LESS_JUDGED: bf16"
    text = markdown.summary([Run("r", "2026-01-02", DEVICE, tuple(results))])
    assert text.startswith("## perfsuite: 1 of 2 results worse, 1 not judged\n")
    assert headline(results).verdict.endswith("1 of 2 variants were compared with nothing: LESS_JUDGED.")


def test_an_interrupted_runs_rest_is_named() -> None:
    """It was chosen, and there is not even a line of it."""
    run = Run("r", "2026-01-02", DEVICE, (_result("fp32", Status.OK),), ("shapes/fp32", "shapes/bf16"))
    assert "**Not judged: <code>shapes/bf16</code>**" in markdown.summary([run])


def test_a_session_that_nobody_judged_is_no_good_news() -> None:
    """The run was cut off while its suspect was measured again."""
    waiting = replace(_result("bf16", Status.OK), session=make_session(), verdict=None)
    run = Run("r", "2026-01-02", DEVICE, (_result("fp32", Status.OK), waiting))
    text = markdown.summary([run])
    assert text.startswith("## perfsuite: 1 of 2 results not judged\n")
    assert "**Measured and not judged: <code>shapes/bf16</code>**" in text
    untimed = replace(run, timed=False)
    assert "not judged" not in markdown.summary([untimed])


def test_a_baseline_of_other_weights_is_never_replaced() -> None:
    """Nobody is told to store what makes a comparison meaningless; beside it others are."""
    foreign = _result("bf16", Status.INCOMPATIBLE, Cause.OTHER_WEIGHTS)
    ((what, command),) = messages.next_commands(
        Status.INCOMPATIBLE, [foreign], ["--perf-weights=random", "--perf-device=cpu"]
    )
    assert what == messages.OWN_WEIGHTS
    assert "reset" not in command
    assert "--perf-weights" not in command
    assert "--perf-device=cpu" in command
    own = _result("fp32", Status.INCOMPATIBLE)
    both = messages.next_commands(Status.INCOMPATIBLE, [own, foreign])
    assert [("--perf-update=reset" in said, "fp32" in said) for _, said in both] == [
        (True, True), (False, False),
    ]  # fmt: skip


@pytest.mark.parametrize("verdict", [None, Verdict(Status.OK)])
def test_pictures_held_to_another_adapters_threshold_are_not_fine(verdict: Verdict | None) -> None:
    """Whatever the latency's verdict is; and they are not called worse."""
    score = PictureScore("p", PictureStatus.INCOMPATIBLE, 0.9, 20.0, None, "another adapter")
    quality = Quality(PictureStatus.INCOMPATIBLE, (score,))
    result = Result("shapes", "bf16-lora", "p", verdict=verdict, quality=quality)
    assert outcome.sentence([result], 1) == "1 of 1 INCOMPATIBLE"
    assert headline([result]).verdict == "Nothing was judged: INCOMPATIBLE."
    assert not figures.worse(result)
    text = markdown.summary([Run("r", "2026-01-02", DEVICE, (result,))])
    assert text.startswith("## perfsuite: 1 of 1 result not judged\n")
    assert "<code>shapes bf16-lora</code>: <code>pictures</code> INCOMPATIBLE**" in text
    assert badge(PictureStatus.INCOMPATIBLE).tone == "bad"
    (first, _) = messages.look_steps(result, "pictures", PictureStatus.INCOMPATIBLE)
    assert "perfsuite calibrate --quality" in first[1]
