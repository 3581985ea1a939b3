"""No variant becomes slower than its baseline."""

from __future__ import annotations

from typing import Any

import pytest

from perfsuite.device.clock import now


@pytest.mark.benchmark(group="latency", timer=now, disable_gc=True)
def test_latency(pipeline: Any, latency_gate: Any) -> None:
    """One session is judged against the stored ones of this device."""
    check = latency_gate(pipeline)
    assert check, check.message
