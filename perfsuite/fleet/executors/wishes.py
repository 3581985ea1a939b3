"""What a supervisor waits for, and why it gives up. The standard library alone."""

from __future__ import annotations

import contextlib
import os
import select
import signal


class MachineError(Exception):
    """The machine cannot run it; the message says why and what helps."""


class StoppedError(Exception):
    """Whoever asked wants no answer any more."""


class Wishes:
    """What wakes the supervisor: a child's end, a signal, a word on its input or the input's end."""

    def __init__(self, listen: bool) -> None:
        self._awake, wake = os.pipe()
        for end in (self._awake, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        # Ray starts its processes with the interrupt blocked, and a block would inherit that.
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        self._listen = listen
        self.stopped = False
        self.signal = ""
        """The name of that by which it was stopped."""

    def _stop(self, number: int, *_: object) -> None:
        self.stopped = True
        self.signal = signal.Signals(number).name

    def wait(self, seconds: float) -> None:
        """Until something happens, at most so long."""
        watched = [self._awake, *([0] if self._listen else [])]
        ready, _, _ = select.select(watched, [], [], max(seconds, 0))
        if self._awake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._awake, 4096)
        if 0 in ready:
            # A word, or the end of the input: whoever asked has gone.
            os.read(0, 4096)
            self.stopped, self._listen = True, False
