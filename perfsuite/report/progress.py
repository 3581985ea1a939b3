"""Progress while the suite runs: which rung, which phase, how long, how long yet."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Progress:
    """One line a phase; on a terminal the line replaces the one before."""

    def __init__(
        self,
        keys: Sequence[str],
        write: Callable[[str], None],
        *,
        last_time_s: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`keys`: what is to come, in order; `last_time_s`: how long each took the last time."""
        self._keys = list(keys)
        self._write = write
        self._last = dict(last_time_s or {})
        self._clock = clock
        self._began = clock()
        self._entered: dict[str, float] = {}

    def __call__(self, key: str, phase: str) -> None:
        """Say that `key` has entered `phase`."""
        now = self._clock()
        self._entered.setdefault(key, now)
        place = f"{self._keys.index(key) + 1}/{len(self._keys)}" if key in self._keys else "-"
        left = self._left(key, now)
        tail = f", about {_duration(left)} left" if left is not None else ""
        self._write(f"[{place}] {key}: {phase} ({_duration(now - self._began)} elapsed{tail})")

    def _left(self, key: str, now: float) -> float | None:
        """Expected seconds to the end: what each took last time, else the mean of those done."""
        if key not in self._keys:
            return None
        position = self._keys.index(key)
        done = [k for k in self._keys[:position] if k in self._entered]
        typical = (self._entered[key] - self._entered[done[0]]) / len(done) if done else None
        expected = [self._last.get(k, typical) for k in self._keys[position:]]
        if any(seconds is None for seconds in expected):
            return None
        return max(0.0, sum(s for s in expected if s is not None) - (now - self._entered[key]))


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
