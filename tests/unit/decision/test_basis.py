"""What is compared: seconds, relative latency, and the control benchmark beside them."""

from dataclasses import replace
from typing import Any

import pytest
from sessions import make_session

from baselines import WOBBLE, control, entry, session
from perfsuite.decision.basis import bases, judge, with_causes
from perfsuite.records import Cause, Entry, Profile, Relative, Session, Status, Verdict

# -- bases -------------------------------------------------------------------------------------------


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


# -- control benchmark -------------------------------------------------------------------------------


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


# -- causes ------------------------------------------------------------------------------------------


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
