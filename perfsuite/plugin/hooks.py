"""What is done after each test, and once at the end of the run."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perfsuite.pipelines.variants import LADDER
from perfsuite.plugin import asking, nightly
from perfsuite.plugin.annotations import annotate, pass_on
from perfsuite.plugin.collection import pair_of
from perfsuite.plugin.fixtures import forget_last_failure
from perfsuite.plugin.options import repeated
from perfsuite.plugin.stash import BENCH, CLOSING, LEFT_OUT, SETTINGS, STATUS_LINE

if TYPE_CHECKING:
    from collections.abc import Container, Generator, Iterable, Iterator, Sequence

    from perfsuite.bench.workbench import Workbench
    from perfsuite.records import Result

_TABLE: dict[str, object] = {
    "verbose": False, "columns": None, "sort": "min", "group_by": "group", "name": "normal", "compare": [],
    "compare_fail": None, "histogram": [], "cprofile": None,
}  # fmt: skip
"""Options of pytest-benchmark that ask for its table, with their defaults."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Clear the line for what pytest writes about the test, and pass on what GitHub is to show there."""
    report: Any = yield
    status_line = item.config.stash.get(STATUS_LINE, None)
    if status_line is not None and not (report.when == "setup" and report.passed):
        status_line.clear()
    pass_on(item, report)
    return report


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Between a test with a pipeline and one without release it: the other finds torch as it was."""
    bench = item.config.stash.get(BENCH, None)
    if bench is not None and pair_of(item) is not None and nextitem is not None and pair_of(nextitem) is None:
        bench.put_away()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write baselines and summary once, after all tests; also after Ctrl-C, with what was finished."""
    status_line = session.config.stash.get(STATUS_LINE, None)
    if status_line is not None:
        status_line.clear()
    bench = session.config.stash.get(BENCH, None)
    session.config.stash[CLOSING] += asking.close(session, bench, exitstatus)
    if bench is None:
        return
    forget_last_failure()
    # What was cut off still holds its pipeline.
    whole = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    if whole and not bench.look_back():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if not hasattr(session.config, "workerinput"):  # a worker of xdist has a part of the run only
        _summarize(bench, interrupted=exitstatus == pytest.ExitCode.INTERRUPTED)
    if bench.lost and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    # The page tells of a baseline that this run began; a reset takes away what it compares with.
    steps = [_update_baselines, _write_report]
    for step in reversed(steps) if bench.settings.update == "reset" else steps:
        step(session, bench)
    nightly.add_run(session, bench, _near(bench.ledger.path))


def _update_baselines(session: pytest.Session, bench: Workbench) -> None:
    from perfsuite.report import terminal
    from perfsuite.store import StoreError

    try:
        made = bench.update_baselines()
    except StoreError as error:
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
        bench.closing_lines.append(f"ERROR: baselines not updated: {error}")
        return
    bench.closing_lines.extend(terminal.changes(made, str(_near(bench.store.path(bench.device.slug)))))
    bench.closing_lines.extend(terminal.changes(bench.counted_changes, str(_near(bench.counting.store.path))))


def _write_report(session: pytest.Session, bench: Workbench) -> None:
    """Write the page, from files alone."""
    from perfsuite.report import html
    from perfsuite.store import StoreError

    folder = bench.settings.report
    if folder is None:
        return
    try:
        bench.ledger.begin()
        page = html.write([bench.ledger.path], folder, bench.settings.baselines)
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


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_benchmark_group_stats(config: pytest.Config) -> Generator[None, Any, Any]:
    """Keep latencies out of pytest-benchmark's table, which is wider than most terminals and says no more
    than the suite's own: unless it was asked for, by an option for how it looks or what it compares."""
    groups = yield
    if any(config.getoption(f"benchmark_{name}") != default for name, default in _TABLE.items()):
        return groups
    others = [(name, [b for b in of if "verdict" not in b["extra_info"]]) for name, of in groups]
    return [(name, of) for name, of in others if of]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Iterator[None]:
    """Write the suite's section after all that others say at the end, pytest's list of failures included."""
    try:
        return (yield)
    finally:
        if os.environ.get("GITHUB_ACTIONS") == "true":
            annotate(terminalreporter, config)
        _write_section(terminalreporter, config)
        sys.stdout.flush()


def _write_section(reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Sentence, table, remarks, what was written, what to do next."""
    from perfsuite.report import figures, terminal
    from perfsuite.report import format as show

    bench = config.stash.get(BENCH, None)
    if bench is None:
        lines = [*config.stash[CLOSING]]
        if config.stash[SETTINGS].report is not None:
            lines.append("no report: no test of this run measured anything")
        if config.stash[SETTINGS].history is not None:
            lines.append("nothing for the history: no test of this run measured anything in this process")
        for line in lines:
            reporter.write_line(f"perfsuite: {line}")
    if bench is None or not (bench.results or bench.closing_lines or config.stash[CLOSING]):
        return
    colour, width = reporter.hasmarkup, reporter._tw.fullwidth

    def write(lines: Iterable[str], **markup: bool) -> None:
        for line in lines:
            # In a file a line is a statement, for whoever searches it.
            for part in show.wrapped(line, width) if reporter.isatty else [line]:
                reporter.write_line(part, **markup)

    reporter.ensure_newline()
    reporter.section("perfsuite")
    measured = [r for r in bench.results if not figures.is_blank(r)]
    if bench.results:
        write([_sentence(reporter, bench)], bold=True)
    if measured:
        for line in terminal.ladder(measured, bench.device, colour=colour, width=width).splitlines():
            reporter._tw.line(line)
    write([*terminal.published(measured), *terminal.stages(measured, width)])
    write(_closing(bench, measured, config))


def _sentence(reporter: pytest.TerminalReporter, bench: Workbench) -> str:
    from perfsuite.report import outcome

    failed = sum(len(reporter.stats.get(kind, ())) for kind in ("failed", "error"))
    run = bench.run()
    asked = {*run.asked, *run.chosen}
    return outcome.sentence(bench.results, len(asked), recorded=len(bench.recorded), failed=failed)


def _closing(bench: Workbench, measured: Sequence[Result], config: pytest.Config) -> list[str]:
    """What follows the figures."""
    from perfsuite.report import counts, outcome, terminal

    records_new = bench.settings.update != "never"
    kind, lacking = config.stash.get(LEFT_OUT, ("", {}))
    return [
        *terminal.remarks(measured),
        *counts.remarks(bench.results, recorded=records_new),
        *outcome.left_out(kind, lacking),
        *config.stash[CLOSING],
        *bench.closing_lines,
        f"results as a page: {shlex.join(('perfsuite', 'report', str(_near(bench.ledger.path))))}",
        *outcome.steps(
            measured,
            repeated(config),
            recorded=bench.recorded,
            # To record what may not be recorded is no advice.
            unrecordable=[
                f"{r.workload}/{r.variant}"
                for r in measured
                if bench.ledger.none_begins(r.workload, r.variant)
            ],
            whole_ladder=_is_whole_ladder(bench, lacking),
        ),
        *counts.steps(bench.results, recorded=records_new),
    ]


def _is_whole_ladder(bench: Workbench, lacking: Container[str]) -> bool:
    """Whether nobody chose variants, so that the same comes of a command that names none."""
    planned = {key.partition("/")[2] for key in bench.run().chosen}
    return not bench.settings.variants and all(v.name in planned or v.name in lacking for v in LADDER)


def _near(path: Path) -> Path:
    """As short as it can be named from where the run was started."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
