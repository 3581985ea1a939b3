"""Starts judged in seconds and in units of fixed work, one verdict from both."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from perfsuite.decision.amount_verdicts import compare_amounts, judge, judge_amounts
from perfsuite.decision.session_amounts import Amount, comparable, named
from perfsuite.records import Cause, Session, Start, Status, Verdict

RIPPLE = (0.99, 1.0, 1.01)


def session(build_s: float, work_s: tuple[float, float] | None, number: int = 0) -> Session:
    """One whose build is all there is to judge."""
    start = Start(build_s, first=True, fixed_work_s={"build": work_s} if work_s else {})
    return Session(
        id=f"{build_s}-{number}", date="2026-03-04T05:06:07+00:00", latency_s=(1.0,) * 5, peak_memory_bytes=1,
        first_call_s=1.0, compile_s=None, warmup_s=(1.0,), warmup_steady=True, stages=None, versions={},
        conditions={}, wall_s=1.0, start=start,
    )  # fmt: skip


def sessions(build_s: float, work_s: float | None) -> list[Session]:
    return [
        session(build_s * ripple, work_s and (work_s * ripple, work_s / ripple), number)
        for number, ripple in enumerate(RIPPLE)
    ]


def build(of: Session) -> Amount:
    amount = named("build", of)
    assert amount is not None
    return amount


def verdict(stored: Sequence[Session], fresh: Sequence[Session]) -> Verdict:
    return judge_amounts([build(s) for s in stored], [build(s) for s in fresh])


STORED = sessions(20.0, 0.005)
SLOWER_ALIKE, FASTER_ALIKE = 1.3, 0.85


@pytest.mark.parametrize(
    ("fresh", "status", "causes"),
    [
        (sessions(20.0, 0.005), Status.OK, ()),
        (sessions(25.0, 0.005), Status.REGRESSED, ()),
        # The machine is slower, and nothing else.
        (sessions(20.0 * SLOWER_ALIKE, 0.005 * SLOWER_ALIKE), Status.OK, (Cause.EVERYTHING_SLOWER,)),
        # And so is the code, by a quarter: on a slower machine and on a faster one.
        (sessions(25.0 * SLOWER_ALIKE, 0.005 * SLOWER_ALIKE), Status.REGRESSED, ()),
        (sessions(26.5 * FASTER_ALIKE, 0.005 * FASTER_ALIKE), Status.REGRESSED, ()),
        # Another Python hashes faster: all else looks slow, and is not.
        (sessions(20.0, 0.0035), Status.OK, ()),
        (sessions(20.6, 0.0040), Status.INCONCLUSIVE, ()),
        (sessions(16.0, 0.005), Status.OK, ()),
        # A machine on which all takes three times as long is not the one of the baseline.
        (sessions(60.0, 0.015), Status.INCONCLUSIVE, (Cause.EVERYTHING_SLOWER,)),
        # Files that are older than the unit.
        (sessions(20.0, None), Status.OK, ()),
        (sessions(27.0, None), Status.REGRESSED, ()),
    ],
)
def test_one_verdict_from_seconds_and_fixed_work(
    fresh: list[Session], status: Status, causes: tuple[Cause, ...]
) -> None:
    found = verdict(STORED, fresh)
    assert (found.status, found.causes) == (status, causes)
    if build(fresh[0]).in_work is not None and (status is not Status.OK or causes):
        assert "units of fixed work" in found.detail
        assert found.detail.count(" s, 20.0 s in the baseline") == 1


def test_older_files_are_judged_in_seconds() -> None:
    assert verdict(sessions(20.0, None), STORED).status is Status.OK
    assert verdict(sessions(20.0, None), sessions(27.0, 0.005)).status is Status.REGRESSED


def test_a_little_that_nobody_would_act_on_is_none_in_any_unit() -> None:
    """A third longer, a tenth of a second."""
    assert verdict(sessions(0.3, 0.005), sessions(0.4, 0.005)).status is Status.OK


def test_a_fifth_more_is_found_though_the_machine_moves() -> None:
    """Three sessions a side: machines that differ by 12 % (sd) from process to process, and code that spreads
    by 2 % beside them; the same machines with unchanged code raise no alarm."""
    rng = np.random.default_rng(5)
    found = alarms = 0
    for _ in range(100):
        machine = np.exp(0.12 * rng.standard_normal((3, 3)))
        seconds = 20.0 * machine * np.exp(0.02 * rng.standard_normal((3, 3)))
        stored, same, slower = (
            [session(s * by, (0.005 * m,) * 2) for s, m in zip(seconds[side], machine[side], strict=True)]
            for side, by in ((0, 1.0), (1, 1.0), (2, 1.2))
        )
        alarms += verdict(stored, same).status is Status.REGRESSED
        found += verdict(stored, slower).status is Status.REGRESSED
    assert alarms == 0
    assert found >= 70


def test_a_part_during_which_the_machine_changed_is_compared_with_none() -> None:
    """It accuses nobody, and becomes nobody's measure; fresh processes are asked where they may be."""
    changing = session(30.0, (0.005, 0.007))
    assert build(changing).unfit
    of = partial(named, "build")
    assert comparable(of, [changing, *STORED], first=True) == [build(s) for s in STORED]
    left = judge(build(changing), of, STORED, lambda: [])
    assert (left.status, left.causes[-1]) == (Status.INCONCLUSIVE, Cause.NOISY_MACHINE)
    assert "speed changed by 40.0 % meanwhile" in left.detail
    again = judge(build(changing), of, STORED, lambda: sessions(20.0, 0.005))
    assert again.status is Status.OK
    fine = replace(changing, start=replace(changing.start, build_s=20.0)) if changing.start else changing
    assert judge(build(fine), of, sessions(20.0, 0.005) * 2, lambda: []).status is Status.OK


@pytest.mark.parametrize(("build_s", "asked"), [(20.0, False), (21.0, False), (22.6, True), (30.0, True)])
def test_what_one_session_cannot_tell_is_measured_again(build_s: float, asked: bool) -> None:
    """By half the tolerance and more; what is slower for certain anyway."""
    calls: list[int] = []

    def again() -> list[Session]:
        calls.append(1)
        return sessions(24.4, 0.005)

    found = judge(build(session(build_s, (0.005, 0.005))), partial(named, "build"), STORED, again)
    assert bool(calls) is asked
    assert found.status is (Status.REGRESSED if asked else Status.OK)
    calls.clear()
    judge(build(session(22.6, (0.005, 0.005))), partial(named, "build"), STORED[:2], again)
    assert not calls, "more stored sessions are wanted first"


def test_two_files_are_compared_in_units_too() -> None:
    found = compare_amounts(STORED, sessions(20.0 * SLOWER_ALIKE, 0.005 * SLOWER_ALIKE), "cpu")
    statuses = {quantity.name: quantity.verdict.status for quantity in found}
    assert statuses["build"] is Status.OK
    assert statuses["first call"] is Status.OK


def _like(of: Sequence[Session], *, first: bool = True, **changes: object) -> list[Session]:
    assert all(s.start for s in of)
    return [replace(s, start=replace(s.start, first=first), **changes) for s in of if s.start]  # type: ignore


@pytest.mark.parametrize("changes", [{"versions": {"python": "3.14.0"}}, {"environment": {"allocator": "x"}}])
def test_fixed_work_of_another_python_is_no_measure(changes: dict[str, dict[str, str]]) -> None:
    """It hashes slower there, and clears nobody; nor may it be mixed."""
    slower = sessions(27.0, 0.007)
    assert verdict(STORED, slower).status is not Status.REGRESSED
    assert verdict(STORED, _like(slower, **changes)).status is Status.REGRESSED
    mixed = [*_like(slower[:1], **changes), *slower[1:]]
    assert verdict(STORED, mixed).status is Status.REGRESSED


def test_a_later_pipeline_that_is_slower_than_first_ones_is_a_suspect() -> None:
    """Calibration stores sessions of fresh processes alone, and a ladder's rungs but one come later."""
    of, (later,) = partial(named, "build"), _like([session(30.0, None)], first=False)
    stored = sessions(20.0, None)
    found = judge(build(later), of, stored, lambda: sessions(30.0, None))
    assert found.status is Status.REGRESSED
    assert "3 fresh sessions, at first 30.0 s" in found.detail
    found = judge(build(later), of, stored, lambda: [])
    assert found.status is Status.REGRESSED
    assert found.detail.startswith("by sessions that were the first of their process: ")
    assert judge(build(later), of, stored, lambda: sessions(20.0, None)).status is Status.OK
    (usual,) = _like([session(20.0, None)], first=False)
    assert judge(build(usual), of, stored, lambda: pytest.fail("no suspect")).status is Status.NEW
    # What comes first is slower than what is later, so the opposite says nothing.
    later_ones = _like(stored, first=False)
    assert judge(build(session(30.0, None)), of, later_ones, lambda: []).status is Status.NEW


def test_fresh_processes_do_not_clear_what_is_slow_after_other_variants_alone() -> None:
    of, (later,) = partial(named, "build"), _like([session(30.0, None)], first=False)
    stored = [*sessions(20.0, None), *_like(sessions(20.0, None), first=False)]
    found = judge(build(later), of, stored, lambda: sessions(20.0, None))
    assert found.status is Status.INCONCLUSIVE
    assert "only after other variants of the same process: 30.0 s, 20.0 s in the baseline" in found.detail
    assert judge(build(later), of, stored, lambda: sessions(30.0, None)).status is Status.REGRESSED


def test_fresh_processes_without_the_figure_clear_nobody() -> None:
    """What was partly cold is warm there; others disturbed them, or the machine changed."""
    slow, of = build(session(30.0, (0.005, 0.005))), partial(named, "build")
    without = [replace(s, start=None) for s in STORED]
    found = judge(slow, of, STORED, lambda: without)
    assert (found.status, found.causes) == (Status.REGRESSED, ())
    changing = judge(slow, of, STORED, lambda: [session(30.0, (0.005, 0.007))])
    assert (changing.status, changing.causes) == (Status.INCONCLUSIVE, (Cause.NOISY_MACHINE,))
    busy = [replace(s, start=replace(s.start, contended=("build",))) for s in STORED if s.start]
    assert judge(slow, of, STORED, lambda: busy).causes == (Cause.OTHER_PROCESS,)


def test_all_became_slower_only_where_fixed_work_says_so() -> None:
    """By one stored session that knows its unit nobody can tell, which explains nothing."""
    stored = [*sessions(20.0, None), *sessions(20.0, None), session(20.0, (0.005, 0.005))]
    found = verdict(stored, [session(27.0, (0.0058, 0.0058))])
    assert found.status is Status.INCONCLUSIVE
    assert Cause.EVERYTHING_SLOWER not in found.causes
