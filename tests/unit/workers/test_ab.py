"""The course of an A/B: when it stops, what it repeats, and what it does when nothing works; time is ours."""

import json
import math
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from perfsuite.decision.paired import PairedSettings
from perfsuite.records import Cause, Status
from perfsuite.workers import WorkerError, ab, lockstep
from perfsuite.workers.ab import Comparison, Plan, default_variant, run_ab, summary
from perfsuite.workers.client import StartError

CALL_S = 1.2
"""Of twelve pieces alike, on the clock of the test."""
START_S = 2.0


class Machine:
    """Clock and memory that both sides share, and what happened on it."""

    def __init__(self) -> None:
        self.time_s = 1000.0
        self.free_bytes = 2**40
        self.log: list[str] = []
        self.open: list[str] = []
        self.most_open = 0

    def monotonic(self) -> float:
        return self.time_s

    def sleep(self, seconds: float) -> None:
        self.time_s += seconds


class Worker:
    """Answers as a worker does; pieces take as long as the server says, with noise."""

    def __init__(self, server: "Server", number: int) -> None:
        self._server, self._number, self._pieces = server, number, 0
        self._rng = random.Random(f"{server.side} {number}")
        self.hello = {"pid": number, "versions": {"python": "3.12", "torch": server.version}}
        server.machine.open.append(server.side)
        server.machine.most_open = max(server.machine.most_open, len(server.machine.open))
        self._closed = False

    def ask(self, command: str, *, limit_s: float | None = None, **arguments: Any) -> Any:
        assert not self._closed
        self._server.machine.log.append(f"{self._server.side} {command}")
        self._server.asked.append((command, arguments))
        self._server.limits_s[command] = limit_s
        dies = self._server.dies.get(self._number, self._server.always_dies)
        if dies == command and (command != "advance" or self._pieces == 5):
            self.close()
            raise WorkerError(f"{self._server.side}: the process ended during {command!r}:\nKilled")
        return getattr(self, command)(**arguments)

    def close(self) -> None:
        if not self._closed:
            self._server.machine.open.remove(self._server.side)
        self._closed = True

    def _take(self, seconds: float) -> float:
        seconds *= self._server.factor * math.exp(self._server.noise * self._rng.gauss(0, 1))
        self._server.machine.time_s += seconds
        return seconds

    def prepare(self, **arguments: Any) -> dict[str, Any]:
        return {"build_s": START_S, "first_call_s": self._take(START_S), "evidence": []}

    def unsupported(self, variant: str, device: str) -> str | None:
        return self._server.refuses.get(variant)

    def memory(self) -> int:
        return 1000 + self._number

    def free_memory(self) -> int:
        return self._server.machine.free_bytes

    def device_kind(self) -> str:
        return self._server.kind

    def advance(self, variant: str) -> tuple[str, float]:
        index = self._pieces % 12
        self._pieces += 1
        return ("text" if index == 0 else "vae" if index == 11 else "step"), self._take(CALL_S / 12)

    def session(self, variant: str, plan: dict[str, float]) -> dict[str, Any]:
        rounds = max(5, int(plan["time_budget_s"] / CALL_S))
        return {"latency_s": [self._take(CALL_S) for _ in range(rounds)]}

    def pictures(self, workload: str, variant: str, file: str, count: int) -> int:
        Path(file).write_text(f"{workload} {variant} {count}")
        return count


class Server:
    """One side: how fast it is, and which of its workers die of which command."""

    def __init__(self, machine: Machine, side: str) -> None:
        self.machine, self.side = machine, side
        self.factor, self.noise = 1.0, 0.02
        self.dies: dict[int, str] = {}
        self.always_dies: str | None = None
        self.version = "2.12"
        self.refuses: dict[str, str] = {}
        self.kind = "cuda"
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.limits_s: dict[str, float | None] = {}
        self.workers: list[Worker] = []
        self.start_error: Exception | None = None

    def launch(self) -> None:
        self.machine.log.append(f"{self.side} launch")

    def worker(self, reply_limit_s: float = 600.0) -> Worker:
        if self.start_error is not None:
            raise self.start_error
        self.machine.log.append(f"{self.side} worker {reply_limit_s:g}")
        self.workers.append(Worker(self, len(self.workers) + 1))
        return self.workers[-1]


class Sides:
    """Two servers on one machine, and the A/B of them."""

    def __init__(self, folder: Path) -> None:
        self.machine = Machine()
        self.base, self.head = Server(self.machine, "base"), Server(self.machine, "head")
        self.folder = folder
        self.said: list[str] = []

    def run(
        self, settings: PairedSettings | None = None, *, began: float | None = None, **plan: Any
    ) -> Comparison:
        servers: Any = {"base": self.base, "head": self.head}
        found = run_ab(servers, Plan(**plan), self.folder, settings, self.said.append, began)
        assert self.machine.open == []
        return found

    def order(self, what: str) -> list[str]:
        """Sides that did this, in order."""
        return [side for side, did in (line.split(" ", 1) for line in self.machine.log) if did == what]


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sides:
    sides = Sides(tmp_path)
    clock = SimpleNamespace(monotonic=sides.machine.monotonic, sleep=sides.machine.sleep)
    monkeypatch.setattr(ab, "time", clock)
    monkeypatch.setattr(lockstep, "time", clock)
    return sides


# -- verdicts --------------------------------------------------------------------------------------


def test_a_regression_stops_after_the_least_pairs(sides: Sides) -> None:
    sides.head.factor = 1.2

    found = sides.run()

    assert found.verdict.status is Status.REGRESSED
    assert found.verdict.ratio == pytest.approx(1.2, abs=0.02)
    assert len(found.turns) == 2
    assert (found.design, found.failures) == ("lockstep", [])
    assert found.wall_s < 45
    assert [line.split(":")[0] for line in sides.said] == ["pair 1", "pair 2"]
    assert "REGRESSED" in sides.said[-1]


def test_a_speed_up_is_improved(sides: Sides) -> None:
    sides.head.factor = 0.8

    assert sides.run().verdict.status is Status.IMPROVED


def test_unchanged_and_quiet_is_ok(sides: Sides) -> None:
    found = sides.run(time_s=200.0)

    assert found.verdict.status is Status.OK
    assert 2 <= len(found.turns) <= 8


def test_unchanged_and_noisy_is_inconclusive(sides: Sides) -> None:
    sides.base.noise = sides.head.noise = 0.5

    found = sides.run(time_s=1000.0, most_pairs=3)

    assert found.verdict.status is Status.INCONCLUSIVE
    assert len(found.turns) == 3


@pytest.mark.parametrize("least", [1, 2, 4])
def test_nothing_is_settled_before_the_least_pairs(least: int, sides: Sides) -> None:
    sides.head.factor = 1.5

    assert len(sides.run(least_pairs=least, time_s=200.0).turns) == least


def test_settings_are_kept_and_the_risk_is_divided_by_the_looks(sides: Sides) -> None:
    """Given tolerance; as many looks as there is time for, less those before the least pairs."""
    judged = []

    def judge(turns: Any, pieces: Any, settings: PairedSettings) -> Any:
        judged.append(settings)
        return original(turns, pieces, settings)

    original = ab.compare_turns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ab, "compare_turns", judge)
        found = sides.run(PairedSettings(tolerance=0.3), time_s=60.0, pair_s=12.0, least_pairs=2)

    assert found.verdict.tolerance == 0.3
    # Of 60 s a pair needs 12, and about 7 to start and to settle.
    assert found.most_pairs == 3
    assert {(s.least_pairs, s.most_looks) for s in judged} == {(2, 2)}
    assert {t.first for t in found.turns} == {"base", "head"}


# -- the course ------------------------------------------------------------------------------------


def test_both_are_launched_before_anything_is_waited_for(sides: Sides) -> None:
    sides.run()

    assert sides.machine.log[:3] == ["base launch", "head launch", "base worker 900"]
    assert sides.machine.most_open == 2


@pytest.mark.parametrize("design", ["lockstep", "alternate"])
def test_sides_change_places_from_pair_to_pair(design: str, sides: Sides) -> None:
    """Who is built first gets other memory."""
    sides.base.noise = sides.head.noise = 0.5

    sides.run(design=design, most_pairs=4, time_s=1000.0)

    assert sides.order("prepare") == ["base", "head", "head", "base", "base", "head", "head", "base"]


def test_turns_are_short_calls_in_step(sides: Sides) -> None:
    """Each pair has whole calls alone, and the first call of each does not count."""
    found = sides.run(steps=10)

    prepared = [arguments["steps"] for command, arguments in sides.head.asked if command == "prepare"]
    assert prepared == [10] * len(found.turns)
    for turns in found.turns:
        counts = Counter(turns.names)
        assert counts["step"] == 10 * counts["text"] == 10 * counts["vae"] >= 20
    advanced = sides.order("advance")
    measured = sum(len(t.names) for t in found.turns)
    assert Counter(advanced) == dict.fromkeys(ab.SIDES, measured + 12 * len(found.turns))
    assert all({a, b} == set(ab.SIDES) for a, b in zip(advanced[::2], advanced[1::2], strict=True))


@pytest.mark.parametrize("time_s", [1.0, 30.0, 60.0, 100.0])
def test_the_time_limit_holds(time_s: float, sides: Sides) -> None:
    """One pair is measured in any case; another only if half of its time is left."""
    sides.base.noise = sides.head.noise = 0.5
    began = sides.machine.time_s

    found = sides.run(time_s=time_s, pair_s=12.0, most_pairs=50)

    least_s = 2 * START_S + 4 * 2 * CALL_S
    assert found.wall_s == sides.machine.time_s - began
    assert found.wall_s < max(time_s, 0) + 2 * least_s
    assert len(found.turns) == 1 if time_s < 20 else 1 < len(found.turns) <= time_s / 12
    assert all(sum(t.base_s) + sum(t.head_s) < 12 + 4 * 2 * CALL_S for t in found.turns)


def test_what_came_before_counts_against_the_time(sides: Sides) -> None:
    """An environment that was started to ask for its precision has used some of it."""
    sides.base.noise = sides.head.noise = 0.5
    began = sides.machine.time_s
    sides.machine.time_s += 30.0

    found = sides.run(time_s=60.0, began=began)

    assert found.wall_s == sides.machine.time_s - began
    assert 50.0 < found.wall_s < 70.0


def test_a_pause_before_each_piece_on_a_cpu_alone(sides: Sides) -> None:
    sides.base.noise = sides.head.noise = 0.0
    slept = []
    lockstep.time.sleep = slept.append  # type: ignore[assignment]

    sides.run()
    assert slept == []
    sides.base.kind = sides.head.kind = "cpu"
    sides.run()
    assert set(slept) == {lockstep.PAUSE_S}


def test_pictures_are_drawn_once_a_side(sides: Sides) -> None:
    found = sides.run(prompts=3, variant="fp32")

    assert sorted(sides.order("pictures")) == ["base", "head"]
    assert {side: Path(file).read_text() for side, file in found.pictures.items()} == {
        "base": "shapes fp32 3",
        "head": "shapes fp32 3",
    }


# -- failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["prepare", "advance", "memory"])
def test_a_worker_that_dies_in_the_second_pair_is_repeated(command: str, sides: Sides) -> None:
    """The finished pair is kept, the failure told, and the verdict is as without it."""
    sides.head.factor = 1.2
    sides.head.dies = {2: command}

    found = sides.run(time_s=200.0)

    assert found.verdict.status is Status.REGRESSED
    assert len(found.turns) == 2
    assert found.failures == [f"pair 2: head: the process ended during {command!r}:\nKilled"]
    assert found.verdict.detail.endswith("; 1 failed pairs")
    assert f"pair 2 failed: head: the process ended during {command!r}:" in sides.said
    assert len(found.facts["base"].first_call_s) == len(found.facts["head"].peak_memory_bytes) == 2


def test_pictures_of_a_pair_that_failed_are_not_drawn_again(sides: Sides) -> None:
    sides.head.dies = {1: "pictures"}

    found = sides.run(time_s=200.0)

    assert Counter(sides.order("pictures")) == {"base": 1, "head": 2}
    assert found.pictures.keys() == {"base", "head"}


@pytest.mark.parametrize("retries", [0, 2])
def test_a_side_that_always_fails_is_an_error(retries: int, sides: Sides) -> None:
    sides.head.always_dies = "prepare"

    with pytest.raises(WorkerError, match="head: the process ended during 'prepare'"):
        sides.run(retries=retries)

    assert len(sides.head.workers) == retries + 1
    assert sides.machine.open == []


def test_a_side_that_cannot_start_is_not_tried_again(sides: Sides) -> None:
    sides.head.start_error = StartError("/no/python: cannot be started")

    with pytest.raises(StartError, match="cannot be started"):
        sides.run()

    assert len(sides.base.workers) == 1
    assert sides.machine.open == []


def test_after_a_finished_pair_there_is_a_verdict_with_a_note(sides: Sides) -> None:
    sides.head.dies = dict.fromkeys(range(2, 20), "advance")

    found = sides.run(time_s=500.0)

    assert len(found.turns) == 1
    assert found.verdict.status is Status.INCONCLUSIVE
    assert found.verdict.ratio == pytest.approx(1.0, abs=0.05)
    assert len(found.failures) == 3
    assert found.verdict.detail.endswith("; fewer than 2 pairs of processes; 3 failed pairs")
    assert sides.said[-1] == "no more pairs are tried"


def test_a_side_that_cannot_start_any_more_leaves_the_finished_pairs(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where an environment was removed in the middle."""
    start = sides.head.worker

    def worker(*arguments: Any) -> Any:
        if sides.head.workers:
            raise StartError("/no/python: cannot be started")
        return start(*arguments)

    monkeypatch.setattr(sides.head, "worker", worker)

    found = sides.run(time_s=200.0)

    assert len(found.turns) == 1
    assert found.failures == ["pair 2: /no/python: cannot be started"]
    assert found.verdict.detail.endswith("; 1 failed pairs")


def test_a_piece_that_hangs_is_not_waited_for_as_long_as_a_build(sides: Sides) -> None:
    """Half a minute beside the first call, where building may take a quarter of an hour."""
    sides.run()

    assert sides.head.limits_s["prepare"] is None
    assert sides.head.limits_s["advance"] == pytest.approx(30 + START_S, rel=0.1)


def test_sides_out_of_step_are_an_error(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """One side that draws without text encoders is not compared piece by piece."""
    original = Worker.advance

    def advance(self: Worker, variant: str) -> tuple[str, float]:
        name, seconds = original(self, variant)
        return ("step" if self._server.side == "head" else name), seconds

    monkeypatch.setattr(Worker, "advance", advance)

    with pytest.raises(RuntimeError, match="out of step: base ran 'text', head 'step'"):
        sides.run()
    assert sides.machine.open == []


# -- where two do not fit --------------------------------------------------------------------------


def test_where_another_pipeline_does_not_fit_processes_alternate(sides: Sides) -> None:
    """Whole sessions of whole calls, never two alive at once."""
    sides.head.factor = 1.5
    sides.machine.free_bytes = int(ab.HEADROOM * 1001)

    found = sides.run(time_s=500.0, pair_s=12.0)

    assert found.design == "alternate"
    assert sides.machine.most_open == 1
    assert found.turns == []
    assert "advance" not in {line.split()[1] for line in sides.machine.log}
    assert [len(found.sessions[s]) for s in ab.SIDES] == [len(found.facts[s].first_call_s) for s in ab.SIDES]
    assert found.verdict.status is Status.REGRESSED
    assert found.verdict.ratio == pytest.approx(1.5, abs=0.03)
    assert found.pictures.keys() == {"base", "head"}
    asked = [a for c, a in sides.head.asked if c == "session"]
    assert {a["plan"]["time_budget_s"] for a in asked} == {6.0}
    assert [a["steps"] for c, a in sides.head.asked if c == "prepare"] == [None] * len(asked)


def test_just_enough_memory_is_enough(sides: Sides) -> None:
    sides.machine.free_bytes = int(ab.HEADROOM * 1001) + 1

    assert sides.run().design == "lockstep"


def test_design_is_settled_by_the_first_pair(sides: Sides) -> None:
    """Less free memory later does not leave half of the pairs of one kind and half of another."""
    sides.base.noise = sides.head.noise = 0.5

    def taken(found: Comparison, settings: PairedSettings) -> Any:
        sides.machine.free_bytes = 0
        return original(found, settings)

    original = ab._judge
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ab, "_judge", taken)
        found = sides.run(most_pairs=3, time_s=500.0)

    assert (found.design, len(found.turns), found.sessions["head"]) == ("lockstep", 3, [])


@pytest.mark.parametrize(("design", "asked"), [("lockstep", 0), ("alternate", 0), ("auto", 1)])
def test_a_design_that_is_named_is_not_questioned(design: str, asked: int, sides: Sides) -> None:
    found = sides.run(design=design)

    assert len(sides.order("free_memory")) == asked
    assert found.design == ("alternate" if design == "alternate" else "lockstep")
    assert bool(found.turns) is (design != "alternate")


@pytest.mark.parametrize(("kind", "status"), [("cuda", Status.REGRESSED), ("cpu", Status.INCONCLUSIVE)])
def test_sessions_are_judged_as_of_their_device(kind: str, status: Status, sides: Sides) -> None:
    """Fresh processes differ by 12 % on a CPU; and the tolerance is what was asked for."""
    sides.base.kind = sides.head.kind = kind
    sides.head.factor = 1.15

    found = sides.run(PairedSettings(tolerance=0.07), design="alternate", most_pairs=2, time_s=500.0)

    assert found.verdict.status is status
    assert found.verdict.tolerance == 0.07


def test_one_session_a_side_is_too_few_to_stop_at(sides: Sides) -> None:
    sides.head.factor = 3.0

    found = sides.run(design="alternate", most_pairs=1)

    assert found.verdict.status is Status.INCONCLUSIVE
    assert Cause.FEW_SESSIONS in found.verdict.causes
    assert found.verdict.detail.endswith("; 1 of at least 2 sessions a side")
    assert sides.run(design="alternate", most_pairs=2, time_s=500.0).verdict.status is Status.REGRESSED


def test_half_a_pair_of_sessions_does_not_count(sides: Sides) -> None:
    sides.head.dies = {1: "session"}

    found = sides.run(design="alternate", time_s=500.0, most_pairs=2)

    assert len(found.sessions["base"]) == len(found.sessions["head"]) == 2
    assert len(found.failures) == 1
    assert len(sides.base.workers) == 3


# -- what comes out --------------------------------------------------------------------------------


@pytest.mark.parametrize("design", ["lockstep", "alternate"])
def test_summary_is_plain_data(design: str, sides: Sides) -> None:
    """JSON and back is the same, with all raw times."""
    sides.head.version = "2.13"
    found = sides.run(design=design, most_pairs=2, time_s=500.0)

    data = json.loads(json.dumps(summary(found), allow_nan=False))

    assert (data["kind"], data["design"], data["status"]) == ("ab", design, found.verdict.status.value)
    assert data["interval"] == list(found.verdict.interval or ())
    assert [len(p["names"]) for p in data["pairs"]] == [len(t.names) for t in found.turns]
    assert [p["head_s"] for p in data["pairs"]] == [list(t.head_s) for t in found.turns]
    head = data["sides"]["head"]
    assert head["versions"]["torch"] == "2.13"
    assert head["sessions_s"] == found.sessions["head"]
    assert head["peak_memory_bytes"] == [1001, 1002]
    assert min(head["first_call_s"]) < head["median_first_call_s"] < max(head["first_call_s"])


def test_summary_of_nothing() -> None:
    data = json.loads(json.dumps(summary(Comparison(Plan())), allow_nan=False))

    assert (data["status"], data["pairs"], data["ratio"]) == ("NEW", [], None)
    assert data["sides"]["base"]["median_first_call_s"] is None


def test_same_seed_same_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def order(seed: int) -> list[str]:
        sides = Sides(tmp_path)
        clock = SimpleNamespace(monotonic=sides.machine.monotonic, sleep=sides.machine.sleep)
        monkeypatch.setattr(ab, "time", clock)
        monkeypatch.setattr(lockstep, "time", clock)
        sides.run(seed=seed)
        return sides.order("advance")

    assert order(1) == order(1) != order(2)


def test_plan_is_not_changed(sides: Sides) -> None:
    found = sides.run(seed=3)

    assert found.plan == replace(Plan(), seed=3)


def test_the_default_variant_is_native_on_the_device(sides: Sides) -> None:
    """Emulated bfloat16 would take eight times as long, and compare the emulation."""
    server: Any = sides.base
    assert default_variant(server, "cpu") == "bf16-sdpa"
    sides.base.refuses["bf16-sdpa"] = "bf16: emulated"
    assert default_variant(server, "cpu") == "fp32-sdpa"
    assert sides.base.asked == [("unsupported", {"variant": "bf16-sdpa", "device": "cpu"})] * 2
    assert sides.machine.open == []
