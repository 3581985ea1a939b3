"""On a GPU a call is profiled in a process of its own, for a profiler stays attached; it is stood in for."""

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest
from sessions import make_session

from perfsuite.bench.hand import Hand
from perfsuite.bench.latency import Latency
from perfsuite.pipelines import variants, workloads
from perfsuite.records import Hot, Profile, Result, Session
from perfsuite.workers import WorkerError, serving
from perfsuite.workers.commands import Commands
from perfsuite.workers.sessions import with_profile


class Worker:
    def __init__(self, error: str = "") -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.closed, self.error = False, error

    def ask(self, command: str, **arguments: Any) -> Any:
        self.asked.append((command, arguments))
        if self.error:
            raise WorkerError(self.error)
        if command == "prepare":
            return {}
        hot = {"gemm": {"calls": 3, "self_s": 0.1}} if arguments["hot"] else {}
        return {"profile": {"kernels": 7, "busy_s": 0.5, "wall_s": 1.0}, "hot": hot}

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(("hot", "found"), [(True, {"gemm": Hot(3, 0.1)}), (False, {})])
def test_the_session_gets_what_the_process_saw(hot: bool, found: dict[str, Hot]) -> None:
    worker: Any = Worker()
    session = with_profile(make_session(), worker, "shapes", "fp32", "cuda:1", "random", hot=hot)
    assert session.profile == Profile(kernels=7, busy_s=0.5, wall_s=1.0)
    assert session.profile.host_bound
    assert session.hot == found
    assert [command for command, _ in worker.asked] == ["prepare", "profile"]
    assert worker.asked[0][1]["device"] == "cuda:1"


def profiled(worker: Worker) -> Session:
    """By the workbench, whose only parts are those that this needs."""
    hand: Any = SimpleNamespace(
        _server=SimpleNamespace(worker=lambda: worker), device=SimpleNamespace(place="cuda:0")
    )
    hand.fresh_process = lambda: Hand.fresh_process(hand)
    latency: Any = SimpleNamespace(_hand=hand, _settings=SimpleNamespace(weights="auto", profile=False))
    return Latency._profiled(latency, workloads.SHAPES, variants.get("fp32"), make_session())


def test_its_process_ends() -> None:
    worker = Worker()
    assert profiled(worker).profile is not None
    assert worker.closed


def test_a_process_that_fails_costs_the_profile_alone() -> None:
    """The session says why, in one line."""
    worker = Worker("out of memory\nin many lines")
    session = profiled(worker)
    assert session.profile is None
    assert session.conditions["profile"] == "out of memory"
    assert session.latency_s == make_session().latency_s
    assert worker.closed


def test_a_session_is_on_disk_before_its_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile of large kernels takes minutes, and may be cut off."""
    variant, session = variants.get("fp32"), make_session()
    written: list[Result] = []

    def cut_off(*_: object) -> Session:
        raise KeyboardInterrupt

    latency = Latency.__new__(Latency)
    hand: Any = SimpleNamespace(
        device=SimpleNamespace(kind="cuda"),
        enter=lambda key, phase: None,
        watched=lambda key: contextlib.nullcontext(),
    )
    ledger: Any = SimpleNamespace(
        blank=lambda w, v, evidence: Result(w.name, v.name, "p", evidence=evidence), record=written.append
    )
    monkeypatch.setattr(latency, "_hand", hand, raising=False)
    monkeypatch.setattr(latency, "_ledger", ledger, raising=False)
    monkeypatch.setattr(latency, "_measured", lambda *_: session)
    monkeypatch.setattr(latency, "_profiled", cut_off)
    prepared: Any = SimpleNamespace(
        context=SimpleNamespace(workload=workloads.SHAPES, variant=variant), evidence=("proof",)
    )
    with pytest.raises(KeyboardInterrupt):
        latency.measure(prepared, lambda call, rounds, before: ())
    assert written == [Result("shapes", "fp32", "p", session=session, evidence=("proof",))]


def test_an_import_that_starts_cuda_is_no_reason_not_to_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchao asks for the GPU's capability when it is imported; the parent then starts processes instead of
    forking, see `test_client`."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    serving._preload()
    assert Commands().do_hello()["spoilt"]
