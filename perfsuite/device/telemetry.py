"""The machine's state around the timed calls: load of others on a CPU, clocks on a GPU."""

from __future__ import annotations

import contextlib
import statistics
from typing import Any

from perfsuite.device import load, nvml


class Conditions:
    """Watches the machine from construction to `finish`, and at every `mark`."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._loads: list[list[load.Reading]] = []
        """Of the processor, before each round and after the last: a list for each unbroken row of rounds."""
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
        self._start = load.read()
        self._between = True

    def mark(self) -> None:
        """A round begins, and the one before it, if any, has ended."""
        if self._kind == "cpu":
            if self._between:
                self._loads.append([])
                self._between = False
            self._loads[-1].append(load.read())
            return
        self.pause()
        if self._states:
            self._rounds.append([self._states[-1]])
            self._inside = True

    def pause(self) -> None:
        """The last round has ended, and the next does not begin yet."""
        if self._kind == "cpu" and not self._between:
            self._loads[-1].append(load.read())
            self._between = True
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

    def contended(self) -> list[int]:
        """Rounds during which others took cores that this process's threads needed, in order; on a GPU none:
        its host has cores to spare, and `Cause.HOST_BOUND` tells where not."""
        found, place = [], 0
        for row in self._loads:
            found += [place + i for i in _needs().contended(row)]
            place += max(0, len(row) - 1)
        return found

    def finish(self) -> dict[str, Any]:
        """Conditions since construction: cores that others kept busy; on a GPU the least, the middle and
        the greatest of each reading."""
        import torch

        self._held.close()
        now = load.read()
        elapsed = max(now.at - self._start.at, 1e-9)
        found: dict[str, Any] = {
            "threads": float(torch.get_num_threads()),
            "cores": float(load.cores()),
            "own_cores_busy": round((now.own - self._start.own) / elapsed, 3),
            "other_cores_busy": round(load.others(self._start, now), 3),
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


def _needs() -> load.Needs:
    import torch

    return load.Needs(torch.get_num_threads(), load.cores())


def _either(values: list[float]) -> int:
    """All reasons that were seen, in one number."""
    seen = 0
    for value in values:
        seen |= int(value)
    return seen
