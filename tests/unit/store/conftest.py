"""Records for the tests of the store: small, complete, deterministic."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perfsuite.records import Device, Result, Session, Stages
from perfsuite.store import Baselines


@pytest.fixture
def device() -> Device:
    return Device("cpu", "Example CPU", "cpu-example-4", 4, 17_179_869_184, {"isa": "avx512"})


@pytest.fixture
def make_session() -> Callable[..., Session]:
    def make(name: str = "s1", **changes: Any) -> Session:
        values: dict[str, Any] = {
            "id": name,
            "date": "2025-01-02T03:04:05+00:00",
            "latency_s": (0.1, 0.1 + 0.2, 1 / 3),
            "peak_memory_bytes": 123_456_789,
            "first_call_s": 1.5,
            "compile_s": None,
            "warmup_s": (0.5, 0.25),
            "warmup_steady": True,
            "stages": Stages(0.01, (0.02, 0.03), 0.04, 0.0),
            "versions": {"torch": "2.8.0", "python": "3.11"},
            "conditions": {"threads": 4.0, "governor": "performance"},
            "wall_s": 7.0,
            "commit": "abc123",
        }
        return Session(**{**values, **changes})

    return make


@pytest.fixture
def make_result(make_session: Callable[..., Session]) -> Callable[..., Result]:
    def make(session: str | Session | None = "s1", variant: str = "bf16", **changes: Any) -> Result:
        values: dict[str, Any] = {"workload": "shapes", "variant": variant, "protocol": "shapes 64x64"}
        measured = make_session(session) if isinstance(session, str) else session
        return Result(**{**values, "session": measured, **changes})

    return make


@pytest.fixture
def baselines(tmp_path: Path) -> Baselines:
    return Baselines(tmp_path / "baselines")
