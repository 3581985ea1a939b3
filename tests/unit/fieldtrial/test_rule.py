"""Memory and start of whole runs, judged as the suite judges them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sessions import make_session

from perfsuite.fieldtrial.rule import RULES, judge_memory, judge_start
from perfsuite.records import Entry, Memory, Session, Start, Status

MIB = 1 << 20


def session(
    *, build_s: float = 2.0, first_call_s: float = 1.0, grows: int = 0, peak: int = 300 * MIB, **changes: Any
) -> Session:
    held = tuple(100 * MIB + grows * call for call in range(12))
    memory = Memory(held, (500 * MIB,) * 12, held[-1], base_bytes=200 * MIB)
    start = Start(build_s, first=True)
    more = {"memory": memory, "start": start, "first_call_s": first_call_s, **changes}
    return replace(make_session(), peak_memory_bytes=200 * MIB + peak, **more)


def baselines(*sessions: Session) -> dict[str, Entry]:
    return {"bf16": Entry("shapes", "bf16", "p", sessions)}


def fresh(*sessions: Session) -> Callable[[str], Session]:
    left = iter(sessions)
    return lambda variant: next(left)


STORED = baselines(*(session(build_s=2.0 + 0.02 * number) for number in range(-4, 5)))


def status(found: Any) -> Status:
    return found["bf16"].status


def test_unchanged_memory_and_start_are_ok() -> None:
    assert status(judge_memory(STORED, {"bf16": session()}, fresh(), "cpu", 4)) is Status.OK
    assert status(judge_start(STORED, {"bf16": session()}, fresh(), "cpu", 4)) is Status.OK


@pytest.mark.parametrize("worse", [{"grows": 100_000}, {"peak": 600 * MIB}])
def test_memory_that_got_worse_is_found(worse: dict[str, int]) -> None:
    again = [session(**worse) for _ in range(3)]
    assert status(judge_memory(STORED, {"bf16": again[0]}, fresh(*again), "cpu", 4)) is Status.REGRESSED


@pytest.mark.parametrize("worse", [{"build_s": 4.0}, {"first_call_s": 3.0}])
def test_a_start_that_got_worse_is_found(worse: dict[str, float]) -> None:
    again = [session(**worse) for _ in range(3)]
    assert status(judge_start(STORED, {"bf16": again[0]}, fresh(*again), "cpu", 4)) is Status.REGRESSED


def test_a_suspect_that_fresh_processes_do_not_confirm_is_none() -> None:
    again = [session() for _ in range(3)]
    assert status(judge_start(STORED, {"bf16": session(build_s=4.0)}, fresh(*again), "cpu", 4)) is Status.OK


def test_the_worst_of_all_figures_counts() -> None:
    """A peak that is as ever does not hide growth, whichever comes first."""
    found = judge_memory(STORED, {"bf16": session(grows=100_000)}, fresh(), "cpu", 0)
    assert "grows by 100.0 kB" in found["bf16"].detail


def test_sessions_that_tell_nothing_have_no_verdict() -> None:
    for rule in (judge_memory, judge_start):
        assert rule(STORED, {"bf16": make_session()}, fresh(), "cpu", 4) == {}


def test_each_gate_of_the_suite_has_its_rule() -> None:
    assert set(RULES) == {"latency", "memory", "start"}
