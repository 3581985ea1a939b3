"""Progress while the suite runs: which rung, which phase, how long, how long yet."""

from __future__ import annotations

import itertools
import os
import statistics
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TextIO

from perfsuite.report.format import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_TIMED = ("warm-up", "round", "relative latency", "stages", "limits")
"""In the names of phases during which calls are timed: nothing else may run then."""


def may_tick(phase: str) -> bool:
    """Whether a thread may wake once a second in this phase without being measured along."""
    return not any(word in phase for word in _TIMED)


@dataclass(frozen=True)
class Line:
    """What is to be said, for a terminal of any width."""

    place: str
    """``2/6``, or a dash for what is not counted."""
    key: str
    phase: str
    elapsed: str
    left: str
    """Empty where nobody can tell."""

    def fit(self, width: int, *, cut: bool = True) -> str:
        """As one line of at most `width` characters: some words go first, then the end of the phase.

        Without `cut` nothing but words that explain go, though the line may then be longer.
        """
        times = f" ({self.elapsed} elapsed{f', {self.left}' if self.left else ''})"
        short = f" ({self.elapsed}{f', {self.left}' if self.left else ''})"
        text = f"[{self.place}] {self.key}: {self.phase}"
        for tail in (times, short):
            if len(text + tail) <= width:
                return text + tail
        if not cut:
            return text + short
        room = width - len(short) - 1
        return f"{text[:room]}…{short}" if room > len(self.place) + 8 else f"{text[: width - 1]}…"


class Progress:
    """Tells its reader at each phase what makes its line: `LiveLine`, or `SlowPhases`."""

    def __init__(
        self,
        keys: Sequence[str],
        write: Callable[[Callable[[], Line]], None],
        *,
        last_time_s: Mapping[str, float] | None = None,
        kinds: Mapping[str, object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`keys`: what is to come, in order; `last_time_s`: how long each took the last time; `kinds`: those
        of an equal one take about as long.

        `write` is given what makes the line, so that it can be made again as time goes by.
        """
        self._keys = list(keys)
        self._write = write
        self._last = dict(last_time_s or {})
        self._kinds = dict(kinds or {})
        self._clock = clock
        self._began = clock()
        self._entered: dict[str, float] = {}
        self._now: tuple[str, str] = ("", "")

    def __call__(self, key: str, phase: str) -> None:
        """Say that `key` has entered `phase`."""
        self._now = key, phase
        self._entered.setdefault(key, self._clock())
        self._write(self.line)

    def line(self) -> Line:
        """The latest, as it is to be said now."""
        (key, phase), now = self._now, self._clock()
        place = f"{self._keys.index(key) + 1}/{len(self._keys)}" if key in self._keys else "-"
        return Line(place, key, phase, duration(now - self._began), self._left(key, now))

    def _left(self, key: str, now: float) -> str:
        """What is left, as surely as that is known.

        ``about``: what each took the last time, times how this run compares with that so far (it may compile
        what the last one found, or draw pictures besides). ``perhaps``: the mean of those of its kind.
        ``at least``: one of its kind has not been seen, or the present one takes longer than expected.
        """
        if key not in self._keys:
            return ""
        position = self._keys.index(key)
        took = self._took(position)
        guesses = [self._expect(k, took) for k in self._keys[position:]]
        if any(seconds is None for seconds, _ in guesses):
            return ""
        own, *others = (seconds for seconds, _ in guesses if seconds is not None)
        spent = now - self._entered[key]
        if spent > own and not others:
            return "longer than expected"
        word = "at least" if spent > own else max((w for _, w in guesses), key=_WORDS.index)
        return f"{word} {duration(max(0.0, own - spent) + sum(others))} left"

    def _took(self, position: int) -> dict[str, float]:
        """Seconds of each that was done before the one at `position`."""
        entered = [k for k in self._keys[: position + 1] if k in self._entered]
        pairs = itertools.pairwise(entered)
        return {a: self._entered[b] - self._entered[a] for a, b in pairs}

    def _expect(self, key: str, took: Mapping[str, float]) -> tuple[float | None, str]:
        if key in self._last:
            known = [k for k in took if k in self._last]
            before = sum(self._last[k] for k in known)
            return self._last[key] * (sum(took[k] for k in known) / before if before else 1.0), "about"
        alike = [took[k] for k in took if self._kinds.get(k) == self._kinds.get(key)]
        if alike:
            return statistics.mean(alike), "perhaps"
        return (statistics.mean(took.values()), "at least") if took else (None, "at least")


_WORDS = ("about", "perhaps", "at least")
"""From what is known to what is not."""


def is_plain(environment: Mapping[str, str]) -> bool:
    """Whether to move no cursor: for whoever keeps a log, has no such terminal, or asked for plain text."""
    return environment.get("TERM") == "dumb" or any(
        environment.get(name) for name in ("CI", "BUILD_NUMBER", "NO_COLOR")
    )


WORTH_A_LINE_S = 10.0
"""Longer than the timed rounds of a usual budget: what remains is what somebody waits for."""


class SlowPhases:
    """For a log: a line for each phase that took long, once it is over."""

    def __init__(self, write: Callable[[Line], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._phase: tuple[Callable[[], Line], Line, float] | None = None
        """What makes the line, what it was at the beginning, and when that was."""

    def show(self, line: Callable[[], Line]) -> None:
        """End the phase before, and begin the one that `line()` names."""
        self.clear()
        self._phase = line, line(), self._clock()

    def clear(self) -> None:
        """End the phase, if there is one: say so if it took long."""
        if self._phase is None:
            return
        line, first, began = self._phase
        self._phase = None
        took = self._clock() - began
        if took >= WORTH_A_LINE_S:
            now = line()
            phase = f"{first.phase} took {duration(took)}"
            self._write(replace(first, phase=phase, elapsed=now.elapsed, left=now.left))


class LiveLine:
    """One line in place on a terminal, below the cursor, which stays where somebody else writes.

    While nothing is timed it is renewed once a second, by a thread.
    """

    def __init__(
        self,
        stream: TextIO,
        width: Callable[[], int],
        column: Callable[[], int],
        *,
        ticks: bool = True,
        seconds: float = 1.0,
    ) -> None:
        """`column`: of the cursor, from 1. Without `ticks` there is no thread."""
        self._stream, self._width, self._column = stream, width, column
        self._ticks, self._seconds = ticks, seconds
        self._shown = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def show(self, line: Callable[[], Line]) -> None:
        """Show `line()` in place of what was shown; `stream` must be the terminal at this moment."""
        self._rest()
        first = line()
        self._write(self._sequence(first.fit(self._width() - 1)))
        self._shown = True
        if self._ticks and may_tick(first.phase):
            self._stop = threading.Event()
            # Of its own: what `stream` writes to may change meanwhile, as pytest captures file descriptor 1.
            terminal = os.dup(self._stream.fileno())
            self._thread = threading.Thread(target=self._renew, args=(line, terminal), daemon=True)
            self._thread.start()

    def clear(self) -> None:
        """Take the line away, if there is one."""
        self._rest()
        if self._shown:
            self._write(self._sequence(""))
            self._shown = False

    def _rest(self) -> None:
        """End the thread: nothing is written by it after this."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _renew(self, line: Callable[[], Line], terminal: int) -> None:
        try:
            while not self._stop.wait(self._seconds):
                os.write(terminal, self._sequence(line().fit(self._width() - 1)).encode())
        finally:
            os.close(terminal)

    def _sequence(self, text: str) -> str:
        # In one piece, so that nothing flickers.
        return f"\n\r\x1b[2K{text}\x1b[A\x1b[{self._column()}G"

    def _write(self, text: str) -> None:
        # Not by the owner's own writer: it would count these characters to its line.
        self._stream.write(text)
        self._stream.flush()
