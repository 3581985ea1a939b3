"""What is being done, on the terminal, past pytest's capture."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from perfsuite.plugin.collection import pair_of, why_not
from perfsuite.report.progress import LiveLine, Progress, SlowPhases, is_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest

    from perfsuite.bench.workbench import Workbench
    from perfsuite.report.progress import Line


class StatusLine:
    """Shows progress past pytest's capture: on a terminal one line in place, elsewhere what took long."""

    def __init__(self, config: pytest.Config) -> None:
        plugins: Any = config.pluginmanager
        self._reporter: Any = plugins.get_plugin("terminalreporter")
        self._capture: Any = plugins.get_plugin("capturemanager")
        self._shown: LiveLine | SlowPhases | None = None
        if self._reporter is None or self._capture is None or config.option.verbose < 0:
            return
        if is_plain(os.environ) or not self._reporter.isatty:
            self._shown = SlowPhases(self._write)
            return
        writer = self._reporter._tw
        # Where tests write to the terminal themselves, nobody knows where its cursor is a second later.
        ticks = config.option.capture in ("fd", "sys")

        def column() -> int:
            return int(writer.width_of_current_line % writer.fullwidth + 1)

        self._shown = LiveLine(writer._file, lambda: writer.fullwidth, column, ticks=ticks)

    def __call__(self, line: Callable[[], Line]) -> None:
        """A phase begins."""
        if self._shown is not None:
            with self._capture.global_and_fixture_disabled():
                self._shown.show(line)

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self.clear()
        if self._reporter is not None and self._capture is not None:
            with self._capture.global_and_fixture_disabled():
                self._reporter.ensure_newline()
                self._reporter.write_line(text)

    def clear(self) -> None:
        """The phase is over: take the line in place away."""
        if self._shown is not None:
            with self._capture.global_and_fixture_disabled():
                self._shown.clear()

    def _write(self, line: Line) -> None:
        self._reporter.ensure_newline()
        self._reporter.write_line(line.fit(self._reporter._tw.fullwidth, cut=False))


def progress_of(items: Sequence[pytest.Item], bench: Workbench, line: StatusLine) -> Progress:
    """Progress over what will be run of the items, shown on this line."""
    pairs = dict.fromkeys(pair for item in items if (pair := pair_of(item)) is not None)
    keys = [f"{w.name} {v.name}" for w, v in pairs if why_not(w, v, bench.device, bench.settings) is None]
    stored = bench.baselines.entries.values() if bench.baselines else ()
    last = {f"{e.workload} {e.variant}": e.sessions[-1].wall_s for e in stored}
    compiled = {f"{w.name} {v.name}": v.compiled for w, v in pairs}
    return Progress(keys, line, last_time_s=last, kinds=compiled)
