"""Whether others took cores that a session's threads needed, from recorded counters; no time passes."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from perfsuite.device import load
from perfsuite.device.load import Needs, Reading, others, wait_until_quiet


def readings(*cores: float, step: float = 0.5, own: float = 2.0) -> list[Reading]:
    """Counters before and after stretches during which others kept so many cores busy."""
    found = [Reading(0.0, 0.0, 0.0)]
    for busy in cores:
        last = found[-1]
        found.append(Reading(last.at + step, last.every + step * (busy + own), last.own + step * own))
    return found


def test_cores_of_others_are_all_that_is_busy_less_ones_own() -> None:
    before, after = readings(0.75)
    assert others(before, after) == pytest.approx(0.75)


def test_cores_to_spare_are_no_contention() -> None:
    """Eight threads on sixteen cores leave eight to others."""
    before, after = readings(8.0)
    assert Needs(8, 16).contention(before, after) == 0
    assert Needs(10, 16).contention(before, after) == pytest.approx(2.0)
    assert Needs(2, 2).contention(before, after) == pytest.approx(8.0)


def test_more_threads_than_cores_disturb_only_each_other() -> None:
    idle, beside = readings(0.0), readings(0.5)
    assert Needs(4, 2).contention(*idle) == 0
    assert Needs(4, 2).contention(*beside) == pytest.approx(0.5)


CORES = [
    # As psutil has them of one machine's /proc/stat, in seconds since it started.
    SimpleNamespace(user=2193.9, nice=0.1, system=301.25, idle=18019.6, iowait=9.6, irq=0.0, softirq=6.4,
                    steal=11.5, guest=0.0, guest_nice=0.0),
    SimpleNamespace(user=2160.4, nice=0.0, system=287.75, idle=18061.1, iowait=8.3, irq=0.0, softirq=4.1,
                    steal=10.25, guest=100.0, guest_nice=0.0),
    SimpleNamespace(user=9000.0, nice=0.0, system=900.0, idle=10600.0, iowait=0.0, irq=0.0, softirq=0.0,
                    steal=0.0, guest=0.0, guest_nice=0.0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("allowed", "every"),
    [
        ({0}, 2506.75),
        ({0, 1}, 4965.15),
        (None, 14865.15),
        # Core 3 is there, so one is offline, and places are not numbers.
        ({1, 3}, 14865.15),
    ],
)
def test_what_is_done_on_cores_of_others_does_not_count(
    allowed: set[int] | None, every: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container with two cores of a large machine is not contended by what runs on the rest of it."""
    process: Any = SimpleNamespace(cpu_times=lambda: SimpleNamespace(user=3.0, system=0.5))
    monkeypatch.setattr("psutil.cpu_times", lambda percpu: CORES)
    monkeypatch.setattr("psutil.Process", lambda: process)
    monkeypatch.setattr(load, "_affinity", lambda: allowed)
    found = load.read()
    assert (found.every, found.own) == (pytest.approx(every), 3.5)


def test_contended_stretches_are_named_by_their_place() -> None:
    assert Needs(2, 2).contended(readings(0.05, 1.0, 0.1, 0.3, 0.2)) == [1, 3]
    assert Needs(2, 2).contended(readings(0.0, 0.0)) == []
    assert Needs(2, 2).contended([]) == []


def test_a_stretch_too_short_to_be_judged_is_judged_with_its_neighbours() -> None:
    """A hundredth of a second of the kernel's counting is a whole core of a stretch that short."""
    ticks = readings(*[1.0, 0.0, 0.0, 0.0] * 5, step=0.01)
    assert Needs(2, 2).contended(ticks) == []
    busy = readings(*[1.0] * 20, *[0.0] * 60, step=0.01)
    found = Needs(2, 2).contended(busy)
    assert found[:15] == list(range(15))
    assert max(found) < 20


@pytest.mark.parametrize(
    ("cores", "quiet", "waited"),
    [
        ([0.0, 0.0], True, 1.0),
        ([1.0, 1.0, 0.0, 1.0, 0.0, 0.0], True, 3.0),
        ([1.0] * 40, False, 10.0),
        ([0.0, 1.0] * 20, False, 10.0),
    ],
)
def test_it_waits_for_a_second_of_quiet_and_not_for_ever(
    cores: list[float], quiet: bool, waited: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfsuite.device.load.cores", lambda: 2)
    counters = iter(readings(*cores, own=0.0))
    slept: list[float] = []
    found = wait_until_quiet(2, 10.0, reader=lambda: next(counters), sleep=slept.append)
    assert found == (quiet, pytest.approx(waited))
    assert sum(slept) == pytest.approx(waited)


def _watched(monkeypatch: pytest.MonkeyPatch, seen: list[Reading]) -> load.Stretch:
    monkeypatch.setattr(load, "read_tree", lambda: seen.pop(0))
    monkeypatch.setattr(load, "cores", lambda: 2)
    with load.watching(2) as watch:
        pass
    return watch


@pytest.mark.parametrize(
    ("busy", "step", "contended"), [(0.0, 5.0, False), (1.0, 5.0, True), (0.2, 5.0, False), (1.0, 0.1, False)]
)
def test_a_stretch_beside_others(
    busy: float, step: float, contended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too short a one is not known to be contended: processor time is counted in hundredths of a second."""
    found = _watched(monkeypatch, readings(busy, step=step))
    assert (found.seconds, found.contended) == (pytest.approx(step), contended)


def test_what_this_process_has_started_is_its_own() -> None:
    """A compiler is no other process; it is counted while it runs and once it was waited for."""
    busy = [sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"]
    before = load.read_tree()
    subprocess.run(busy, check=True, timeout=60)
    assert load.read_tree().own - before.own >= 0.4


def test_a_stretch_is_timed_without_what_probes_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own probes and those of a stretch within it: they are no part of what is watched."""
    clock = [0.0]
    probes = iter([0.004, 0.005, 0.006, 0.007])

    def take() -> float:
        clock[0] += 0.5
        load.PROBE.spent_s += 0.5
        return next(probes)

    monkeypatch.setattr(load.PROBE, "take", take)
    monkeypatch.setattr(load, "read_tree", lambda: Reading(clock[0], 0.0, 0.0))
    with load.watching(1) as outer:
        clock[0] += 1.0
        with load.watching(1) as inner:
            clock[0] += 2.0
    assert (outer.seconds, inner.seconds) == (3.0, 2.0)
    assert (outer.fixed_work_s, inner.fixed_work_s) == ((0.004, 0.007), (0.005, 0.006))
