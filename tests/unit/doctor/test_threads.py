"""Threads against cores, and what a container may use of them."""

import os

import psutil
import pytest
from examining import CPU, Examine, Only

from perfsuite.device import cgroup
from perfsuite.doctor import threads
from perfsuite.records import Device, Health

GROUP2 = {"proc/self/cgroup": "0::/a/b"}
GROUP1 = {"proc/self/cgroup": "4:memory:/m\n1:cpu,cpuacct:/docker/x\n0::/"}


@pytest.fixture(autouse=True)
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four physical cores of two threads each, and no variable set."""
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 8 if logical else 4)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    for name in threads.VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_a_thread_a_core(examine: Examine, only: Only) -> None:
    found = only(threads.threads(examine(files={"sys/devices/system/cpu/smt/active": "1"})))
    assert (found.status, found.figures["smt"], found.figures["threads"]) == (Health.OK, "on", 4)
    assert "4 threads on 4 physical cores" in found.found


@pytest.mark.parametrize("name", threads.VARIABLES)
def test_oversubscribed(name: str, monkeypatch: pytest.MonkeyPatch, examine: Examine, only: Only) -> None:
    monkeypatch.setenv(name, "16")
    found = only(threads.threads(examine()))
    assert (found.status, found.remedy) == (Health.WARNING, f"unset {name}")
    assert f"oversubscribed: {name}=16 on 4 physical cores" in found.found


@pytest.mark.parametrize("word", ["8", "4,2", "", "many", "²", "0", "-3"])
def test_not_oversubscribed(word: str, monkeypatch: pytest.MonkeyPatch, examine: Examine, only: Only) -> None:
    """As many as the logical cores are no more than there are; nonsense is not counted."""
    monkeypatch.setenv("OMP_NUM_THREADS", word)
    assert only(threads.threads(examine())).status is Health.OK


def test_fewer_threads_are_another_device(
    monkeypatch: pytest.MonkeyPatch, examine: Examine, only: Only
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    device = Device("cpu", CPU.name, "cpu-example-1t", 1, CPU.memory_bytes)
    found = only(threads.threads(examine(device)))
    assert (found.status, "cpu-example-1t" in found.found) == (Health.WARNING, True)


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        (GROUP2, None),
        (GROUP2 | {"sys/fs/cgroup/a/b/cpu.max": "max 100000"}, None),
        (GROUP2 | {"sys/fs/cgroup/a/b/cpu.max": "150000 100000"}, 1.5),
        (GROUP2 | {"sys/fs/cgroup/a/cpu.max": "50000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 1"}, 0.5),
        (GROUP2 | {"sys/fs/cgroup/cpu.max": "20 10", "sys/fs/cgroup/a/cpu.max": "40 10"}, 2.0),
        (GROUP1 | {"sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us": "-1"}, None),
        (
            GROUP1 | {
                "sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us": "300000",
                "sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us": "100000",
            },
            3.0,
        ),
        # In a container with a namespace of its own the path begins at its root.
        (GROUP1 | {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000"}, 0.5),
        (GROUP1 | {"sys/fs/cgroup/memory/m/cpu.cfs_quota_us": "50000"}, None),
    ],
)  # fmt: skip
def test_quota(files: dict[str, str], quota: float | None, examine: Examine) -> None:
    """The least of all levels, of either version."""
    assert cgroup.quota_cores(examine(files=files).read) == quota


def test_more_threads_than_the_container_may_use(examine: Examine, only: Only) -> None:
    files = GROUP2 | {"sys/fs/cgroup/a/b/cpu.max": "150000 100000"}
    found = only(threads.threads(examine(files=files)))
    assert (found.status, found.figures["quota_cores"]) == (Health.PROBLEM, 1.5)
    assert "the kernel stops them at 1.5 cores" in found.found
    assert found.remedy.startswith("export OMP_NUM_THREADS=1,")


def test_a_container_with_whole_cores(examine: Examine, only: Only) -> None:
    files = GROUP2 | {"sys/fs/cgroup/a/b/cpu.max": "400000 100000"}
    assert only(threads.threads(examine(files=files))).status is Health.OK


def test_stops_are_counted(examine: Examine) -> None:
    files = GROUP2 | {"sys/fs/cgroup/a/b/cpu.stat": "nr_periods 9\nnr_throttled 4\nthrottled_usec 100"}
    assert cgroup.throttled_periods(examine(files=files).read) == 4
    assert cgroup.throttled_periods(examine(files={"proc/self/cgroup": "0::/"}).read) == 4 - 4
