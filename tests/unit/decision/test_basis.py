"""From sessions to a verdict: in seconds or relative, against the control benchmark, and confirmed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sessions import make_session

from perfsuite.decision import basis as judging
from perfsuite.decision.basis import Confirmation, bases, judge, judge_sessions, with_causes
from perfsuite.decision.several import SUITE_ALPHA, Spending
from perfsuite.records import Cause, Entry, Profile, Relative, Session, Status, Verdict
from perfsuite.workers import WorkerError

WOBBLE = (1.0, 1.006, 0.997, 1.003, 0.995)
"""Of stored sessions, which differ by half a percent."""


def session(factor: float = 1.0, relative: float | None = None, **changes: Any) -> Session:
    """One session of eight calls near `factor` seconds, and near `relative` in units of float32."""
    samples = tuple(1 + 0.002 * (i % 3) for i in range(8))
    usual: dict[str, Any] = {
        "latency_s": tuple(factor * s for s in samples),
        "relative": None if relative is None else Relative("fp32", tuple(relative * s for s in samples)),
    }
    return make_session(**{**usual, **changes})


def entry(relative: float | None = None, *, wobble: Sequence[float] = WOBBLE, **changes: Any) -> Entry:
    """A baseline of sessions near one second."""
    stored = [session(w, None if relative is None else relative * w, **changes) for w in wobble]
    return Entry("shapes", "bf16", "p", tuple(stored))


def control(seconds: float) -> dict[str, Any]:
    return {"conditions": {"threads": 2.0, "control_s": seconds}}


# -- bases -----------------------------------------------------------------------------------------


def test_relative_latency_is_chosen_where_it_finds_less() -> None:
    """A CPU's seconds scatter by 12 %, its relative latency by 3.5 %: both are told."""
    verdict, basis = judge(entry(0.4), session(1.25, 0.5), "cpu")
    in_seconds, _ = judge(entry(), session(1.25), "cpu")
    assert (basis.name, basis.reference) == ("relative to fp32", "fp32")
    assert verdict.basis == "relative to fp32"
    assert verdict.status is Status.REGRESSED
    assert in_seconds.status is Status.INCONCLUSIVE
    assert verdict.ratio == pytest.approx(1.25, abs=0.01)
    assert verdict.minimum_detectable_effect is not None
    assert in_seconds.minimum_detectable_effect is not None
    assert verdict.minimum_detectable_effect < in_seconds.minimum_detectable_effect
    assert verdict.detail.startswith("relative to fp32: 25.")
    least = f"{in_seconds.minimum_detectable_effect * 100:.1f} %"
    assert verdict.detail.endswith(
        f"judged by latency relative to fp32, in seconds (INCONCLUSIVE) finds {least} at the least"
    )


def test_what_slows_the_reference_too_is_found_in_seconds() -> None:
    """Relative latency finds smaller slowdowns, but none that both share."""
    stored = entry(0.4, **control(0.05))
    verdict, basis = judge(stored, session(2.0, 0.4, **control(0.05)), "cpu")
    assert (basis.name, verdict.basis) == ("seconds", "seconds")
    assert (verdict.status, verdict.causes) == (Status.REGRESSED, (Cause.EVERYTHING_SLOWER,))
    assert verdict.ratio == pytest.approx(2.0, abs=0.02)
    assert "judged by latency in seconds, relative to fp32 (" in verdict.detail


def test_where_nothing_is_known_to_stand_still_all_slower_alike_is_inconclusive() -> None:
    """It may be the machine."""
    verdict, basis = judge(entry(0.4), session(2.0, 0.4), "cpu")
    assert basis.name == "seconds"
    assert (verdict.status, verdict.causes) == (Status.INCONCLUSIVE, (Cause.EVERYTHING_SLOWER,))
    assert "`perfsuite ab` tells" in verdict.detail


def test_a_machine_that_moved_leaves_the_verdict_to_relative_latency() -> None:
    """The control is as slow as the benchmark: seconds say nothing."""
    verdict, basis = judge(entry(0.4, **control(0.05)), session(2.0, 0.4, **control(0.11)), "cpu")
    assert basis.name == "relative to fp32"
    assert verdict.status is not Status.REGRESSED


def test_the_baselines_latency_stays_in_seconds() -> None:
    """Also where ratios near 0.4 were compared."""
    verdict, _ = judge(entry(0.4), session(1.0, 0.4), "cpu")
    assert verdict.basis == "relative to fp32"
    assert verdict.baseline_s == pytest.approx(1.0, abs=0.01)


def test_seconds_are_chosen_where_they_find_less() -> None:
    """Ratios that scatter by tens of percent are of no use."""
    wild = tuple(session(w, r) for w, r in zip(WOBBLE, (0.4, 0.8, 0.3, 0.6, 0.2), strict=True))
    stored = Entry("shapes", "bf16", "p", wild)
    verdict, basis = judge(stored, session(2.0, 0.4), "cpu")
    assert (basis.name, basis.reference, verdict.basis) == ("seconds", None, "seconds")
    assert verdict.status is Status.REGRESSED
    assert verdict.ratio == pytest.approx(2.0, abs=0.02)
    assert "; judged by latency in seconds, relative to fp32 (INCONCLUSIVE) finds " in verdict.detail


@pytest.mark.parametrize(
    ("stored", "new"), [(entry(), session(1.0, 0.4)), (entry(0.4), session(1.0)), (entry(), session(1.0))]
)
def test_seconds_where_one_side_has_no_relative_latency(stored: Entry, new: Session) -> None:
    verdict, basis = judge(stored, new, "cpu")
    assert (basis.name, verdict.basis) == ("seconds", "seconds")
    assert basis.samples(new) == new.latency_s
    assert "relative" not in verdict.detail


def test_seconds_where_the_reference_is_another() -> None:
    """Ratios to two references cannot be compared."""
    new = replace(session(1.0), relative=Relative("bf16", (0.4,) * 8))
    verdict, basis = judge(entry(0.4), new, "cpu")
    assert (basis.name, verdict.basis) == ("seconds", "seconds")
    assert "relative" not in verdict.detail


def test_bases_hold_what_is_compared() -> None:
    """Each with its samples, and with what is believed of its spread on this kind of device."""
    mixed = Entry("shapes", "bf16", "p", (session(1.0), session(1.1, 0.4)))
    for kind, priors in (("cpu", (0.12, 0.025)), ("cuda", (0.025, 0.015))):
        seconds, relative = bases(mixed, session(1.0, 0.5), kind)
        assert [len(seconds.baseline), len(relative.baseline)] == [2, 1]
        assert relative.baseline[0][0] == pytest.approx(0.4)
        assert relative.samples(session(1.0, 0.5))[0] == pytest.approx(0.5)
        assert (seconds.settings.prior_sd, relative.settings.prior_sd) == priors


# -- control benchmark -----------------------------------------------------------------------------


def test_a_machine_that_got_slower_by_as_much_is_no_regression() -> None:
    """The same sessions are REGRESSED where the control held still, or where there is none."""
    stored = entry(**control(0.05))
    moved, _ = judge(stored, session(1.3, **control(0.065)), "cuda")
    still, _ = judge(stored, session(1.3, **control(0.05)), "cuda")
    without, _ = judge(entry(), session(1.3, **control(0.065)), "cuda")
    assert moved.status is Status.INCONCLUSIVE
    assert moved.causes == (Cause.NOISY_MACHINE,)
    assert moved.detail.endswith(
        "; the control benchmark, fixed work, is 30.0 % slower too: the machine has moved"
    )
    assert moved.ratio == still.ratio
    for verdict in (still, without):
        assert (verdict.status, verdict.causes) == (Status.REGRESSED, ())
        assert "control" not in verdict.detail


def test_a_slowdown_far_beyond_the_control_stays() -> None:
    """A machine 30 % slower does not make a call take three times as long."""
    verdict, _ = judge(entry(**control(0.05)), session(3.0, **control(0.065)), "cuda")
    assert verdict.status is Status.REGRESSED
    assert verdict.causes == (Cause.NOISY_MACHINE,)
    assert verdict.detail.endswith("is 30.0 % slower too, which does not explain it")


def test_a_faster_machine_excuses_nothing() -> None:
    verdict, _ = judge(entry(**control(0.05)), session(1.3, **control(0.03)), "cuda")
    assert (verdict.status, verdict.causes) == (Status.REGRESSED, ())


def test_the_control_does_not_touch_other_verdicts() -> None:
    """An unchanged benchmark on a slower machine is what it was."""
    with_control, _ = judge(entry(**control(0.05)), session(1.0, **control(0.065)), "cuda")
    without, _ = judge(entry(), session(1.0), "cuda")
    assert with_control == without


def test_relative_latency_needs_no_control() -> None:
    """Both sides of a ratio are on the same machine."""
    verdict, _ = judge(entry(0.4, **control(0.05)), session(1.3, 0.6, **control(0.065)), "cpu")
    assert (verdict.basis, verdict.status) == ("relative to fp32", Status.REGRESSED)
    assert Cause.NOISY_MACHINE not in verdict.causes


def test_noise_is_named_once() -> None:
    """By the sessions' own spread and by the control."""
    wide = entry(wobble=(1.0, 1.2, 0.9, 1.1, 0.8), **control(0.05))
    quiet, _ = judge(wide, session(9.0, **control(0.05)), "cuda")
    moved, _ = judge(wide, session(9.0, **control(0.065)), "cuda")
    assert quiet.causes == moved.causes == (Cause.NOISY_MACHINE,)
    assert "control" in moved.detail


# -- confirmation ----------------------------------------------------------------------------------


class Fresh:
    """Fresh processes that measure what they are told, one after the other."""

    def __init__(self, *sessions: Session) -> None:
        self.sessions = list(sessions)
        self.lines: list[str] = []

    def __call__(self) -> Session:
        return self.sessions.pop(0)


def confirmed(
    fresh: Fresh,
    first: Session,
    stored: Entry | None = None,
    *,
    by: Confirmation | None = None,
    kind: str = "cuda",
    count: int = 4,
) -> Verdict:
    """Judge a first session, and then by fresh ones."""
    stored = stored or entry()
    verdict, basis = judge(stored, first, kind)
    by = by or Confirmation(count)
    assert by.wanted(stored, first, verdict, basis)
    return by.run(stored, first, verdict, kind, fresh, fresh.lines.append)


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

    def confirm(*arguments: Any, apart: bool) -> Verdict:
        levels.append(arguments[-1])
        return real(*arguments, apart=apart)

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


# -- which side moved ------------------------------------------------------------------------------

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


# -- sessions without weight -----------------------------------------------------------------------


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


# -- drift -----------------------------------------------------------------------------------------


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


# -- causes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "causes"),
    [
        ({}, ()),
        ({"warmup_steady": False}, (Cause.NOT_STEADY,)),
        ({"latency_s": (1.0, 2.0), "throttled_s": (3.0,)}, ()),
        ({"latency_s": (3.0,), "throttled_s": (3.0,)}, (Cause.THROTTLED,)),
        ({"conditions": {"other_processes_max": 1.0}}, (Cause.OTHER_PROCESS,)),
        ({"conditions": {"other_cores_busy": 0.51}}, (Cause.OTHER_PROCESS,)),
        ({"conditions": {"other_cores_busy": 0.49}}, ()),
        ({"conditions": {"other_cores_busy": 9.0, "sm_clock_mhz_max": 1980.0}}, ()),
        ({"profile": Profile(100, 0.5, 1.0)}, (Cause.HOST_BOUND,)),
        ({"profile": Profile(100, 0.95, 1.0)}, ()),
    ],
)
def test_what_the_session_says_rides_along(changes: dict[str, Any], causes: tuple[Cause, ...]) -> None:
    """After the verdict's own causes, which stay; the status is not touched."""
    verdict = Verdict(Status.REGRESSED, causes=(Cause.SLOW_TAIL,))

    found = with_causes(verdict, make_session(**changes))

    assert found.causes == (Cause.SLOW_TAIL, *causes)
    assert found.status is Status.REGRESSED
