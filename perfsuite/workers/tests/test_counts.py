"""No variant does more than it did: operators, arithmetic, weights, kernels, allocations."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.structure
def test_counts(pipeline: Any, count_gate: Any) -> None:
    """What it does is counted and held to the stored counts."""
    check = count_gate(pipeline)
    assert check, check.message
