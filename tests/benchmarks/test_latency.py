"""The product's main job: no rung of the ladder becomes slower than its baseline."""

import pytest

from perfsuite.device.clock import now


@pytest.mark.benchmark(group="latency", timer=now, disable_gc=True)
def test_latency(pipeline, latency_gate):
    """One session of the rung is judged against the stored sessions of this device."""
    check = latency_gate(pipeline)
    assert check, check.message
