"""A variant takes no more memory than its baseline, and none that it keeps with every call."""

from __future__ import annotations

from typing import Any


def test_memory(pipeline: Any, memory_gate: Any) -> None:
    """Peak and growth of the session that was timed."""
    check = memory_gate(pipeline)
    assert check, check.message
