"""What may be compared, and what moved around it."""

import pytest
from sessions import make_session

from perfsuite.decision.surroundings import alike, apart, moved, named_first
from perfsuite.records import UNJUDGED, Cause, Entry, Status, Verdict

AVX512 = {"instruction_set": "AVX512", "threads": "2", "allocator": "glibc 2.36"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"instruction_set": "AVX2"}, "instruction_set AVX512 -> AVX2"),
        ({"threads": "1"}, "threads 2 -> 1"),
        ({"onednn_max_cpu_isa": "AVX2"}, "onednn_max_cpu_isa not set -> AVX2"),
        ({"cpu_quota": "1.5"}, "cpu_quota not set -> 1.5"),
        ({"allocator": "libjemalloc"}, ""),
    ],
)
def test_apart(changes: dict[str, str], said: str) -> None:
    """Instructions, threads and a share of them; the allocator only explains."""
    assert apart(AVX512, {**AVX512, **changes}) == said


def test_what_was_not_recorded_is_like_all() -> None:
    assert apart({}, AVX512) == apart(AVX512, {}) == ""


def test_alike_keeps_what_may_be_compared() -> None:
    old, same = make_session(id="old"), make_session(id="same", environment=AVX512)
    other = make_session(id="other", environment={**AVX512, "instruction_set": "AVX2"})
    found = alike(Entry("w", "v", "p", (old, same, other)), same)
    assert found is not None
    assert [s.id for s in found.sessions] == ["old", "same"]
    assert alike(Entry("w", "v", "p", (other,)), same) is None


def test_moved_is_what_no_stored_session_had() -> None:
    stored = [make_session(environment={**AVX512, "cores": cores}) for cores in ("0-1", "2-3")]
    now = make_session(environment={**AVX512, "cores": "0-1"}, settings={"env.MALLOC_ARENA_MAX": "1"})
    assert moved(stored, now) == "MALLOC_ARENA_MAX not set -> 1"
    assert moved([make_session()], now) == ""
    empty = make_session(environment={**AVX512, "cores": "0-1"}, settings={"env.OMP_PROC_BIND": ""})
    assert moved(stored, empty) == "OMP_PROC_BIND not set -> empty"


@pytest.mark.parametrize("status", list(Status))
def test_it_is_named_first_where_the_verdict_is_bad(status: Status) -> None:
    stored = [make_session(environment=AVX512)]
    now = make_session(environment={**AVX512, "allocator": "libjemalloc"})
    verdict = Verdict(status, causes=(Cause.NOISY_MACHINE,), detail="5 % slower")
    found = named_first(verdict, stored, now)
    if status in (Status.OK, Status.IMPROVED, Status.NEW, Status.INCOMPATIBLE, *UNJUDGED):
        assert found == verdict
    else:
        assert found.causes == (Cause.ENVIRONMENT, Cause.NOISY_MACHINE)
        assert found.detail.startswith("the environment is not the baseline's (allocator glibc 2.36 -> libj")
        assert named_first(found, stored, now) == found
