"""Kept sessions are drawn without putting one on both sides, and judged by the product's own rule."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sessions import make_session

from perfsuite import decision
from perfsuite.fieldtrial.outcomes import REFUSED
from perfsuite.fieldtrial.regimes import REGIMES, TrialError
from perfsuite.fieldtrial.replay import Replay, lengthen, replay
from perfsuite.fieldtrial.sessions import Moment, read_pool
from perfsuite.records import Relative, Stages, Start

VARIANTS = ("fp32-sdpa", "bf16")


def plan(*regimes: str, slower: tuple[int, ...] = (0, 100), **changes: Any) -> Replay:
    return Replay([REGIMES[name] for name in regimes], slower, VARIANTS, **{"draws": 5, **changes})


def test_slowed_code_is_found_and_its_neighbour_is_not(keep: Callable[..., Path]) -> None:
    keep("quiet", 0, 12)
    found = replay(read_pool(keep("quiet", 100, 6)), plan("quiet"))
    outcomes = {(j.work, j.variant, j.outcome) for j in found.judged}
    assert outcomes >= {("+100 %", "bf16", "REGRESSED")}
    assert {o for work, _, o in outcomes if work != "+100 %"} <= {"OK", "INCONCLUSIVE"}
    assert {work for work, *_ in outcomes} == {"unchanged", "beside slowed", "+100 %"}
    assert len(found.judged) == 2 * 5 * 2
    assert found.planted == ()
    assert not found.left_out


def test_what_was_not_measured_is_lengthened_and_said(keep: Callable[..., Path]) -> None:
    found = replay(read_pool(keep("quiet", 0, 8)), plan("quiet", slower=(100,)))
    assert found.planted == ("quiet +100 %",)
    assert {(j.variant, j.outcome) for j in found.judged if j.slowed} == {("bf16", "REGRESSED")}


def test_lengthening_is_of_each_part_of_a_start() -> None:
    longer = lengthen(make_session(start=Start(2.0, 5.0), first_call_s=1.0, compile_s=10.0), 0.2)
    assert longer.start is not None
    assert (longer.start.build_s, longer.start.import_s) == pytest.approx((2.4, 6.0))
    assert (longer.first_call_s, longer.compile_s) == pytest.approx((1.2, 12.0))


def test_lengthening_of_a_call_is_of_its_steps_alone() -> None:
    """Twice the steps of a call that has .9 s of 1 s in them: 1.9 s, and 1.9 times the ratio."""
    stages = Stages(0.02, (0.3,) * 3, 0.06, 0.02)
    longer = lengthen(make_session(stages=stages, relative=Relative("fp32", (0.5,))), 1.0)
    assert longer.latency_s == pytest.approx((1.9,))
    assert longer.relative is not None
    assert longer.relative.ratio == pytest.approx((0.95,))
    assert longer.stages is not None
    assert longer.stages.steps_s == pytest.approx((0.6,) * 3)
    assert longer.stages.vae_s == 0.06
    assert lengthen(make_session(), 0.1).latency_s == pytest.approx((1.1,))


def test_no_session_is_on_both_sides_and_confirmation_has_its_own(keep: Callable[..., Path]) -> None:
    seen: list[set[str]] = []

    def rule(baselines: Any, candidates: Any, fresh: Any, kind: str, confirm: int) -> dict[str, Any]:
        assert (kind, confirm) == ("cpu", 4)
        for variant, session in candidates.items():
            used = [*baselines[variant].sessions, session, *(fresh(variant) for _ in range(confirm))]
            assert len(baselines[variant].sessions) == 3
            assert len({s.latency_s for s in used}) == 8
        seen.append({s.latency_s[0] for s in baselines["bf16"].sessions})
        return {"bf16": decision.new("said")}

    pool = read_pool(keep("quiet", 0, 9))
    found = replay(pool, plan("quiet", slower=(0,), draws=20), rule)
    assert len(seen) == 20
    assert len(set(map(frozenset, seen))) > 5
    assert {(j.variant, j.outcome) for j in found.judged} == {("bf16", "NEW"), ("fp32-sdpa", REFUSED)}


def test_baseline_and_candidate_come_from_their_own_loads(keep: Callable[..., Path]) -> None:
    keep("busy", 0, 3)
    pool = read_pool(keep("quiet", 0, 5))
    busy, quiet = (
        {m.sessions["bf16"].latency_s for m in pool[load, 0]}
        for load in ("busy", "quiet")  # type: ignore[index]
    )

    def rule(baselines: Any, candidates: Any, fresh: Any, kind: str, confirm: int) -> dict[str, Any]:
        assert {s.latency_s for s in baselines["bf16"].sessions} <= busy
        assert candidates["bf16"].latency_s in quiet
        assert fresh("bf16").latency_s in quiet
        return {}

    assert len(replay(pool, plan("busy-record", slower=(0,)), rule).judged) == 10


def test_roles_are_those_of_a_run(keep: Callable[..., Path]) -> None:
    """A run's own process gives the first stored session and the candidate, fresh ones all others."""

    def with_start(moment: Moment, *, first: bool) -> Moment:
        start = Start(1.0, first=first)
        return replace(moment, sessions={v: replace(s, start=start) for v, s in moment.sessions.items()})

    moments = read_pool(keep("quiet", 0, 11))["quiet", 0]
    pool = {("quiet", 0): [with_start(m, first=number > 2) for number, m in enumerate(moments)]}

    def rule(baselines: Any, candidates: Any, fresh: Any, kind: str, confirm: int) -> dict[str, Any]:
        for variant, session in candidates.items():
            stored = baselines[variant].sessions
            again = [fresh(variant) for _ in range(confirm)]
            assert [s.start.first for s in (*stored, session)] == [False, True, True, False]
            assert all(s.start.first for s in again)
            assert len({s.latency_s for s in (*stored, session, *again)}) == 8
        return {}

    assert replay(pool, plan("quiet", slower=(0,), draws=9), rule).judged
    few = {("quiet", 0): [with_start(m, first=number > 0) for number, m in enumerate(moments)]}
    with pytest.raises(TrialError, match=r"found 1 \+ 10 and 1 \+ 10"):
        replay(few, plan("quiet", slower=(0,)), rule)


def test_the_same_seed_draws_the_same(keep: Callable[..., Path]) -> None:
    pool = read_pool(keep("busy", 0, 12))
    same, again, other = (
        replay({("quiet", 0): pool["busy", 0]}, plan("quiet", slower=(0,), draws=8, seed=seed)).judged
        for seed in (1, 1, 2)
    )
    assert same == again
    assert same != other


def test_too_few_sessions_are_left_out_by_name(keep: Callable[..., Path]) -> None:
    keep("burst", 0, 2)
    found = replay(read_pool(keep("quiet", 0, 8)), plan("quiet", "burst-check", slower=(0,)))
    assert found.left_out == {
        "burst-check +0 %": "wanted 3 moments of quiet-0 and 5 others of burst-0, one on either side of a "
        "run's own process, found 8 and 2; measure more, or draw fewer with --sessions and --confirm"
    }
    with pytest.raises(TrialError, match="nothing can be replayed: burst-check"):
        replay(read_pool(keep("quiet", 0, 8)), plan("burst-check", slower=(0,)))


def test_a_moment_without_a_rung_is_not_drawn(keep: Callable[..., Path]) -> None:
    with pytest.raises(TrialError, match="found 0 and 0; measure more"):
        replay(read_pool(keep("quiet", 0, 8, ("bf16",))), plan("quiet", slower=(0,)))


def test_folders_that_say_nothing(tmp_path: Path, keep: Callable[..., Path]) -> None:
    with pytest.raises(TrialError, match=r"no sessions in sessions/\*/\*.jsonl; name a folder"):
        read_pool(tmp_path)
    keep("quiet", 0, 1)
    (tmp_path / "sessions" / "idle-0").mkdir()
    with pytest.raises(TrialError, match=r"idle-0: wanted a load .quiet, burst, busy. and a percentage"):
        read_pool(tmp_path)


def test_drawn_sessions_are_in_order_of_time(keep: Callable[..., Path]) -> None:
    """A rule may look at dates: the baseline is older than the candidate, and that than what is fresh."""

    def rule(baselines: Any, candidates: Any, fresh: Any, kind: str, confirm: int) -> dict[str, Any]:
        stored = [s.date for s in baselines["bf16"].sessions]
        dates = [*stored, candidates["bf16"].date, *(fresh("bf16").date for _ in range(confirm))]
        assert dates == sorted(dates)
        assert len(set(dates)) == len(dates)
        return {}

    pool = read_pool(keep("quiet", 0, 9))
    assert replay(pool, plan("quiet", slower=(0,), draws=9), rule).judged


def test_a_rule_that_measures_too_often_is_told_so(keep: Callable[..., Path]) -> None:
    """It may take more than is usual, as long as there is something left."""
    more = 5

    def rule(baselines: Any, candidates: Any, fresh: Any, kind: str, confirm: int) -> dict[str, Any]:
        for _ in range(more):
            fresh("bf16")
        return {}

    pool = read_pool(keep("quiet", 0, 9))
    assert replay(pool, plan("quiet", slower=(0,)), rule).judged
    more = 6
    with pytest.raises(TrialError, match="bf16: the rule measures more often than there are kept sessions"):
        replay(pool, plan("quiet", slower=(0,)), rule)


def test_sessions_of_two_workloads_are_not_mixed(keep: Callable[..., Path]) -> None:
    pool = read_pool(keep("quiet", 0, 9))
    first, *others = pool["quiet", 0]
    with pytest.raises(TrialError, match="cpu, scenes, p; cpu, shapes, p; keep them in two folders"):
        replay({("quiet", 0): [replace(first, workload="scenes"), *others]}, plan("quiet"))
