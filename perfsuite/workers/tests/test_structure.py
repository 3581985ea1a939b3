"""No variant loses what its name says."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.structure

GATES = (
    "engagement", "dtypes", "graphs", "recompilations", "compiled-runs", "cudagraphs", "fallbacks", "syncs",
    "leaks",
)  # fmt: skip


@pytest.mark.parametrize("gate", GATES)
def test_structure(pipeline: Any, structure_gate: Any, gate: str) -> None:
    """One deterministic gate."""
    check = structure_gate(pipeline, gate)
    assert check, check.message


@pytest.mark.structure("layout")
def test_layout(pipeline: Any, structure_gate: Any) -> None:
    """Of the variants that have one."""
    check = structure_gate(pipeline, "layout")
    assert check, check.message
