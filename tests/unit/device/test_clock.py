"""The clock waits for the GPU where one is in use, and never brings torch in."""

import sys
from types import SimpleNamespace

import pytest

from perfsuite.device import clock


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happened, in order; the performance counter stands at 7 seconds."""
    happened: list[str] = []

    def counter() -> float:
        happened.append("read")
        return 7.0

    monkeypatch.setattr(clock.time, "perf_counter", counter)
    return happened


@pytest.mark.parametrize(("initialized", "order"), [(True, ["synchronize", "read"]), (False, ["read"])])
def test_waits_for_a_gpu_in_use(
    initialized: bool, order: list[str], events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device is idle before the clock is read; CUDA that was never used is not started for it."""
    cuda = SimpleNamespace(
        is_initialized=lambda: initialized, synchronize=lambda: events.append("synchronize")
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert clock.now() == 7.0
    assert events == order


def test_runs_without_torch(events: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anyone imported torch it is the plain counter, and torch stays out."""
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert clock.now() == 7.0
    assert "torch" not in sys.modules
