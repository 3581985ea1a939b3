"""What torch reserves of a GPU is judged beside what it allocates: kept memory is nobody else's.

No GPU is asked: the sessions are made by hand, with the condition that a session on CUDA writes.
"""

from __future__ import annotations

from functools import partial

import pytest
from sessions import make_session

from perfsuite.decision.amount_verdicts import compare_amounts, judge
from perfsuite.decision.session_amounts import memories, named_memory
from perfsuite.pipelines import workloads
from perfsuite.pipelines.watching.caches import source_of
from perfsuite.records import Compilation, Memory, Session, Start, Status

MIB = 1 << 20
GIB = 1 << 30


def on_gpu(reserved_bytes: float, *, compiled: tuple[int, int] | None = None, first: bool = True) -> Session:
    """A session that allocated 8 GiB at its peak."""
    compilation = None if compiled is None else Compilation(source_of(*compiled, frozenset()), *compiled)
    return make_session(
        peak_memory_bytes=8 * GIB, start=Start(2.0, first=first, weights_bytes=6 * GIB),
        memory=Memory((1, 2), (1, 2), 2, 0), conditions={"reserved_memory_bytes": float(reserved_bytes)},
        compilation=compilation,
    )  # fmt: skip


def statuses(session: Session, *stored: Session) -> dict[str, Status]:
    return {
        amount.name: judge(amount, partial(named_memory, amount.name, "cuda"), stored, lambda: []).status
        for amount in memories(session, "cuda", workloads.get("sdxl-base"))
    }


STORED = [on_gpu(10 * GIB + number * 2 * MIB) for number in range(3)]


@pytest.mark.parametrize(
    ("reserved_bytes", "status"),
    [(10 * GIB, Status.OK), (9 * GIB, Status.OK), (10.1 * GIB, Status.OK), (13 * GIB, Status.REGRESSED)],
)
def test_more_that_is_kept_is_found_though_as_much_is_allocated(
    reserved_bytes: float, status: Status
) -> None:
    found = statuses(on_gpu(reserved_bytes), *STORED)
    assert found == {"peak memory": Status.OK, "reserved memory": status}


def test_a_little_that_nobody_would_act_on_is_none() -> None:
    """A third more, and 100 MiB."""
    small = [on_gpu(300 * MIB) for _ in range(3)]
    assert statuses(on_gpu(400 * MIB), *small)["reserved memory"] is Status.OK


def test_what_a_search_for_kernels_left_is_compared_with_its_like_alone() -> None:
    """A cold start keeps what a warm one never took; so does the first of a process."""
    warm, cold = on_gpu(10 * GIB, compiled=(2, 0)), on_gpu(14 * GIB, compiled=(0, 2))
    assert statuses(cold, *[warm] * 3)["reserved memory, cold"] is Status.NEW
    assert (
        statuses(on_gpu(14 * GIB, compiled=(2, 0)), *[warm] * 3)["reserved memory, warm"] is Status.REGRESSED
    )
    assert statuses(on_gpu(14 * GIB, first=False), *STORED)["reserved memory"] is not Status.OK
    partly = on_gpu(14 * GIB, compiled=(1, 1))
    assert "reserved memory, partly cold, 1 of 2 graphs" in statuses(partly)


def test_without_a_baseline_a_budget_holds() -> None:
    """Twice that of the peak: of 6 GiB of weights and pictures of 12 MiB it is 52 GiB."""
    assert statuses(on_gpu(50 * GIB))["reserved memory"] is Status.NEW
    assert statuses(on_gpu(54 * GIB))["reserved memory"] is Status.REGRESSED


def test_a_cpu_and_older_sessions_say_nothing_of_it() -> None:
    session = make_session(start=Start(2.0), memory=Memory((1, 2), (1, 2), 2, 0), peak_memory_bytes=GIB)
    for kind in ("cpu", "cuda"):
        assert [amount.name for amount in memories(session, kind)] == ["peak memory"]


def test_comparisons_of_sessions_have_it_too() -> None:
    found = {q.name: q.verdict.status for q in compare_amounts(STORED, [on_gpu(13 * GIB)] * 3, "cuda")}
    assert found["reserved memory"] is Status.REGRESSED
