"""Compiled code computes at every place inside it what eager code computes there."""

import pytest


@pytest.mark.compiled
def test_compiled(pipeline, look_gate):
    """UNet and VAE decoder compiled once more with taps: every one against eager code on the same inputs."""
    check = look_gate(pipeline, "compiled")
    assert check, check.message
