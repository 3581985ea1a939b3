"""The pytest plugin: options, parameters, fixtures, hooks. The only room that knows pytest."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perfsuite import variants, workloads
from perfsuite.records import ContradictionError, PictureStatus, Status
from perfsuite.settings import OPTIONS, Option, Settings, SettingsError, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from perfsuite.pipelines import Prepared
    from perfsuite.records import Quality, Result, Variant, Workload
    from perfsuite.recovery import Elsewhere
    from perfsuite.report.progress import Line, Progress
    from perfsuite.workbench import Workbench

_SETTINGS = pytest.StashKey[Settings]()
_BENCH = pytest.StashKey["Workbench"]()
_STATUS_LINE = pytest.StashKey["_StatusLine"]()
_SAID = pytest.StashKey[list[str]]()
"""Of a test: level, title and message of its annotation on GitHub."""
_WRONG = (PictureStatus.DEGRADED, PictureStatus.BROKEN)
_WAITING = (Status.IMPROVED, Status.INCOMPATIBLE)
"""Until somebody acts, such a rung is not held to what it can do, or to nothing at all."""
_GATES = {"latency_gate", "picture_gate", "look_gate"}


@dataclass(frozen=True)
class Check:
    """The outcome of a gate: truthy if the test passes, with the message if not."""

    passed: bool
    message: str

    def __bool__(self) -> bool:
        return self.passed


# -- options ---------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("perfsuite", "performance and quality of image generation")
    for option in OPTIONS:
        if option.flag:
            group.addoption(option.flag_name, action="store_true", default=None, help=option.help)
        else:
            action = "append" if option.several else "store"
            group.addoption(option.flag_name, action=action, metavar=option.metavar, help=option.help)
        parser.addini(option.ini, f"{option.help} ({option.flag_name})", default="")


def pytest_configure(config: pytest.Config) -> None:
    def given(option: Option) -> Any:
        return config.getoption(option.flag_name.lstrip("-").replace("-", "_"))

    def from_ini(option: Option) -> Any:
        return config.getini(option.ini)

    try:
        settings = read(given, from_ini, config.rootpath)
        for name in settings.workloads:
            workloads.get(name)
        for name in settings.variants:
            variants.get(name)
    except (SettingsError, workloads.SizeError, variants.UnknownNameError, ContradictionError) as error:
        raise pytest.UsageError(f"perfsuite: {error}") from error
    config.stash[_SETTINGS] = settings
    config.addinivalue_line(
        "markers",
        "structure: deterministic gates of what a pipeline does, and the defects planted to test them",
    )
    # A session that fails or is interrupted before its timed rounds leaves `benchmark` unused. That is
    # no second error; raised at the end of an interrupted run it would even break pytest.
    config.addinivalue_line("filterwarnings", "ignore:Benchmark fixture was not used at all")


# -- parameters ------------------------------------------------------------------------------------


def _chosen(settings: Settings) -> list[Variant]:
    # By name: one variant may be spelled in several ways.
    chosen = {v.name: v for v in map(variants.get, settings.variants)}
    return list(chosen.values()) or list(variants.LADDER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    settings = metafunc.config.stash[_SETTINGS]
    chosen = [workloads.get(name) for name in settings.workloads]
    # These names are common words: only tests that use this plugin's fixtures are meant.
    ours = {"pipeline", "workbench"} <= set(metafunc.fixturenames)
    if ours:
        pairs = [(w, v) for w in chosen for v in _chosen(settings)]
        metafunc.parametrize("pipeline", pairs, indirect=True, ids=[f"{w.name}-{v.name}" for w, v in pairs])
    elif "workload" in metafunc.fixturenames and {"golden_gate", "honest_gate"} & set(metafunc.fixturenames):
        metafunc.parametrize("workload", chosen, ids=[w.name for w in chosen])


def _pair(item: pytest.Item) -> tuple[Workload, Variant] | None:
    callspec = getattr(item, "callspec", None)
    found = callspec.params.get("pipeline") if callspec is not None else None
    return found if isinstance(found, tuple) else None


def _skips_untimed(mark: pytest.Mark) -> bool:
    """True for the mark by which pytest-benchmark skips tests without its fixture."""
    return mark.name == "skip" and "--benchmark-only" in mark.kwargs.get("reason", "")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the items of one variant together, so that one pipeline at a time is in memory.

    Golden pictures, the looks below the pictures and counts are part of every gate run, though nothing is
    timed there: ``--benchmark-only`` does not skip them.
    """
    for item in items:
        if {"golden_gate", "look_gate", "honest_gate", "count_gate"} & set(getattr(item, "fixturenames", ())):
            item.own_markers = [m for m in item.own_markers if not _skips_untimed(m)]
    order: dict[tuple[str, str], int] = {}
    for item in items:
        pair = _pair(item)
        if pair is not None:
            order.setdefault((pair[0].name, pair[1].name), len(order))

    def rank(item: pytest.Item) -> int:
        pair = _pair(item)
        return -1 if pair is None else order[pair[0].name, pair[1].name]

    items.sort(key=rank)


# -- fixtures --------------------------------------------------------------------------------------


class _StatusLine:
    """Writes progress past pytest's capture: a line each, or on a terminal one line in place."""

    def __init__(self, config: pytest.Config) -> None:
        from perfsuite.report.progress import LiveLine, is_plain

        plugins: Any = config.pluginmanager
        self._reporter: Any = plugins.get_plugin("terminalreporter")
        self._capture: Any = plugins.get_plugin("capturemanager")
        self._quiet = self._reporter is None or self._capture is None or config.option.verbose < 0
        self._live: LiveLine | None = None
        if not self._quiet and self._reporter.isatty and not is_plain(os.environ):
            writer = self._reporter._tw
            # Where tests write to the terminal themselves, nobody knows where its cursor is a second later.
            ticks = config.option.capture in ("fd", "sys")

            def column() -> int:
                return int(writer.width_of_current_line % writer.fullwidth + 1)

            self._live = LiveLine(writer._file, lambda: writer.fullwidth, column, ticks=ticks)

    def __call__(self, line: Callable[[], Line]) -> None:
        if self._quiet:
            return
        with self._capture.global_and_fixture_disabled():
            if self._live is not None:
                self._live.show(line)
            else:
                self._reporter.ensure_newline()
                self._reporter.write_line(line().fit(self._reporter._tw.fullwidth, cut=False))

    def clear(self) -> None:
        """Take the line in place away."""
        if self._live is not None:
            with self._capture.global_and_fixture_disabled():
                self._live.clear()


def _progress(session: pytest.Session, bench: Workbench) -> Progress:
    from perfsuite.report.progress import Progress

    pairs = dict.fromkeys(pair for item in session.items if (pair := _pair(item)) is not None)
    keys = [f"{w.name} {v.name}" for w, v in pairs if _unwanted(v, bench) is None]
    stored = bench.baselines.entries.values() if bench.baselines else ()
    last = {f"{e.workload} {e.variant}": e.sessions[-1].wall_s for e in stored}
    compiled = {f"{w.name} {v.name}": v.compiled for w, v in pairs}
    return Progress(keys, session.config.stash[_STATUS_LINE], last_time_s=last, kinds=compiled)


def _planned(items: Sequence[pytest.Item], bench: Workbench) -> tuple[str, ...]:
    """What will be run of the items: not what the device cannot run."""
    pairs = dict.fromkeys(pair for item in items if (pair := _pair(item)) is not None)
    return tuple(f"{w.name}/{v.name}" for w, v in pairs if _unwanted(v, bench) is None)


def _unwanted(variant: Variant, bench: Workbench) -> str | None:
    """Why a variant is skipped on this device, None if it is not."""
    from perfsuite.pipelines import unsupported

    reason = unsupported(variant, bench.device)
    if reason is None and not bench.settings.variants:
        reason = variants.superseded(variant, bench.device)
    return reason


@pytest.fixture(scope="session")
def workbench(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """The state of this run: pipelines, references, records."""
    from perfsuite import models
    from perfsuite.device import NoDeviceError
    from perfsuite.store import StoreError
    from perfsuite.workbench import Workbench

    config = request.config
    try:
        settings = config.stash[_SETTINGS]
        for name in settings.workloads:  # before anything is built, and once
            models.resolve(workloads.get(name).model, settings.weights)
        bench = Workbench(settings)
    except (NoDeviceError, StoreError, models.WeightsError) as error:
        pytest.exit(f"perfsuite: {error}", returncode=pytest.ExitCode.USAGE_ERROR)
    config.stash[_STATUS_LINE] = _StatusLine(config)
    bench.progress = _progress(request.session, bench)
    bench.chosen = _chosen(config.stash[_SETTINGS])
    bench.planned = _planned(request.session.items, bench)
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    bench.deep = bool({"look_gate", "honest_gate"} & wanted)
    config.stash[_BENCH] = bench
    yield bench
    config.stash[_STATUS_LINE].clear()
    bench.end()


@pytest.fixture
def pipeline(request: pytest.FixtureRequest, workbench: Workbench) -> Prepared | Elsewhere:
    """The pipeline of this item's workload and variant, every optimization proven to hold.

    Skips with the reason where the device does not support the variant. Where CUDA was lost to this process
    it stands in another; gates know how to ask for it there, and a test without one is skipped.
    """
    from perfsuite.recovery import stands_elsewhere

    workload, variant = request.param
    reason = _unwanted(variant, workbench)
    if reason is not None:
        pytest.skip(reason)
    _properties(request)("perfsuite.device", workbench.device.slug)
    _forget_last_failure()
    gates = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    if {"picture_gate", "look_gate"} & gates:
        # Before this pipeline is built: two at once may not fit.
        workbench.try_reference(workload)
    found = workbench.pipeline(workload, variant)
    if stands_elsewhere(found) and not _GATES & set(request.fixturenames):
        pytest.skip(found.evidence[-1])
    return found


def _forget_last_failure() -> None:
    """Let go of the traceback that pytest keeps for debuggers: it holds the pipeline of a failed test."""
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)


def _properties(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """What `record_property` does, without its warning that JUnit's xunit2 schema knows no properties."""
    properties = request.node.user_properties
    return lambda name, value: properties.append((name, value))


@pytest.fixture
def latency_gate(
    request: pytest.FixtureRequest,
    workbench: Workbench,
    benchmark: Any,
) -> Callable[[Prepared | Elsewhere], Check]:
    """Measure a session with `benchmark` and judge it: a function from pipeline to `Check`.

    With ``--benchmark-disable`` the pipeline draws one picture and nothing is judged.
    """
    from perfsuite.report import messages

    def time_rounds(call: Callable[[], object], rounds: int, before: Callable[[], None]) -> Sequence[float]:
        benchmark.pedantic(call, setup=before, rounds=rounds, iterations=1)
        return list(benchmark.stats.stats.data)

    def gate(prepared: Prepared | Elsewhere) -> Check:
        if benchmark.disabled:
            benchmark.pedantic(prepared.generate)
            return Check(True, "benchmarks are disabled: nothing was timed")
        result = workbench.measure(prepared, time_rounds)
        verdict = result.verdict
        assert verdict is not None
        _describe(benchmark, _properties(request), result)
        drew_wrong = result.timed is not None and result.timed.status in _WRONG
        passed = _accepted(verdict.status, workbench.settings) and not drew_wrong
        if not passed:
            workbench.reject(result.workload, result.variant)
        versions = workbench.baseline_versions(result)
        message = messages.latency(result, verdict, versions, _repeated(request.config))
        name = f"{result.workload} {result.variant}"
        if not passed:
            wrong = f", wrong picture: {result.timed.status}" if drew_wrong and result.timed else ""
            _say(request, "error", f"{name} {verdict.status}{wrong}", message)
        elif not _records(verdict.status, workbench.settings) and verdict.status in (
            Status.IMPROVED,
            Status.INCOMPATIBLE,
        ):
            # Until somebody acts, this rung is not held to what it can do, or to nothing at all.
            _say(request, "warning", f"{name} {verdict.status}", message)
        return Check(passed, message)

    return gate


def _accepted(status: Status, settings: Settings) -> bool:
    """Whether a test of this verdict passes, by what the user is strict about and asked to record."""
    fails = {Status.REGRESSED}
    if settings.strict:
        fails |= {Status.NEW, Status.INCOMPATIBLE, Status.IMPROVED}
    if settings.update == "append":
        fails.add(Status.INCOMPATIBLE)  # it cannot be appended
    return _records(status, settings) or status not in fails


def _records(status: Status, settings: Settings) -> bool:
    """Whether this run was asked to store what has this verdict."""
    return settings.update == "reset" or (settings.update != "never" and status is Status.NEW)


def _describe(benchmark: Any, record_property: Callable[[str, object], None], result: Result) -> None:
    from perfsuite.report import junit

    verdict, session = result.verdict, result.session
    assert verdict is not None
    assert session is not None
    benchmark.extra_info.update(
        workload=result.workload,
        variant=result.variant,
        verdict=verdict.status.value,
        detail=verdict.detail,
        first_call_s=session.first_call_s,
        compile_s=session.compile_s,
        compiled_from=session.compilation.source.value if session.compilation else None,
        peak_memory_bytes=session.peak_memory_bytes,
        evidence=list(result.evidence),
    )
    for name, value in junit.of_latency(result):
        record_property(name, value)


def _say(request: pytest.FixtureRequest, level: str, title: str, message: str) -> None:
    """Keep what GitHub is to show at this test."""
    request.node.stash[_SAID] = [level, f"perfsuite: {title}", message]


def _repeated(config: pytest.Config) -> list[str]:
    """Options of this command line without which a repeat would measure, or store, something else."""
    given = {name: config.getoption(f"perf_{name}") for name in ("device", "weights", "baselines")}
    return [f"--perf-{name}={value}" for name, value in given.items() if value is not None]


def _passes(status: PictureStatus, workbench: Workbench) -> bool:
    """OK, what cannot be judged, and NEW unless the user is strict about it."""
    fine = (PictureStatus.OK, PictureStatus.NOT_JUDGED)
    return status in fine or (status is PictureStatus.NEW and not workbench.settings.strict)


@pytest.fixture
def picture_gate(
    request: pytest.FixtureRequest,
    workbench: Workbench,
    benchmark: Any,
) -> Callable[[Prepared | Elsewhere], Check]:
    """Draw one picture a prompt and compare with float32 of this run: from pipeline to `Check`."""
    from perfsuite.quality.pictures import worst
    from perfsuite.recovery import stands_elsewhere
    from perfsuite.report import messages

    def gate(prepared: Prepared | Elsewhere) -> Check:
        key = (prepared.context.workload.name, prepared.context.variant.name)
        name = " ".join(key)
        try:
            if stands_elsewhere(prepared):  # the benchmark's timer would ask CUDA
                drawn = workbench.draw(prepared)
            else:
                drawn = benchmark.pedantic(workbench.draw, args=(prepared,))
            result = workbench.score(prepared, drawn)
        except BaseException:
            workbench.reject(*key)  # pictures that nobody judged are not in favour of the latencies
            raise
        assert result.quality is not None
        # The looks below the pictures have tests of their own.
        found = replace(result.quality, status=worst(result.quality.scores), looks=())
        _describe_pictures(benchmark, _properties(request), result, found)
        passed = _passes(found.status, workbench)
        steps = messages.look_steps(result, "pictures", found.status, _repeated(request.config))
        message = messages.pictures(name, found, workbench.moved(result), steps)
        if not passed:
            workbench.reject(*key)
            _say(request, "error", f"{name} pictures {found.status}", message)
        return Check(passed, message)

    return gate


def _describe_pictures(
    benchmark: Any, record_property: Callable[[str, object], None], result: Result, found: Quality
) -> None:
    from perfsuite.report import junit

    benchmark.extra_info.update(
        workload=result.workload,
        variant=result.variant,
        pictures=found.status.value,
        ssim={s.prompt: s.ssim for s in found.scores},
        psnr_db={s.prompt: s.psnr_db for s in found.scores},
    )
    for name, value in junit.of_pictures(found):
        record_property(name, value)


@pytest.fixture
def look_gate(
    request: pytest.FixtureRequest, workbench: Workbench
) -> Callable[[Prepared | Elsewhere, str], Check]:
    """One look at the pipeline's numbers against float32: from pipeline and look's name to `Check`.

    Looks: ``components``, ``modules``, ``loop``. All are taken at the first call for a pipeline.
    """
    from perfsuite.report import messages

    def gate(prepared: Prepared | Elsewhere, name: str) -> Check:
        key = (prepared.context.workload.name, prepared.context.variant.name)
        try:
            inspection = workbench.inspect(prepared)
        except BaseException:
            workbench.reject(*key)
            raise
        look = inspection.quality.look(name)
        _properties(request)(f"perfsuite.{name}", look.status.value)
        passed = look.status not in _WRONG
        result = workbench.result(*key)
        assert result is not None
        steps = messages.look_steps(result, name, look.status, _repeated(request.config))
        moved = workbench.moved(result)
        message = messages.look(" ".join(key), look, moved, inspection.artifacts, steps)
        if not passed:
            workbench.reject(*key)
            _say(request, "error", f"{' '.join(key)} {name} {look.status}", message)
        return Check(passed, message)

    return gate


@pytest.fixture
def count_gate(request: pytest.FixtureRequest, workbench: Workbench) -> Callable[[Prepared], Check]:
    """Count what a pipeline does and compare with the stored counts: from pipeline to `Check`."""
    from perfsuite.report import counts as show

    def gate(prepared: Prepared) -> Check:
        key = (prepared.context.workload.name, prepared.context.variant.name)
        workbench.progress(" ".join(key), "counts")
        try:
            result = workbench.count(prepared)
        except BaseException:
            workbench.reject(*key)
            raise
        verdict = result.counted
        assert verdict is not None
        _properties(request)("perfsuite.counts", verdict.status.value)
        passed = _accepted(verdict.status, workbench.settings)
        if not passed:
            workbench.reject(*key)
        return Check(passed, show.message(result, verdict, workbench.counting.stored_versions(result)))

    return gate


@pytest.fixture
def golden_gate(request: pytest.FixtureRequest, workbench: Workbench) -> Callable[[Workload], Check]:
    """Compare float32 pictures of this run with the stored golden ones: from workload to `Check`."""
    from perfsuite.report import messages

    _properties(request)("perfsuite.device", workbench.device.slug)

    def gate(workload: Workload) -> Check:
        found = workbench.golden(workload)
        name, passed = f"{workload.name} float32 against golden", _passes(found.status, workbench)
        message = messages.pictures(
            name, found, steps=messages.golden_steps(workload.name, _repeated(request.config))
        )
        if not passed:
            _say(request, "error", f"{name} {found.status}", message)
        return Check(passed, message)

    return gate


@pytest.fixture
def honest_gate(request: pytest.FixtureRequest, workbench: Workbench) -> Callable[[Workload], Check]:
    """Compare honest eager pipelines of this run with their stored errors: from workload to `Check`."""
    from perfsuite.report import messages

    _properties(request)("perfsuite.device", workbench.device.slug)

    def gate(workload: Workload) -> Check:
        found = workbench.honest(workload)
        name, passed = f"{workload.name} honest eager code", _passes(found.status, workbench)
        message = messages.honest(
            name, found, messages.golden_steps(workload.name, _repeated(request.config))
        )
        if not passed:
            _say(request, "error", f"{name} {found.status}", message)
        return Check(passed, message)

    return gate


@pytest.fixture
def structure_gate(request: pytest.FixtureRequest, workbench: Workbench) -> Callable[[Prepared, str], Check]:
    """One deterministic gate: from pipeline and name in `perfsuite.structure.gates.GATES` to `Check`.

    Skips with the reason where nothing can be said, for instance what this torch does not count.
    """
    from perfsuite.report import messages
    from perfsuite.structure.gates import GATES

    def gate(prepared: Prepared, name: str) -> Check:
        key = f"{prepared.context.workload.name} {prepared.context.variant.name}"
        workbench.progress(key, name)
        found = GATES[name](prepared)
        if found.skipped is not None:
            pytest.skip(found.skipped)
        _properties(request)(f"perfsuite.{name}", "; ".join(found.problems or found.facts))
        return Check(not found.problems, messages.structure(key, found))

    return gate


# -- hooks -----------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Clear the line for what pytest writes about the test, and pass on what GitHub is to show there."""
    report: Any = yield
    status_line = item.config.stash.get(_STATUS_LINE, None)
    if status_line is not None and not (report.when == "setup" and report.passed):
        status_line.clear()
    said = item.stash.get(_SAID, None)
    if said is not None and report.when == "call":
        # An attribute of the report, for that comes to this process from workers too.
        report.perfsuite_said = said
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write baselines and summary once, after all tests; also after Ctrl-C, with what was finished."""
    from perfsuite.report import terminal
    from perfsuite.store import StoreError

    status_line = session.config.stash.get(_STATUS_LINE, None)
    if status_line is not None:
        status_line.clear()
    bench = session.config.stash.get(_BENCH, None)
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
    bench.closing_lines += terminal.changes(made, str(bench.store.path(bench.device.slug)))
    bench.closing_lines += terminal.changes(bench.counted_changes, str(bench.counting.store.path))


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
        _annotate(terminalreporter, config)
    bench = config.stash.get(_BENCH, None)
    if bench is None and config.stash[_SETTINGS].report is not None:
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
        *terminal.remarks(measured, _repeated(config)),
        *counts.remarks(bench.results),
        *bench.closing_lines,
        f"results {bench.settings.results}",
    ]
    for line in found:
        # In a file a line is a statement, for whoever searches it.
        for part in show.wrapped(line, width) if terminalreporter.isatty else [line]:
            terminalreporter.write_line(part)
    sys.stdout.flush()


def _annotate(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
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
