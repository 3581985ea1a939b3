"""Records for the tests of the report."""

from collections.abc import Callable
from typing import Any

import pytest

from perfsuite.records import (
    Device,
    PictureScore,
    PictureStatus,
    Quality,
    Result,
    Session,
    Stages,
)


@pytest.fixture
def device() -> Device:
    return Device("cpu", "Example CPU [2 cores]", "cpu-example-2t", 2, 2**34)


@pytest.fixture
def make_session() -> Callable[..., Session]:
    def make(latency_s: float = 0.5, **changes: Any) -> Session:
        values: dict[str, Any] = {
            "id": "s",
            "date": "2025-01-02T03:04:05+00:00",
            "latency_s": (latency_s,) * 5,
            "peak_memory_bytes": 1400 * 2**20,
            "first_call_s": 30.0,
            "compile_s": None,
            "warmup_s": (latency_s,) * 3,
            "warmup_steady": True,
            "stages": None,
            "versions": {"torch": "2.12", "python": "3.12"},
            "conditions": {},
            "wall_s": 40.0,
        }
        return Session(**{**values, **changes})

    return make


@pytest.fixture
def make_result(make_session: Callable[..., Session]) -> Callable[..., Result]:
    def make(variant: str = "bf16", latency_s: float | None = 0.5, **changes: Any) -> Result:
        session = None if latency_s is None else make_session(latency_s)
        return Result(**{
            "workload": "shapes", "variant": variant, "protocol": "p", "session": session, **changes
        })  # fmt: skip

    return make


@pytest.fixture
def stages() -> Stages:
    return Stages(text_encoders_s=0.01, steps_s=(0.03, 0.02, 0.02), vae_s=0.02, other_s=0.0)


@pytest.fixture
def make_quality() -> Callable[..., Quality]:
    def make(*statuses: PictureStatus, overall: PictureStatus = PictureStatus.OK) -> Quality:
        scores = tuple(
            PictureScore(
                f"prompt {i}",
                status,
                None if status is PictureStatus.BROKEN else 0.98765 - 0.1 * i,
                None if status is PictureStatus.BROKEN else 31.24,
                0.9,
                "" if status is PictureStatus.OK else f"why {i}",
            )
            for i, status in enumerate(statuses)
        )
        return Quality(overall, scores)

    return make
