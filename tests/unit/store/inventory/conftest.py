"""A folder of baselines with sessions that one can tell apart."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sessions import make_session

from perfsuite.records import Device, Relative, Result, Session
from perfsuite.store import BaselineFile, Baselines

DEVICE = Device("cpu", "Example CPU", "cpu-example-2t", 2, 2**34, {"bfloat16": "native"})


@pytest.fixture
def store(tmp_path: Path) -> Baselines:
    return Baselines(tmp_path / "baselines")


@pytest.fixture
def session() -> Callable[..., Session]:
    """Three samples about so many seconds; with a ratio also relative latency."""

    def make(name: str, seconds: float = 1.0, ratio: float | None = None, **changes: Any) -> Session:
        samples = (seconds, seconds * 1.01, seconds * 0.99)
        relative = None if ratio is None else Relative("fp32", (ratio, ratio * 1.002, ratio * 0.998))
        return make_session(id=name, latency_s=samples, relative=relative, **changes)

    return make


@pytest.fixture
def write(store: Baselines) -> Callable[..., BaselineFile]:
    """Add sessions to one entry."""

    def add(
        *sessions: Session, variant: str = "fp32-sdpa", workload: str = "shapes", protocol: str = "p",
        device: Device = DEVICE, to: Baselines = store,
    ) -> BaselineFile:  # fmt: skip
        results = [Result(workload, variant, protocol, session=s) for s in sessions]
        to.update(device, results, "append")
        found = to.load(device.slug)
        assert found is not None
        return found

    return add
