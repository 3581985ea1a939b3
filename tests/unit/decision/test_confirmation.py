"""Fresh processes clear a suspect or confirm it, at levels that keep the whole run's risk."""

from typing import Any

import pytest

from baselines import WOBBLE, Fresh, confirmed, control, entry, session
from perfsuite.decision import basis as judging
from perfsuite.decision.basis import bases, judge
from perfsuite.decision.confirmation import Confirmation
from perfsuite.decision.several import SUITE_ALPHA, Spending
from perfsuite.records import Cause, Session, Status, Verdict
from perfsuite.workers import WorkerError


def test_unchanged_fresh_sessions_clear_a_suspect() -> None:
    """They outweigh the session that was slow; both figures are told."""
    fresh = Fresh(*(session(w) for w in WOBBLE[:4]))
    verdict = confirmed(fresh, session(1.3))
    assert verdict.status is Status.OK
    assert verdict.ratio == pytest.approx(1.0, abs=0.01)
    assert verdict.candidate_sessions == 5
    assert verdict.detail.startswith("0.")
    assert "; not confirmed by 4 fresh sessions; at first REGRESSED, +30." in verdict.detail
    assert fresh.sessions == []


def test_slow_fresh_sessions_confirm() -> None:
    fresh = Fresh(*(session(1.2 * w) for w in WOBBLE[:4]))
    verdict = confirmed(fresh, session(1.3))
    assert verdict.status is Status.REGRESSED
    assert verdict.ratio == pytest.approx(1.2, abs=0.01)
    assert "; confirmed by 4 fresh sessions; at first REGRESSED, +30." in verdict.detail


def test_progress_shows_the_sequence() -> None:
    """Each process before it starts, then what came of them."""
    fresh = Fresh(*(session(w) for w in WOBBLE[:3]))
    confirmed(fresh, session(1.3), count=3)
    *started, last = fresh.lines
    assert [line.partition(": ")[2] for line in started] == [f"fresh process {i} of 3" for i in (1, 2, 3)]
    assert all(line.startswith("suspect (REGRESSED, +30.") for line in started)
    assert last == "suspect: OK after 3 fresh processes"


@pytest.mark.parametrize(
    ("verdict", "wanted"),
    [
        (Verdict(Status.REGRESSED, p_value=1e-9), True),
        (Verdict(Status.INCONCLUSIVE, p_value=0.1), True),
        (Verdict(Status.INCONCLUSIVE, p_value=0.5), False),
        (Verdict(Status.OK, p_value=0.1), False),
        (Verdict(Status.IMPROVED, p_value=1.0), True),
        (Verdict(Status.NEW), False),
    ],
)
def test_only_suspects_are_measured_again(verdict: Verdict, wanted: bool) -> None:
    """In seconds; and none at all where no fresh process is allowed."""
    stored, new = entry(), session()
    (basis,) = bases(stored, new, "cpu")
    assert Confirmation(1).wanted(stored, new, verdict, basis) is wanted
    assert Confirmation(0).wanted(stored, new, verdict, basis) is False


def test_levels_are_spent_over_the_suspects_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that stays uncertain costs its share of the risk, a confirmed one hands its level on; one that is
    cleared was never at risk."""
    levels: list[float] = []

    def confirm(*arguments: Any, **options: Any) -> Verdict:
        levels.append(arguments[-1])
        return real(*arguments, **options)

    real = judging.judge_samples
    monkeypatch.setattr(judging, "judge_samples", confirm)
    by, spending, expected = Confirmation(4), Spending(SUITE_ALPHA), []
    wild = (0.9, 1.25, 0.95, 1.2)
    for factors, status in (
        (wild, Status.INCONCLUSIVE), (WOBBLE[:4], Status.OK), (wild, Status.INCONCLUSIVE),
        ([1.5 * w for w in WOBBLE[:4]], Status.REGRESSED), (wild, Status.INCONCLUSIVE),
    ):  # fmt: skip
        verdict = confirmed(Fresh(*(session(f) for f in factors)), session(1.5), by=by)
        assert verdict.status is status
        if status is not Status.OK:
            expected.append(spending.level)
            assert verdict.p_value is not None
            spending.spend(verdict.p_value)
    assert levels == pytest.approx(expected)
    assert levels[0] == SUITE_ALPHA / 2
    assert levels[1] == pytest.approx(SUITE_ALPHA / 6)
    assert levels[3] == pytest.approx(SUITE_ALPHA / 20 + levels[2])


def test_a_slowdown_at_the_edge_is_judged_more_strictly_after_others() -> None:
    """What one suspect alone would be REGRESSED for is not, after one that stayed uncertain."""
    edge = [session(f) for f in (1.06, 1.10, 1.04, 1.08)]
    alone = confirmed(Fresh(*edge), session(1.3))
    by = Confirmation(4)
    confirmed(Fresh(*(session(f) for f in (0.9, 1.25, 0.95, 1.2))), session(1.3), by=by)
    later = confirmed(Fresh(*edge), session(1.3), by=by)
    assert alone.p_value == later.p_value
    assert (alone.status, later.status) == (Status.REGRESSED, Status.INCONCLUSIVE)


def test_a_process_that_fails_confirms_nothing() -> None:
    """The error goes up, and no level is spent."""
    by = Confirmation(2)

    def fail() -> Session:
        raise WorkerError("no room")

    verdict, _ = judge(entry(), session(1.3), "cuda")
    with pytest.raises(WorkerError, match="no room"):
        by.run(entry(), session(1.3), verdict, "cuda", fail, lambda line: None)
    assert by._spending.level == SUITE_ALPHA / 2


def test_fresh_sessions_are_judged_by_every_basis() -> None:
    """The first was slower in both."""
    stored, first = entry(0.4), session(1.3, 0.6)
    verdict = confirmed(Fresh(*(session(1.0, 0.4 * w) for w in WOBBLE[:4])), first, stored, kind="cpu")
    assert verdict.status is Status.OK
    assert "relative to fp32" in verdict.detail
    assert "in seconds" in verdict.detail
    assert verdict.baseline_s == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("missing", [1, 4])
def test_without_relative_latency_fresh_sessions_fall_back_to_seconds(missing: int) -> None:
    """One that lacks it is enough: seconds are what all have."""
    stored, first = entry(0.4), session(1.1, 0.6)
    fresh = [session(1.1 * w, None if i < missing else 0.4) for i, w in enumerate(WOBBLE[:4])]
    verdict = confirmed(Fresh(*fresh), first, stored)
    assert verdict.basis == "seconds"
    assert verdict.ratio == pytest.approx(1.1, abs=0.01)
    assert ("relative" in verdict.detail) is (missing == 1)


def test_the_fallback_believes_what_it_should_of_the_device() -> None:
    """With few sessions: on a GPU seconds scatter by 2.5 %, on a CPU by 12 %."""
    stored, first = entry(0.4, wobble=WOBBLE[:1]), session(1.15, 0.8)
    found = {
        kind: confirmed(Fresh(*(session(1.15 * w) for w in WOBBLE[:4])), first, stored, kind=kind).status
        for kind in ("cuda", "cpu")
    }
    assert found == {"cuda": Status.REGRESSED, "cpu": Status.INCONCLUSIVE}


def test_the_control_counts_in_fresh_sessions_too() -> None:
    """Where the machine moved during the run, fresh sessions are slow likewise."""
    stored = entry(**control(0.05))
    fresh = [session(1.3 * w, **control(0.065 * w)) for w in WOBBLE[:4]]
    verdict = confirmed(Fresh(*fresh), session(1.5, **control(0.05)), stored)
    assert verdict.status is Status.INCONCLUSIVE
    assert Cause.NOISY_MACHINE in verdict.causes
    still = [session(1.3 * w, **control(0.05)) for w in WOBBLE[:4]]
    assert confirmed(Fresh(*still), session(1.5), stored).status is Status.REGRESSED


def test_first_session_is_not_among_those_that_judge() -> None:
    """However slow it was."""
    fresh = [session(w) for w in WOBBLE[:4]]
    slow, slower = (confirmed(Fresh(*fresh), session(f)) for f in (1.3, 9.0))
    assert slow.ratio == slower.ratio
    assert slow.p_value == slower.p_value
