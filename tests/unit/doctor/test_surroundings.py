"""Is this the machine of the baseline, and does torch get what it is told to take?"""

import os

import pytest
from examining import CPU, Examine, Only
from sessions import make_session

from perfsuite.device import cores
from perfsuite.device.cores import Pool
from perfsuite.device.environment import environment
from perfsuite.device.state import _ENVIRONMENT
from perfsuite.doctor import surroundings
from perfsuite.records import Device, Health, Result
from perfsuite.store import Baselines


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable is set, and torch is told to take two threads."""
    for name in list(os.environ):
        if name.startswith(_ENVIRONMENT):
            monkeypatch.delenv(name)
    monkeypatch.setattr(surroundings, "available_threads", lambda: 2)


@pytest.mark.parametrize(
    ("seen", "own", "status", "said"),
    [
        (Pool(2, frozenset({0, 1})), {0, 1}, Health.OK, "2 threads on core 0-1"),
        (Pool(2, frozenset({0})), {0}, Health.PROBLEM, "1 at a time instead of 2: GOMP_CPU_AFFINITY=0"),
        (Pool(1, frozenset({0, 1})), {0, 1}, Health.PROBLEM, "1 at a time instead of 2"),
        (Pool(2, frozenset({0, 1})), {0}, Health.WARNING, "each bound to one (GOMP_CPU_AFFINITY=0)"),
        (None, {0, 1}, Health.UNKNOWN, "does not tell threads apart"),
    ],
)
def test_the_pool(
    seen: Pool | None, own: set[int], status: Health, said: str,
    monkeypatch: pytest.MonkeyPatch, examine: Examine, only: Only,
) -> None:  # fmt: skip
    monkeypatch.setenv("GOMP_CPU_AFFINITY", "0")
    monkeypatch.setattr(cores, "pool", lambda threads: seen)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: own, raising=False)
    found = only(surroundings.pool(examine()))
    assert (found.status, said in found.found) == (status, True), found


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("ONEDNN_MAX_CPU_ISA", surroundings.instructions),
        ("MALLOC_ARENA_MAX", surroundings.allocator),
        ("PYTHONMALLOC", surroundings.allocator),
    ],
)
def test_variables_that_change_what_is_measured(
    name: str, check: object, monkeypatch: pytest.MonkeyPatch, examine: Examine, only: Only
) -> None:
    assert callable(check)
    assert only(check(examine())).status is Health.OK
    monkeypatch.setenv(name, "1")
    found = only(check(examine()))
    assert (found.status, f"{name}=1" in found.found) == (Health.WARNING, True)
    assert f"{name}=1" in only(surroundings.variables(examine())).found


def _store(examine: Examine, device: Device, **changes: str) -> None:
    session = make_session(environment={**environment(device, examine().root), **changes})
    result = Result("shapes", "fp32", "p", session=session)
    Baselines(examine().baselines).update(device, [result], "new")


def test_no_baseline_is_of_no_other_machine(examine: Examine) -> None:
    assert list(surroundings.same(examine())) == []


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({}, Health.OK, "as when the newest baseline"),
        ({"allocator": "libjemalloc"}, Health.WARNING, "allocator libjemalloc -> "),
        ({"instruction_set": "NEON"}, Health.PROBLEM, "instruction_set NEON -> "),
    ],
)
def test_what_moved_since_the_baseline(
    changes: dict[str, str], status: Health, said: str, examine: Examine, only: Only
) -> None:
    _store(examine, CPU, **changes)
    examination = examine()
    found = only(surroundings.same(examination))
    assert (found.status, said in found.found) == (status, True), found


def test_the_same_processor_with_fewer_threads(examine: Examine, only: Only) -> None:
    other = Device("cpu", CPU.name, "cpu-example-9t", 9, CPU.memory_bytes)
    _store(examine, other)
    found = only(surroundings.same(examine()))
    assert found.status is Health.PROBLEM
    assert "cpu-example-9t" in found.found
