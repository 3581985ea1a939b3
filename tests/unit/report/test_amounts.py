"""Memory and start in what people read: where they are worse, and only there."""

from dataclasses import replace

import pytest
import sample_runs

from perfsuite.records import Quantity, Result, Run, Status, Verdict
from perfsuite.report import figures, markdown, terminal
from perfsuite.report.headline import headline
from perfsuite.report.html.overview import badges, failures
from perfsuite.report.outcome import sentence


def _result(status: Status) -> Result:
    fine = Verdict(Status.OK, ratio=1.0, detail="fine")
    grown = Quantity("growth", "bytes a call", 1e5, Verdict(status, detail="it grows by 100 kB a call"))
    session = sample_runs.session("bf16", 0.4)
    return Result("shapes", "bf16", "p", session=session, verdict=fine, memory=(grown,))


def _texts(result: Result) -> dict[str, str]:
    run = Run("r", sample_runs.DATE, sample_runs.DEVICE, (result,))
    return {
        "table": terminal.ladder([result], sample_runs.DEVICE, colour=False, width=160),
        "remarks": "\n".join(terminal.remarks([result])),
        "sentence": sentence([result], 1),
        "markdown": markdown.summary([run]),
        "headline": headline([result]).verdict,
        "badges": " ".join(f"{b.about} {b.word}" for b in badges(result)),
    }


@pytest.mark.parametrize("status", [Status.OK, Status.NEW, Status.INCONCLUSIVE])
def test_what_is_not_worse_is_not_shown(status: Status) -> None:
    assert _texts(_result(status)) == _texts(replace(_result(status), memory=()))
    assert failures([_result(status)], ["a"]) == []


def test_what_is_worse_is_shown_everywhere() -> None:
    found = _texts(_result(Status.REGRESSED))
    assert "OK, growth REGRESSED" in found["table"]
    assert "shapes bf16: growth REGRESSED: it grows by 100 kB a call" in found["remarks"]
    assert found["sentence"] == "1 of 1 REGRESSED"
    assert "1 of 1 result worse" in found["markdown"]
    assert "it grows by 100 kB a call" in found["markdown"]
    assert found["headline"] == "bf16 takes more memory or longer to start (growth)."
    assert "growth REGRESSED" in found["badges"]
    (failure,) = failures([_result(Status.REGRESSED)], ["a"])
    assert failure.badge.about == "growth"


def test_a_run_of_gates_alone_says_what_was_left_behind() -> None:
    """There is no session and no latency, and yet the run fails: nobody should have to guess why."""
    left = replace(_result(Status.REGRESSED), session=None, verdict=None)
    assert not figures.is_blank(left)
    found = _texts(left)
    assert "growth REGRESSED" in found["table"]
    assert found["remarks"] == "shapes bf16: growth REGRESSED: it grows by 100 kB a call"
    assert "it grows by 100 kB a call" in found["markdown"]
    assert found["headline"] == "bf16 takes more memory or longer to start (growth)."
