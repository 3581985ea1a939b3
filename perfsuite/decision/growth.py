"""Does memory grow with every call? A slope and its interval, without a baseline.

The slope is the median of those between all pairs of calls (Theil 1950, Sen 1968), and its interval Sen's,
from Kendall's tau: caches that warm up are a few steps, which hardly move the median of the pairs, and their
interval reaches down to no growth at all. Only a leak is as steep everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from perfsuite.records import Cause, Quantity, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfsuite.records import Memory

CONFIDENCE = 0.99
ALLOWED_BYTES = 15_000
"""A call, of what allocators have given out: fifteen megabytes after a thousand pictures. Honest calls show
up to nine thousand: garbage that waits for its collection, and the readings that are kept of each round."""
ALLOWED_RESIDENT_BYTES = 250_000
"""A call, of the resident set, which moves in steps of whatever the allocators take of the system."""
ALLOWED_COUNT = 0.25
"""A call, of threads and of open files: honest calls keep none."""
WARMING = 0.2
"""Share of the first calls that is not looked at."""
LEAST = 5
"""Figures that can show a slope."""


class Slope(NamedTuple):
    """Bytes, or a number, a call."""

    value: float
    low: float
    high: float
    calls: int


def slope(held: Sequence[int]) -> Slope | None:
    """The slope of memory over calls, without the first ones; None where there are too few."""
    from scipy.stats import theilslopes

    kept = _warm(held)
    if len(kept) < LEAST:
        return None
    found = theilslopes(kept, alpha=CONFIDENCE)
    return Slope(float(found[0]), float(found[2]), float(found[3]), len(kept) - 1)


def _warm(held: Sequence[int]) -> list[int]:
    """Without the first calls, which set up what stays: hundreds of kilobytes that are no leak."""
    return list(held[max(1, round(WARMING * len(held))) :])


def _kilobytes(size: float) -> str:
    return f"{size / 1000:.1f} kB"


def _count(number: float) -> str:
    return f"{number:.2f}"


def judge_growth(
    held: Sequence[int],
    collected: int | None,
    allowed: float,
    show: Callable[[float], str] = _kilobytes,
) -> Verdict:
    """REGRESSED where even the lower limit of the slope is beyond what is allowed, and what grew is still
    there when the garbage of all calls is collected; OK where the upper limit is within.

    Args:
        held: bytes before each call and after the last.
        collected: bytes once garbage is collected; None where that says nothing, as of the resident set.
        allowed: bytes a call.
        show: says such a figure.
    """
    found = slope(held)
    if found is None:
        detail = "too few calls to see it grow"
        return Verdict(Status.INCONCLUSIVE, causes=(Cause.FEW_SESSIONS,), detail=detail)
    said = (
        f"it grows by {show(found.value)} a call ({CONFIDENCE * 100:.0f} % interval "
        f"{show(found.low)} to {show(found.high)}, {found.calls} calls); "
        f"allowed are {show(allowed)}"
    )
    if found.low <= allowed:
        status = Status.OK if found.high <= allowed else Status.INCONCLUSIVE
        return Verdict(status, confidence=CONFIDENCE, detail=said)
    warm = _warm(held)
    stays = (held[-1] if collected is None else collected) - warm[0]
    if stays < 0.5 * found.low * found.calls:
        said += f"; of it {show(stays)} stay once garbage is collected, so nothing keeps it"
        return Verdict(Status.OK, confidence=CONFIDENCE, detail=said)
    return Verdict(Status.REGRESSED, confidence=CONFIDENCE, detail=said)


def growths(memory: Memory, *, exact: bool) -> list[Quantity]:
    """Of each kind of memory that a session looked at, judged.

    Args:
        memory: what the process held around its calls.
        exact: whether what it held is what allocators have given out, not the resident set.
    """
    held = ALLOWED_BYTES if exact else ALLOWED_RESIDENT_BYTES
    found = [_grown("growth", memory.held_bytes, memory.collected_bytes, held)]
    if exact:
        found.append(_grown("resident growth", memory.resident_bytes, None, ALLOWED_RESIDENT_BYTES))
    if memory.device_bytes:
        kept = memory.device_collected_bytes
        found.append(_grown("device growth", memory.device_bytes, kept, ALLOWED_BYTES))
    for name, counted, left in (
        ("thread growth", memory.threads, None),
        ("file growth", memory.files, memory.files_collected),
    ):
        if any(counted):
            verdict = judge_growth(counted, left, ALLOWED_COUNT, _count)
            many = slope(counted)
            found.append(Quantity(name, "a call", many.value if many else 0.0, verdict))
    return found


def _grown(name: str, held: Sequence[int], collected: int | None, allowed: float) -> Quantity:
    found = slope(held)
    return Quantity(
        name, "bytes a call", found.value if found else 0.0, judge_growth(held, collected, allowed)
    )
