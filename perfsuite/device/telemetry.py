"""The machine's state around the timed calls: load of others on a CPU, clocks on a GPU."""

from __future__ import annotations

import contextlib
import statistics
import time
from typing import Any

from perfsuite.device import nvml


class Conditions:
    """Watches the machine from construction to `finish`; on a GPU also at every `mark`."""

    def __init__(self, kind: str) -> None:
        import psutil

        self._kind = kind
        self._process = psutil.Process()
        self._states: list[dict[str, float]] = []
        self._rounds: list[list[dict[str, float]]] = []
        """The GPU's states before and after each."""
        self._inside = False
        self._unread = ""
        """Why the GPU's state cannot be read."""
        self._held = contextlib.ExitStack()
        if kind == "cuda":
            try:
                self._held.enter_context(nvml.held())
            except nvml.NoNvmlError as error:
                self._unread = str(error)
        self._start = self._reading()

    def _reading(self) -> tuple[float, float, float]:
        import psutil

        every, own = psutil.cpu_times(), self._process.cpu_times()
        # Guest time is part of user time; stolen time is neither idle nor any process's.
        busy = every.user + every.system + every.nice + getattr(every, "steal", 0.0)
        return time.monotonic(), busy, own.user + own.system

    def mark(self) -> None:
        """A round begins, and the one before it, if any, has ended."""
        self.pause()
        if self._states:
            self._rounds.append([self._states[-1]])
            self._inside = True

    def pause(self) -> None:
        """The last round has ended, and the next does not begin yet."""
        if self._kind != "cuda" or self._unread:
            return
        try:
            self._states.append(nvml.state())
        except nvml.NoNvmlError as error:
            self._unread = str(error)
            return
        if self._inside:
            self._rounds[-1].append(self._states[-1])
            self._inside = False

    def throttled(self) -> list[int]:
        """Rounds before or after which the GPU had lowered its clocks for heat or hardware, in order."""
        return [
            index
            for index, states in enumerate(self._rounds)
            if any(int(s.get("throttle_reasons", 0)) & nvml.HARMFUL for s in states)
        ]

    def finish(self) -> dict[str, Any]:
        """Conditions since construction: cores that others kept busy; on a GPU the least, the middle and
        the greatest of each reading."""
        import torch

        self._held.close()
        then, busy_then, own_then = self._start
        now, busy, own = self._reading()
        elapsed = max(now - then, 1e-9)
        found: dict[str, Any] = {
            "threads": float(torch.get_num_threads()),
            "own_cores_busy": round((own - own_then) / elapsed, 3),
            "other_cores_busy": round(max(0.0, (busy - busy_then) - (own - own_then)) / elapsed, 3),
        }
        if self._unread:
            found["nvml"] = self._unread
        for name in dict.fromkeys(name for state in self._states for name in state):
            values = [state[name] for state in self._states if name in state]
            if name == "throttle_reasons":
                found["throttle_reasons"] = float(_either(values))
                continue
            for word, value in (
                ("min", min(values)), ("median", statistics.median(values)), ("max", max(values))
            ):  # fmt: skip
                found[f"{name}_{word}"] = value
        return found


def _either(values: list[float]) -> int:
    """All reasons that were seen, in one number."""
    seen = 0
    for value in values:
        seen |= int(value)
    return seen
