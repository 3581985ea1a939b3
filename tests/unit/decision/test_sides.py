"""Which side moved: the variant, its reference, everything alike, or a baseline that was never right."""

from dataclasses import replace
from typing import Any

import pytest
from sessions import make_session

from baselines import WOBBLE, Fresh, entry, session
from perfsuite.decision.basis import judge, judge_sessions
from perfsuite.decision.confirmation import Confirmation
from perfsuite.records import Cause, Entry, Relative, Session, Status, Verdict

RIPPLE = (1.0, 1.01, 0.995, 1.004, 0.99, 1.006, 0.998, 1.002)
"""Of the pairs of one session."""


def turns(
    variant: float, reference: float = 1.0, machine: float = 1.0, wobble: float = 1.0, **changes: Any
) -> Session:
    """A session of a variant in turns with its reference and with fixed work; `machine` slows all three."""
    ratio, reference_s = variant * wobble / reference, reference * machine
    relative = Relative(
        "fp32",
        tuple(ratio * r for r in RIPPLE),
        reference_s=tuple(reference_s * r for r in reversed(RIPPLE)),
        fixed_work_s=tuple(0.01 * machine * r for r in RIPPLE),
    )
    return make_session(
        **{"latency_s": tuple(variant * machine * r for r in RIPPLE), "relative": relative, **changes}
    )


def turned(variant: float = 0.4, reference: float = 1.0, count: int = 3, **changes: Any) -> Entry:
    stored = [turns(variant, reference, wobble=w, **changes) for w in (WOBBLE * 5)[:count]]
    return Entry("shapes", "bf16", "p", tuple(stored))


def settled(stored: Entry, *, count: int = 4, **code: Any) -> Verdict:
    """What a run comes to: a first session, and fresh ones where they are wanted."""
    first = turns(**code)
    verdict, basis = judge(stored, first, "cpu")
    by = Confirmation(count)
    if not by.wanted(stored, first, verdict, basis):
        return verdict
    fresh = Fresh(*(turns(wobble=w, **code) for w in WOBBLE[:count]))
    return by.run(stored, first, verdict, "cpu", fresh, fresh.lines.append)


def test_a_variant_that_slowed_down_is_regressed() -> None:
    verdict = settled(turned(), variant=0.4 * 1.3)
    assert (verdict.status, verdict.basis) == (Status.REGRESSED, "relative to fp32")
    assert verdict.ratio == pytest.approx(1.3, abs=0.02)


def test_unchanged_code_is_ok_with_three_stored_sessions() -> None:
    assert settled(turned(), variant=0.4).status is Status.OK


def test_a_slower_machine_moves_nothing() -> None:
    assert settled(turned(), variant=0.4, machine=1.6).status is Status.OK


@pytest.mark.parametrize("stored", [turned(), turned(reference=1.0)])
def test_a_faster_reference_is_no_regression_of_the_variant(stored: Entry) -> None:
    """float32 got 20 % faster, the variant is what it was."""
    verdict = settled(stored, variant=0.4, reference=0.8)
    assert verdict.status in (Status.OK, Status.INCONCLUSIVE)
    assert Cause.REFERENCE_MOVED in verdict.causes
    assert "record the baselines anew" in verdict.detail


def test_a_reference_that_was_slow_when_it_was_recorded_is_no_regression() -> None:
    """Every stored session was measured beside a float32 that something slowed."""
    verdict = settled(turned(reference=1.3, count=5), variant=0.4)
    assert verdict.status is not Status.REGRESSED
    assert Cause.REFERENCE_MOVED in verdict.causes


def test_what_slows_all_of_torch_alike_is_found_in_units_of_fixed_work() -> None:
    """Hashing stood still, so it is not the machine."""
    verdict = settled(turned(count=5), variant=0.4 * 1.6, reference=1.6)
    assert (verdict.status, verdict.basis) == (Status.REGRESSED, "relative to fixed work")
    assert Cause.EVERYTHING_SLOWER in verdict.causes


# The ratios of a session that was recorded beside another process, true value about 1.
DISTURBED = (1.234, 0.901, 0.997, 0.991, 0.694, 0.695, 0.484, 1.142, 0.954, 0.906, 0.950, 1.765)


def test_a_baseline_of_one_disturbed_session_alarms_for_nothing() -> None:
    """By a low quantile its noise was a baseline too good to be met."""
    stored = replace(session(1.0), relative=Relative("fp32", DISTURBED))
    fresh = Fresh(*(session(1.0, w) for w in WOBBLE[:4]))
    entry = Entry("shapes", "bf16", "p", (stored,))
    verdict, basis = judge(entry, session(1.0, 1.0), "cpu")
    assert verdict.status is Status.INCONCLUSIVE
    by = Confirmation(4)
    if by.wanted(entry, session(1.0, 1.0), verdict, basis):
        verdict = by.run(entry, session(1.0, 1.0), verdict, "cpu", fresh, fresh.lines.append)
    assert verdict.status is Status.INCONCLUSIVE
    assert Cause.NOISY_MACHINE in verdict.causes


def test_sessions_in_two_modes_and_new_ones_in_one_of_them() -> None:
    """12 % apart: which mode comes up says nothing about the code."""
    ratios = (0.4, 0.402, 0.399, 0.449, 0.447, 0.451)
    stored = Entry("shapes", "bf16", "p", tuple(session(r / 0.4, r) for r in ratios))
    for mode in (0.4, 0.45):
        verdict, _ = judge_sessions(
            stored, [session(mode / 0.4 * w, mode * w) for w in WOBBLE[:4]], "cpu", 0.0025
        )
        assert verdict.status not in (Status.REGRESSED, Status.IMPROVED)
        assert Cause.MULTIMODAL in verdict.causes


# -- sessions without weight -------------------------------------------------------------------------


def test_an_unfit_stored_session_has_no_weight() -> None:
    """However fast it claims to have been."""
    odd = session(0.1, 0.04, unfit="other processes kept 1.0 of 2 cores busy")
    with_odd, _ = judge(Entry("shapes", "bf16", "p", (*entry(0.4).sessions, odd)), session(1.0, 0.4), "cpu")
    without, _ = judge(entry(0.4), session(1.0, 0.4), "cpu")
    assert with_odd == without


def test_where_every_stored_session_is_unfit_nothing_is_judged() -> None:
    verdict, _ = judge(entry(0.4, unfit="not steady"), session(9.0, 3.6), "cpu")
    assert (verdict.status, verdict.causes) == (Status.INCONCLUSIVE, (Cause.UNFIT_SESSION,))
    assert verdict.detail.endswith("no stored session has a weight: not steady; record again with "
                                   "--perf-update=new")  # fmt: skip


def test_an_unfit_session_is_measured_again_and_does_not_judge() -> None:
    bad = session(9.0, 3.6, unfit="throttled")
    verdict, basis = judge(entry(0.4), bad, "cpu")
    assert (verdict.status, verdict.causes) == (Status.INCONCLUSIVE, (Cause.UNFIT_SESSION,))
    by = Confirmation(4)
    assert by.wanted(entry(0.4), bad, verdict, basis)
    fresh = Fresh(*(session(w, 0.4 * w) for w in WOBBLE[:4]))
    assert by.run(entry(0.4), bad, verdict, "cpu", fresh, fresh.lines.append).status is Status.OK


# -- drift -------------------------------------------------------------------------------------------


def test_small_steps_are_found_against_the_first_sessions() -> None:
    """1 % slower a night, each night's session stored: against the recent ones none is an alarm."""
    stored = turned(count=5)
    found: list[Verdict] = []
    for night in range(1, 41):
        code = {"variant": 0.4 * 1.01**night}
        verdict = settled(stored, **code)
        found.append(verdict)
        if verdict.status is Status.REGRESSED:
            break
        sessions = (*stored.sessions, turns(wobble=WOBBLE[night % 5], **code))
        stored = replace(stored, sessions=(*sessions[:5], *sessions[5:][-15:]))
    assert found[-1].status is Status.REGRESSED
    assert Cause.DRIFT in found[-1].causes
    assert len(found) < 15
    assert "against the sessions recorded first" in found[-1].detail
