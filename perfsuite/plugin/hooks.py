"""What is done after each test, and once at the end of the run."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from perfsuite.plugin.annotations import annotate, pass_on
from perfsuite.plugin.options import repeated
from perfsuite.plugin.stash import BENCH, SETTINGS, STATUS_LINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfsuite.bench.workbench import Workbench


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Clear the line for what pytest writes about the test, and pass on what GitHub is to show there."""
    report: Any = yield
    status_line = item.config.stash.get(STATUS_LINE, None)
    if status_line is not None and not (report.when == "setup" and report.passed):
        status_line.clear()
    pass_on(item, report)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write baselines and summary once, after all tests; also after Ctrl-C, with what was finished."""
    from perfsuite.report import terminal
    from perfsuite.store import StoreError

    status_line = session.config.stash.get(STATUS_LINE, None)
    if status_line is not None:
        status_line.clear()
    bench = session.config.stash.get(BENCH, None)
    if bench is None:
        return
    if not hasattr(session.config, "workerinput"):  # a worker of xdist has a part of the run only
        _summarize(bench, interrupted=exitstatus == pytest.ExitCode.INTERRUPTED)
    _write_report(session, bench)
    try:
        made = bench.update_baselines()
    except StoreError as error:
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
        bench.closing_lines.append(f"ERROR: baselines not updated: {error}")
        return
    if bench.lost and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    bench.closing_lines.extend(terminal.changes(made, str(bench.store.path(bench.device.slug))))
    bench.closing_lines.extend(terminal.changes(bench.counted_changes, str(bench.counting.store.path)))


def _write_report(session: pytest.Session, bench: Workbench) -> None:
    """Write the page, from files alone; before the baselines change, which it compares with."""
    from perfsuite.report import html
    from perfsuite.store import StoreError

    folder = bench.settings.report
    if folder is None:
        return
    try:
        bench.begin()
        page = html.write([bench.settings.results], folder, bench.settings.baselines)
    except StoreError as error:
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
        bench.closing_lines.append(f"ERROR: no report: {error}")
        return
    bench.closing_lines.append(f"report {page}")


def _summarize(bench: Workbench, *, interrupted: bool) -> None:
    """Append the run to the summary of this step on GitHub, where it is one and anything was begun."""
    from perfsuite.report import github, markdown

    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path or not bench.results:
        return
    note = "The run was interrupted: this is what was finished." if interrupted else ""
    try:
        with open(path, "ab") as file:
            spare = github.MOST_SUMMARY_BYTES - file.tell() - 2
            stored = {bench.device.slug: bench.baselines}
            text = markdown.summary([bench.run()], stored, most_bytes=spare, note=note)
            file.write(f"\n{text}\n".encode() if text else b"")
    except OSError as error:
        bench.closing_lines.append(f"ERROR: no summary for GitHub: {path}: {error.strerror}")
        return
    if not text:
        bench.closing_lines.append(f"no room for a summary in {path}: GitHub shows 1 MiB a step")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    from perfsuite.report import counts, terminal
    from perfsuite.report import format as show

    if os.environ.get("GITHUB_ACTIONS") == "true":
        annotate(terminalreporter, config)
    bench = config.stash.get(BENCH, None)
    if bench is None and config.stash[SETTINGS].report is not None:
        terminalreporter.write_line("perfsuite: no report: no test of this run measured anything")
    if bench is None or not (bench.results or bench.closing_lines):
        return
    terminalreporter.section("perfsuite")
    colour, width = terminalreporter.hasmarkup, terminalreporter._tw.fullwidth
    measured = [r for r in bench.results if r.session is not None or r.quality is not None]
    if measured:
        for line in terminal.ladder(measured, bench.device, colour=colour, width=width).splitlines():
            terminalreporter._tw.line(line)
    found = [
        *terminal.published(measured),
        *terminal.stages(measured, width),
        *terminal.remarks(measured, repeated(config)),
        *counts.remarks(bench.results),
        *bench.closing_lines,
        f"results {bench.settings.results}",
    ]
    for line in found:
        # In a file a line is a statement, for whoever searches it.
        for part in show.wrapped(line, width) if terminalreporter.isatty else [line]:
            terminalreporter.write_line(part)
    sys.stdout.flush()
