"""A session of plain figures, for tests of what is done with sessions."""

from typing import Any

from perfsuite.records import Session


def make_session(**changes: Any) -> Session:
    """One session of one second, with these fields in place of the usual ones."""
    usual: dict[str, Any] = {
        "id": "s",
        "date": "2025-01-02T03:04:05+00:00",
        "latency_s": (1.0,),
        "peak_memory_bytes": 1,
        "first_call_s": 1.0,
        "compile_s": None,
        "warmup_s": (1.0,),
        "warmup_steady": True,
        "stages": None,
        "versions": {},
        "conditions": {},
        "wall_s": 9.0,
    }
    return Session(**{**usual, **changes})
