"""A variant is there as soon as its baseline."""

from __future__ import annotations

from typing import Any


def test_start(pipeline: Any, start_gate: Any) -> None:
    """Each part of the start of the session that was timed."""
    check = start_gate(pipeline)
    assert check, check.message
