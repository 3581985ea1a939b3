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

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Read the properties of a test."""
        found = dict(report.user_properties)
        key = found.get(ASKED)
        if not isinstance(key, str):
            return
        self.asked.setdefault(key, "")
        if report.skipped and isinstance(report.longrepr, tuple):
            self.asked[key] = str(report.longrepr[2]).removeprefix("Skipped: ")
        if JUDGED in found:
            self.judged.add(key)

    @property
    def nothing(self) -> bool:
        """Whether something was to be judged, and nothing was."""
        return bool(self.asked) and not self.judged
