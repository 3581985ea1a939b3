"""What the self-test says of a calm machine and of others, and who disturbed it."""

import itertools
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from examining import CPU, GPU, Examine
from sessions import make_session

from perfsuite.decision.paired import Turns
from perfsuite.doctor import noise, watch
from perfsuite.doctor.watch import Seen, Usage, Watch
from perfsuite.records import Finding, Health, Result
from perfsuite.store import Baselines

STAT = "cpu  {user} 0 {system} {idle} 0 0 0 {steal} 0 0\ncpu0 1 2 3"


def turns(within: float, drift: float = 0.0, count: int = 600) -> Turns:
    """Turns of 10 ms that scatter so much each, on a machine that drifts so much."""
    rng = np.random.default_rng(7)
    slow = drift * np.sin(np.linspace(0, 2 * np.pi, count))
    sides = [0.01 * np.exp(slow + within * rng.standard_normal(count)) for _ in range(2)]
    return Turns(("step",) * count, tuple(sides[0]), tuple(sides[1]))


def findings(measured: Turns, kind: str = "cpu") -> dict[str, Finding]:
    return {f.name: f for f in noise.noise(noise.noise_of(measured, kind), 10.0)}


def test_a_calm_machine() -> None:
    found = findings(turns(0.02))
    assert [f.status for f in found.values()] == [Health.OK, Health.OK]
    figures = found["noise"].figures
    assert figures["turns"] == 1200
    assert figures["within_sd"] == pytest.approx(0.02, rel=0.1)
    assert "1200 turns of 9.99 ms scatter by 1.9 % (sd), the means of 12 blocks" in found["noise"].found


def test_what_one_process_cannot_see_is_the_prior_of_the_class() -> None:
    """In seconds a calm process of a CPU finds no more than its class lets it, and says why."""
    found = findings(turns(0.001))["detectable"]
    assert found.figures["prior_sd"] == 0.12
    assert isinstance(found.figures["effect"], float)
    assert found.figures["effect"] > 0.5
    assert isinstance(found.figures["relative_effect"], float)
    assert found.figures["relative_effect"] < 0.03
    assert "One process cannot see what differs between processes" in found.found
    assert "12.0 % (sd)" in found.found


def test_a_gpu_has_another_prior() -> None:
    effect = findings(turns(0.001), "cuda")["detectable"].figures["effect"]
    assert isinstance(effect, float)
    assert effect < 0.25


def test_drift_beyond_the_class_widens_what_seconds_find() -> None:
    calm, drifting = findings(turns(0.02)), findings(turns(0.02, drift=0.25))
    assert drifting["noise"].status is Health.WARNING
    assert "drifts by more than processes of its class differ (12.0 %)" in drifting["noise"].found
    effects = [f["detectable"].figures["effect"] for f in (calm, drifting)]
    assert isinstance(effects[0], float)
    assert isinstance(effects[1], float)
    assert effects[1] > 1.2 * effects[0]


@pytest.mark.parametrize("measured", [turns(0.4), turns(0.02, drift=0.6)], ids=["scatter", "drift"])
def test_a_noisy_machine(measured: Turns) -> None:
    found = findings(measured)["noise"]
    assert (found.status, found.found.startswith("a noisy machine")) == (Health.PROBLEM, True)
    assert found.remedy


def test_turns_that_find_little() -> None:
    """Few of them, that scatter much."""
    found = findings(turns(0.2, count=50))["detectable"]
    assert (found.status, "--time" in found.remedy) == (Health.WARNING, True)


def test_turns_take_as_long_as_they_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Warm-up is left out; whole calls are made until the time is over."""
    clock = itertools.count(0.0, 0.5)
    made: list[float] = []

    def turn() -> float:
        made.append(0.01 + 1e-6 * len(made))
        return made[-1]

    monkeypatch.setattr(noise.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(noise, "control_turn", lambda kind: turn)
    measured = noise.self_test("cpu", 4.0)
    assert len(made) == 2 * noise.PAIRS_A_CALL + 2 * len(measured.names)
    assert len(measured.names) >= noise.LEAST_CALLS * noise.PAIRS_A_CALL
    # Every turn counts once, on one of the two sides.
    assert sorted([*measured.base_s, *measured.head_s]) == made[2 * noise.PAIRS_A_CALL :]


def seen(**changes: object) -> Seen:
    usual: dict[str, object] = {"seconds": 10.0, "users": (), "steal": 0.0, "stops": 0, "throttled": 0}
    return Seen(**{**usual, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "name", "status", "said"),
    [
        ({}, "load", Health.OK, "0.00 cores busy during 10.0 s of rest"),
        ({"users": (Usage(7, "make", 0.2),)}, "load", Health.WARNING, "make (process 7) 0.20"),
        ({"users": (Usage(7, "burn", 0.9), Usage(8, "x", 0.1))}, "load", Health.PROBLEM, "1.00 cores busy"),
        ({"steal": 0.001}, "stolen time", Health.OK, "0.1 %"),
        ({"steal": 0.02}, "stolen time", Health.WARNING, "2.0 %"),
        ({"steal": 0.3}, "stolen time", Health.PROBLEM, "30.0 %"),
        ({"stops": 3}, "container limit", Health.PROBLEM, "3 times"),
        ({"throttled": 2}, "CPU heat now", Health.PROBLEM, "2 times"),
    ],
)
def test_disturbance(changes: dict[str, object], name: str, status: Health, said: str) -> None:
    of = seen(**changes)
    found = {f.name: f for f in (noise.load(of, "cpu"), *noise.interference(of, "cpu"))}
    assert (found[name].status, said in found[name].found) == (status, True)
    assert bool(found[name].remedy) is (status is not Health.OK)
    others = [f for f in found.values() if f.name != name]
    assert all(f.status is Health.OK for f in others)


def test_a_busy_host_is_no_problem_of_a_gpu() -> None:
    assert noise.load(seen(users=(Usage(7, "burn", 1.5),)), "cuda").status is Health.WARNING


def test_what_is_not_counted_is_not_said() -> None:
    assert list(noise.interference(seen(steal=None, throttled=None), "cpu")) == []


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[int, float], dict[int, float]], None]:
    """Processor seconds by process, before and after ten seconds."""

    def place(before: dict[int, float], after: dict[int, float]) -> None:
        readings = [{(pid, 1.0): (f"p{pid}", s) for pid, s in table.items()} for table in (before, after)]
        clock = [100.0, 110.0]
        monkeypatch.setattr(watch, "processes", lambda: readings.pop(0))
        monkeypatch.setattr(watch.time, "monotonic", lambda: clock.pop(0))

    return place


def test_users_by_what_they_used_meanwhile(
    used: Callable[..., None], examine: Examine, place: Callable[[Mapping[str, str]], Path]
) -> None:
    """Own time does not count, old time neither; who came counts whole, who went is not seen."""
    used({1: 50.0, 2: 3.0, 3: 9.0, os.getpid(): 1.0}, {1: 50.0, 2: 8.0, 4: 9.0, os.getpid(): 11.0})
    watching = Watch(examine(files={"proc/stat": STAT.format(user=100, system=50, idle=800, steal=10)}))
    place({"proc/stat": STAT.format(user=200, system=60, idle=830, steal=70)})
    found = watching.finish()
    assert found.users == (Usage(4, "p4", 0.9), Usage(2, "p2", 0.5))
    assert found.cores == pytest.approx(1.4)
    assert found.steal == pytest.approx(60 / 200)
    assert (found.seconds, found.stops, found.throttled) == (10.0, 0, None)


def test_a_system_without_proc(used: Callable[..., None], examine: Examine) -> None:
    used({}, {})
    assert Watch(examine()).finish().steal is None


def test_events_are_counted_between(
    used: Callable[..., None], examine: Examine, place: Callable[[Mapping[str, str]], Path]
) -> None:
    used({}, {})
    heat = "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
    stat = "sys/fs/cgroup/cpu.stat"
    watching = Watch(examine(files={heat: "5", "proc/self/cgroup": "0::/", stat: "nr_throttled 10"}))
    place({heat: "8", stat: "nr_throttled 12"})
    found = watching.finish()
    assert (found.throttled, found.stops) == (3, 2)


def test_without_a_self_test_there_is_load_alone(monkeypatch: pytest.MonkeyPatch, examine: Examine) -> None:
    monkeypatch.setattr(noise.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(noise, "self_test", lambda *a: pytest.fail("measured"))
    names = {f.name for f in noise.load_and_noise(examine(CPU))}
    assert "load" in names
    assert not names & {"noise", "detectable"}


def test_threads_are_as_a_pipeline_has_them_and_as_before(
    monkeypatch: pytest.MonkeyPatch, examine: Examine
) -> None:
    import torch

    during: list[int] = []
    lasted: list[float] = []

    def measured(kind: str, seconds: float) -> Turns:
        during.append(torch.get_num_threads())
        lasted.append(seconds)
        return turns(0.02)

    monkeypatch.setattr(noise, "self_test", measured)
    before = torch.get_num_threads()
    said: list[str] = []
    monkeypatch.setattr(noise.time, "sleep", lasted.append)
    found = list(noise.load_and_noise(examine(CPU, self_test_s=3.0, progress=said.append)))
    assert (during, torch.get_num_threads()) == ([CPU.count], before)
    assert lasted == pytest.approx([0.3, 2.7])
    assert said == ["self-test: fixed work for 2.7 s"]
    assert {f.name for f in found} >= {"load", "noise", "detectable"}


@pytest.mark.parametrize(
    ("now_s", "status", "said"),
    [
        (0.010, Health.OK, "fixed work takes 10 ms, 10 ms in 5 stored sessions"),
        (0.009, Health.OK, "fixed work takes 9 ms"),
        (0.020, Health.WARNING, "this machine is slower than it was, by 100.0 %"),
    ],
)
def test_fixed_work_against_the_baseline(
    now_s: float, status: Health, said: str, monkeypatch: pytest.MonkeyPatch, examine: Examine
) -> None:
    """Its time in the stored sessions, whatever variant they are of."""
    examination = examine(CPU)
    for i in range(5):
        session = make_session(id=f"s{i}", conditions={"control_s": 0.01 + 1e-5 * (i - 2)})
        result = Result("shapes", ("fp32", "bf16")[i % 2], "p", session=session)
        Baselines(examination.baselines).update(CPU, [result], "append")
    monkeypatch.setattr(noise, "control_s", lambda kind: now_s)
    (found,) = noise.control(examination)
    assert (found.status, said in found.found) == (status, True), found.found


def test_without_stored_control_there_is_nothing_to_compare(examine: Examine) -> None:
    examination = examine(CPU)
    assert list(noise.control(examination)) == []
    result = Result("shapes", "fp32", "p", session=make_session())
    Baselines(examination.baselines).update(CPU, [result], "append")
    assert list(noise.control(examination)) == []
    (examination.baselines / f"{CPU.slug}.json").write_text("{")
    assert list(noise.control(examination)) == []


def test_a_gpu_keeps_its_threads(monkeypatch: pytest.MonkeyPatch, examine: Examine) -> None:
    monkeypatch.setattr(noise, "self_test", lambda kind, seconds: turns(0.001))
    monkeypatch.setattr(noise.time, "sleep", lambda seconds: None)
    found = {f.name: f for f in noise.load_and_noise(examine(GPU, self_test_s=1.0))}
    assert found["detectable"].figures["prior_sd"] == 0.025
