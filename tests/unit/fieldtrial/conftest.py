"""Kept sessions of a machine that is quiet, or noisy beside other work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sessions import make_session

from perfsuite.fieldtrial.sessions import folder_of
from perfsuite.records import Device, Relative, Result, Session, Stages
from perfsuite.store import ResultsWriter

DEVICE = Device("cpu", "Some CPU", "some-cpu", 2, 1 << 30)
SPREAD = {"quiet": 0.002, "burst": 0.02, "busy": 0.1}
STAGES = Stages(0.02, (0.09,) * 10, 0.06, 0.02)


@pytest.fixture
def keep(tmp_path: Path) -> Callable[..., Path]:
    """Write moments of a load and work, as a trial keeps them; the trial's folder."""
    rng = np.random.default_rng(4)

    def session(load: str, factor: float, number: int) -> Session:
        shift = rng.normal(0, SPREAD[load])
        latency_s = factor * np.exp(shift + rng.normal(0, SPREAD[load], 8))
        relative = Relative("fp32", tuple((latency_s / 2).tolist()))
        date = f"2025-01-{number + 1:02}T03:04:05+00:00"
        return make_session(date=date, latency_s=tuple(latency_s.tolist()), relative=relative, stages=STAGES)

    def write(load: Any, slower: int, count: int, variants: tuple[str, ...] = ("fp32-sdpa", "bf16")) -> Path:
        for number in range(count):
            path = folder_of(tmp_path, load, slower) / f"{number}.jsonl"
            writer = ResultsWriter(path, str(number), "2025-01-02T03:04:05+00:00", DEVICE)
            for variant in variants:
                more = slower / 100 if variant.startswith("bf16") else 0.0
                writer.add(Result("shapes", variant, "p", session=session(load, 1 + more, number)))
        return tmp_path

    return write
