"""A run with all that a result can hold, beside one that has next to nothing."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from perfsuite.records import (
    Cause,
    CodeSource,
    Compilation,
    Device,
    PictureScore,
    PictureStatus,
    Quality,
    Relative,
    Result,
    Run,
    Session,
    Stages,
    Status,
    Verdict,
)

SAMPLES = (0.1234567890123456, 0.2345678901234567, 0.3456789012345678, 0.1111111111111111)
"""Seconds, with every digit that a float has."""


@pytest.fixture
def full_run(make_result: Callable[..., Result], make_session: Callable[..., Session]) -> Run:
    """Float32 with little, and a compiled rung with everything, on a CPU."""
    session = make_session(
        latency_s=0.5,
        stages=Stages(0.01, (0.021, 0.022), 0.03, 0.001),
        relative=Relative("fp32", (0.51, 0.52, 0.53)),
        compile_s=12.3456789,
        compilation=Compilation(CodeSource.COLD, 0, 3),
        commit="abc1234",
        peak_memory_bytes=1234567891,
    )
    session = replace(session, latency_s=SAMPLES)
    verdict = Verdict(
        Status.REGRESSED, ratio=1.2345678, interval=(1.1, 1.3), confidence=0.95,
        minimum_detectable_effect=0.08, tolerance=0.04, baseline_s=0.1987654321, baseline_sessions=5,
        causes=(Cause.SLOW_TAIL,), detail="slower",
    )  # fmt: skip
    scores = (
        PictureScore("a cat", PictureStatus.OK, 0.98765, 31.2, 0.9, flip=0.0123),
        PictureScore("a dog", PictureStatus.DEGRADED, 0.87654, 25.1, 0.9),
    )
    compiled = make_result(
        "bf16-sdpa-compile", session=session, verdict=verdict,
        quality=Quality(PictureStatus.DEGRADED, scores), evidence=("compile: 3 graphs",),
    )  # fmt: skip
    device = Device("cpu", "Example CPU", "cpu-example-2t", 2, 17179869185, {"system": "Linux"})
    return Run("r", "2025-01-02T03:04:05+00:00", device, (make_result("fp32", 1.0), compiled))
