"""Baselines of many sessions: order, interruption, what must not be mixed, failures, and the spread."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from sessions import make_session

from perfsuite.decision.spread import Spread, spread
from perfsuite.measuring import Plan
from perfsuite.pipelines import variants, workloads
from perfsuite.records import Device, Entry, Relative, Session
from perfsuite.store import Baselines
from perfsuite.workers import WorkerError
from perfsuite.workers.calibrating import RETRIES, CalibrationError, calibrate
from perfsuite.workers.client import RefusedError, StartError

DEVICE = Device("cpu", "Example CPU", "cpu-example-4", 4, 2**34)
CHOSEN = [variants.get("fp32"), variants.get("bf16")]
VERSIONS = {"torch": "2.12", "python": "3.12"}
PROTOCOL = "shapes 64x64"


def session(name: str, latency_s: Sequence[float] = (1.0, 1.1, 1.0), **changes: Any) -> Session:
    usual: dict[str, Any] = {
        "id": name,
        "latency_s": tuple(latency_s),
        "versions": VERSIONS,
        "conditions": {"control_s": 0.05},
        "relative": Relative("fp32", (0.5, 0.6)),
    }
    return make_session(**{**usual, **changes})


class FakeServer:
    """Hands out workers; processes numbered in `broken` fail, that of `stop_at` is interrupted."""

    def __init__(self, *, broken: Sequence[int] = (), stop_at: int | None = None) -> None:
        self.broken, self.stop_at = broken, stop_at
        self.opened, self.measured, self.closed = 0, list[str](), list[int]()
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def worker(self) -> "FakeWorker":
        self.opened += 1
        return FakeWorker(self, self.opened)


class FakeWorker:
    def __init__(self, server: FakeServer, number: int) -> None:
        self.server, self.number = server, number

    def ask(self, command: str, **arguments: Any) -> Any:
        self.server.asked.append((command, arguments))
        if self.number == self.server.stop_at:
            raise KeyboardInterrupt
        if self.number in self.server.broken:
            raise WorkerError("the process ended during 'prepare'\nand a long tail")
        if command == "prepare":
            return {}
        assert command == "session"
        self.server.measured.append(arguments["variant"])
        return asdict(session(f"{arguments['variant']} {id(self.server)} {self.number}"))

    def close(self) -> None:
        self.server.closed.append(self.number)


@pytest.fixture
def store(tmp_path: Path) -> Baselines:
    return Baselines(tmp_path)


@pytest.fixture
def run(store: Baselines) -> Callable[..., list[Spread]]:
    def started(server: FakeServer, sessions: int = 3, **options: Any) -> list[Spread]:
        protocol = options.pop("protocol", PROTOCOL)
        values: dict[str, Any] = {"protocol": lambda variant: protocol, "versions": VERSIONS, **options}
        return calibrate(server, store, DEVICE, workloads.SHAPES, CHOSEN, sessions, **values)  # type: ignore[arg-type]

    return started


def counts(store: Baselines) -> dict[str, int]:
    found = store.load(DEVICE.slug)
    return {} if found is None else {e.variant: len(e.sessions) for e in found.entries.values()}


Run = Callable[..., list[Spread]]


def test_variants_take_turns(run: Run, store: Baselines) -> None:
    """A machine that drifts meets them all alike; each session is a process of its own."""
    server, lines = FakeServer(), list[str]()
    found = run(server, 3, progress=lines.append)
    assert server.measured == ["fp32", "bf16"] * 3
    assert server.closed == [1, 2, 3, 4, 5, 6]
    assert counts(store) == {"fp32": 3, "bf16": 3}
    assert [(s.variant, s.sessions) for s in found] == [("fp32", 3), ("bf16", 3)]
    assert lines == [f"shapes {v}: session {n} of 3" for n in (1, 2, 3) for v in ("fp32", "bf16")]
    stored = store.load(DEVICE.slug)
    assert stored is not None
    assert stored.entries["shapes/bf16"].protocol == PROTOCOL


def test_a_worker_is_told_what_to_measure(run: Run) -> None:
    """Device, weights and time of the calls, which is that of the relative latency too."""
    server = FakeServer()
    run(server, 1, weights="hub", time_budget_s=0.5)
    assert server.asked[:2] == [
        ("prepare", {"workload": "shapes", "variant": "fp32", "device": "cpu", "weights": "hub"}),
        ("session", {"variant": "fp32", "plan": asdict(Plan(0.5, wait_s=20.0)), "relative_s": 0.5}),
    ]


def test_it_goes_on_where_it_was_interrupted(run: Run, store: Baselines) -> None:
    """What was measured is stored already, and nothing is measured twice."""
    first, second, third = FakeServer(stop_at=4), FakeServer(), FakeServer()
    with pytest.raises(KeyboardInterrupt):
        run(first)
    assert first.measured == ["fp32", "bf16", "fp32"]
    assert first.closed == [1, 2, 3, 4]
    assert counts(store) == {"fp32": 2, "bf16": 1}
    run(second)
    assert second.measured == ["bf16", "fp32", "bf16"]
    assert counts(store) == {"fp32": 3, "bf16": 3}
    assert [s.sessions for s in run(third)] == [3, 3]
    assert third.opened == 0


def test_each_session_is_stored_before_the_next(run: Run, store: Baselines) -> None:
    seen: list[dict[str, int]] = []
    run(FakeServer(), 2, progress=lambda line: seen.append(counts(store)))
    assert seen == [{}, {"fp32": 1}, {"fp32": 1, "bf16": 1}, {"fp32": 2, "bf16": 1}]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"protocol": "shapes 32x32"}, "measured with 'shapes 64x64', now 'shapes 32x32'"),
        (
            {"versions": {"torch": "2.13", "diffusers": "1"}},
            "sessions of other versions do not mix "
            "(diffusers absent -> 1, python 3.12 -> absent, torch 2.12 -> 2.13)",
        ),
    ],
)
def test_what_must_not_be_mixed(
    changed: dict[str, Any], problem: str, run: Run, store: Baselines, tmp_path: Path
) -> None:
    """Refused before anything is measured, by file, entry and remedy; --restart replaces it."""
    run(FakeServer(), 2)
    before = store.path(DEVICE.slug).read_bytes()
    server = FakeServer()
    with pytest.raises(CalibrationError) as caught:
        run(server, 2, **changed)
    where = f"{tmp_path / 'cpu-example-4.json'}: entry shapes/fp32"
    assert str(caught.value) == f"{where}: {problem}; replace it with --restart"
    assert server.opened == 0
    assert store.path(DEVICE.slug).read_bytes() == before
    run(server, 1, restart=True, **changed)
    assert server.measured == ["fp32", "bf16"]
    stored = store.load(DEVICE.slug)
    assert stored is not None
    for entry in stored.entries.values():
        assert entry.protocol == changed.get("protocol", PROTOCOL)
        assert len(entry.sessions) == 1
        assert entry.sessions[0].id.split()[1] == str(id(server))


def test_other_entries_stay(run: Run, store: Baselines) -> None:
    """Also with --restart."""
    from perfsuite.records import Result

    other = Result("shapes", "fp16", "another", session=session("other", versions={}))
    store.update(DEVICE, [other], "new")
    run(FakeServer(), 1, restart=True)
    assert counts(store) == {"fp16": 1, "fp32": 1, "bf16": 1}


def test_a_process_that_fails_is_started_again(run: Run, store: Baselines) -> None:
    """Twice; each one is closed, and a line tells the first line of why."""
    server, lines = FakeServer(broken=(2, 3)), list[str]()
    run(server, 1, progress=lines.append)
    assert RETRIES == 2
    assert server.measured == ["fp32", "bf16"]
    assert server.closed == [1, 2, 3, 4]
    again = "a process failed and is started again: the process ended during 'prepare'"
    assert lines == ["shapes fp32: session 1 of 1", "shapes bf16: session 1 of 1", again, again]
    assert counts(store) == {"fp32": 1, "bf16": 1}


def test_a_third_failure_leaves_the_variant_out_and_the_others_go_on(run: Run, store: Baselines) -> None:
    """It loses the GPU, say: the others have all their sessions, and the error at the end names it."""
    server, lines = FakeServer(broken=(2, 3, 4)), list[str]()
    said = r"^1 of 2 variants could not be measured; .* others are stored: bf16: the process ended during"
    with pytest.raises(WorkerError, match=said):
        run(server, 3, progress=lines.append)
    assert server.closed == [1, 2, 3, 4, 5, 6]
    assert counts(store) == {"fp32": 3}
    assert "shapes bf16: left out: the process ended during 'prepare'" in lines


def test_what_is_refused_is_not_tried_again(run: Run, store: Baselines) -> None:
    """Too little memory for one variant: the other goes on; no interpreter: nothing does."""

    class Refusing(FakeServer):
        def __init__(self, error: WorkerError) -> None:
            super().__init__()
            self.error = error

        def worker(self) -> FakeWorker:
            self.opened += 1
            if self.opened == 1:
                raise self.error
            return FakeWorker(self, self.opened)

    server = Refusing(RefusedError("too little memory"))
    with pytest.raises(WorkerError, match=r"^1 of 2 .*: fp32: too little memory$"):
        run(server, 1)
    assert server.opened == 2
    assert counts(store) == {"bf16": 1}
    server = Refusing(StartError("no such interpreter"))
    with pytest.raises(StartError, match="no such interpreter"):
        run(server, 2)
    assert server.opened == 1


def test_a_process_that_cannot_start_is_tried_again(run: Run) -> None:
    """There is no worker to close then."""

    class Late(FakeServer):
        def worker(self) -> FakeWorker:
            self.opened += 1
            if self.opened == 1:
                raise WorkerError("did not start as a worker")
            return FakeWorker(self, self.opened)

    server = Late()
    run(server, 1)
    assert server.closed == [2, 3]


# -- spread ----------------------------------------------------------------------------------------


def entry(*sessions: Session) -> Entry:
    return Entry("shapes", "bf16", PROTOCOL, sessions)


def test_spread_within_and_between() -> None:
    """Of known data: medians 1, e^0.1 and e^0.2; within each session -0.05, 0 and 0.05."""
    stored = [session(str(i), [math.exp(0.1 * i + d) for d in (0.05, -0.05, 0.0)]) for i in range(3)]
    found = spread(entry(*stored), "cpu")
    assert (found.variant, found.sessions, found.modes_s) == ("bf16", 3, ())
    assert found.median_s == pytest.approx(math.exp(0.1))
    assert found.between == pytest.approx(0.1)
    assert found.within == pytest.approx(0.05)


def test_modes_are_named_by_their_typical_time() -> None:
    """Three fast sessions, three slow ones."""
    stored = [session(str(i), [s]) for i, s in enumerate((1.0, 1.3, 1.001, 1.301, 0.999, 1.299))]
    assert spread(entry(*stored), "cpu").modes_s == pytest.approx((1.0, 1.3), rel=1e-3)


def test_effects_are_those_that_a_new_session_shows() -> None:
    """That of `compare`, in seconds and in units of the reference; less where sessions are alike."""
    from perfsuite.decision import DecisionSettings, compare
    from perfsuite.decision.estimates import compare_estimates

    steady = [session(str(i), relative=Relative("fp32", (0.5 + 0.001 * i, 0.502))) for i in range(6)]
    found = spread(entry(*steady), "cuda")
    sessions = [s.latency_s for s in steady]
    expected = compare(sessions, sessions[:1], DecisionSettings.for_device("cuda"))
    assert found.effect == expected.minimum_detectable_effect
    ratios = [s.relative.ratio for s in steady if s.relative is not None]
    expected = compare_estimates(ratios, ratios[-1:], DecisionSettings.for_device("cuda-relative"))
    assert found.relative_effect == expected.minimum_detectable_effect
    wild = [replace(s, latency_s=(1.0 + 0.1 * i,) * 3) for i, s in enumerate(steady)]
    noisy = spread(entry(*wild), "cuda").effect
    assert found.effect is not None
    assert noisy is not None
    assert noisy > 2 * found.effect


def test_one_session_of_one_sample_has_no_nan() -> None:
    """What cannot be known is None; the effect rests on what is believed of the device."""
    found = spread(entry(session("s", [2.0], relative=None)), "cpu")
    assert (found.between, found.within, found.modes_s, found.relative_effect) == (None, None, (), None)
    assert found.median_s == 2.0
    assert found.effect is not None
    assert 0.1 < found.effect < math.inf


def test_relative_figures_come_from_the_sessions_that_have_them() -> None:
    some = [session("a", relative=None), session("b"), session("c", relative=None)]
    found = spread(entry(*some), "cpu")
    assert found.sessions == 3
    assert found.relative_effect is not None
    assert found.relative_effect == spread(entry(session("b")), "cpu").relative_effect
