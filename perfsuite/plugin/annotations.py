"""What GitHub shows at a test: from the gate that says it to a line of the log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from perfsuite.plugin.stash import SAID


def say(request: pytest.FixtureRequest, level: str, title: str, message: str) -> None:
    """Keep what GitHub is to show at this test."""
    request.node.stash[SAID] = [level, f"perfsuite: {title}", message]


def pass_on(item: pytest.Item, report: Any) -> None:
    """Give the report of a test's call what GitHub is to show at it."""
    said = item.stash.get(SAID, None)
    if said is not None and report.when == "call":
        # An attribute of the report, for that comes to this process from workers too.
        report.perfsuite_said = said


def annotate(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Lines of the log that GitHub shows at the tests: those of this suite that failed, and what waits for
    a person though it passed."""
    from perfsuite.report import github

    found = []
    for report in (r for of_kind in terminalreporter.stats.values() for r in of_kind):
        ours = any(name.startswith("perfsuite.") for name, _ in getattr(report, "user_properties", ()))
        if not ours or not isinstance(report, pytest.TestReport):
            continue
        said = getattr(report, "perfsuite_said", None)
        if said is None and report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            message = crash.message if crash is not None else report.longreprtext
            said = ["error", f"perfsuite: {report.head_line} failed in {report.when}", message]
        if said is not None:
            level, title, message = said
            file, line, _ = report.location
            found.append(
                github.Annotation(level, title, message, _in_repository(file, config), (line or 0) + 1)
            )
    for text in github.commands(found):
        terminalreporter.ensure_newline()
        terminalreporter._tw.line(text)


def _in_repository(file: str, config: pytest.Config) -> str:
    """The test's file as GitHub names it: from the root of the checkout, with slashes."""
    path = (config.rootpath / file).resolve()
    root = Path(os.environ.get("GITHUB_WORKSPACE") or config.rootpath).resolve()
    return (path.relative_to(root) if path.is_relative_to(root) else Path(file)).as_posix()
