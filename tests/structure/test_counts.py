"""No rung of the ladder does more than it did: operators, arithmetic, weights, kernels, allocations."""

import pytest


@pytest.mark.structure
def test_counts(pipeline, count_gate):
    """What the rung does is counted and held to the stored counts; nothing is timed."""
    check = count_gate(pipeline)
    assert check, check.message
