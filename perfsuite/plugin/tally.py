"""What was to be judged and what was, counted by the properties of the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

ASKED, JUDGED = "perfsuite.asked", "perfsuite.judged"
"""Properties of a test, which come to this process from workers too, and into JUnit files."""


class Tally:
    """Counts what was to be judged and what was, in the process that has all reports."""

    def __init__(self) -> None:
        self.asked: dict[str, str] = {}
        """``workload/variant``, and why its tests were skipped."""
        self.judged: set[str] = set()
        self._settled: set[str] = set()
        self._silent: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Read the properties of a test."""
        found = dict(report.user_properties)
        key = found.get(ASKED)
        if not isinstance(key, str):
            return
        self.asked.setdefault(key, "")
        self._silent.setdefault(report.nodeid, "")
        if report.skipped and isinstance(report.longrepr, tuple):
            why = str(report.longrepr[2]).removeprefix("Skipped: ")
            self.asked[key] = self._silent[report.nodeid] = why
        if JUDGED in found:
            self.judged.add(key)
        if JUDGED in found or report.failed:
            self._settled.add(report.nodeid)

    @property
    def nothing(self) -> bool:
        """Whether something was to be judged, and nothing was."""
        return bool(self.asked) and not self.judged

    @property
    def silent(self) -> dict[str, str]:
        """Tests that were to judge, and neither did nor failed: why they were skipped, empty where they were
        not."""
        return {test: why for test, why in self._silent.items() if test not in self._settled}
