"""The pytest plugin: options, parameters, fixtures, hooks. The only room that knows pytest."""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass, replace
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
    from perfsuite.workbench import Workbench

_SETTINGS = pytest.StashKey[Settings]()
_BENCH = pytest.StashKey["Workbench"]()
_STATUS_LINE = pytest.StashKey["_StatusLine"]()
_WRONG = (PictureStatus.DEGRADED, PictureStatus.BROKEN)
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
    """Writes progress past pytest's capture: a line each, or on a terminal one line in place.

    The one in place is the line below the cursor, which stays where pytest goes on writing.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._capture: Any = config.pluginmanager.get_plugin("capturemanager")
        self._quiet = self._reporter is None or self._capture is None or config.option.verbose < 0
        self._shown = False

    def __call__(self, line: str) -> None:
        if self._quiet:
            return
        with self._capture.global_and_fixture_disabled():
            if self._reporter.isatty:
                self._below(line[: self._reporter._tw.fullwidth - 1])
                self._shown = True
            else:
                self._reporter.ensure_newline()
                self._reporter.write_line(line)

    def clear(self) -> None:
        """Take the line in place away."""
        if self._shown:
            with self._capture.global_and_fixture_disabled():
                self._below("")
            self._shown = False

    def _below(self, line: str) -> None:
        writer = self._reporter._tw
        column = writer.width_of_current_line % writer.fullwidth + 1
        # Not by the writer's own method: it would count these characters to its current line.
        writer._file.write(f"\n\r\x1b[2K{line}\x1b[A\x1b[{column}G")
        writer._file.flush()


def _progress(session: pytest.Session, bench: Workbench | None = None) -> Any:
    from perfsuite.report.progress import Progress

    pairs = [pair for item in session.items if (pair := _pair(item)) is not None]
    keys = dict.fromkeys(f"{w.name} {v.name}" for w, v in pairs)
    stored = bench.baselines.entries.values() if bench and bench.baselines else ()
    last = {f"{e.workload} {e.variant}": e.sessions[-1].wall_s for e in stored}
    return Progress(list(keys), session.config.stash[_STATUS_LINE], last_time_s=last)


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
        return Check(passed, messages.latency(result, verdict, workbench.baseline_versions(result)))

    return gate


def _accepted(status: Status, settings: Settings) -> bool:
    """Whether a test of this verdict passes, by what the user is strict about and asked to record."""
    fails = {Status.REGRESSED}
    if settings.strict:
        fails |= {Status.NEW, Status.INCOMPATIBLE, Status.IMPROVED}
    if settings.update == "append":
        fails.add(Status.INCOMPATIBLE)  # it cannot be appended
    recording = settings.update == "reset" or (settings.update != "never" and status is Status.NEW)
    return recording or status not in fails


def _describe(benchmark: Any, record_property: Callable[[str, object], None], result: Result) -> None:
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
    record_property("perfsuite.verdict", verdict.status.value)
    record_property("perfsuite.median_s", statistics.median(session.latency_s))
    record_property("perfsuite.detail", verdict.detail)


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
        if not passed:
            workbench.reject(*key)
        return Check(passed, messages.pictures(name, found))

    return gate


def _describe_pictures(
    benchmark: Any, record_property: Callable[[str, object], None], result: Result, found: Quality
) -> None:
    benchmark.extra_info.update(
        workload=result.workload,
        variant=result.variant,
        pictures=found.status.value,
        ssim={s.prompt: s.ssim for s in found.scores},
        psnr_db={s.prompt: s.psnr_db for s in found.scores},
    )
    record_property("perfsuite.pictures", found.status.value)
    record_property("perfsuite.ssim", found.ssim)


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
        if not passed:
            workbench.reject(*key)
        result = workbench.result(*key)
        assert result is not None
        return Check(
            passed,
            messages.look(" ".join(key), look, workbench.moved(result), inspection.artifacts),
        )

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
def golden_gate(workbench: Workbench) -> Callable[[Workload], Check]:
    """Compare float32 pictures of this run with the stored golden ones: from workload to `Check`."""
    from perfsuite.report import messages

    def gate(workload: Workload) -> Check:
        found = workbench.golden(workload)
        passed = _passes(found.status, workbench)
        return Check(passed, messages.pictures(f"{workload.name} float32 against golden", found))

    return gate


@pytest.fixture
def honest_gate(workbench: Workbench) -> Callable[[Workload], Check]:
    """Compare honest eager pipelines of this run with their stored errors: from workload to `Check`."""

    def gate(workload: Workload) -> Check:
        found = workbench.honest(workload)
        passed = _passes(found.status, workbench)
        return Check(passed, f"{workload.name} honest eager code: {found.status}: {found.detail}")

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


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> None:
    """Clear the line for what pytest writes about the test."""
    status_line = item.config.stash.get(_STATUS_LINE, None)
    if status_line is not None:
        status_line.clear()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the baselines once, after all tests; also after Ctrl-C, with what was finished."""
    from perfsuite.report import terminal
    from perfsuite.store import StoreError

    bench = session.config.stash.get(_BENCH, None)
    if bench is None:
        return
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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    from perfsuite.report import counts, terminal

    bench = config.stash.get(_BENCH, None)
    if bench is None and config.stash[_SETTINGS].report is not None:
        terminalreporter.write_line("perfsuite: no report: no test of this run measured anything")
    if bench is None or not (bench.results or bench.closing_lines):
        return
    terminalreporter.section("perfsuite")
    colour = terminalreporter.hasmarkup
    measured = [r for r in bench.results if r.session is not None or r.quality is not None]
    if measured:
        text = terminal.ladder(measured, bench.device, colour=colour, width=terminalreporter._tw.fullwidth)
        for line in text.splitlines():
            terminalreporter._tw.line(line)
    found = [*terminal.published(measured), *terminal.stages(measured), *terminal.remarks(measured)]
    for line in [*found, *counts.remarks(bench.results), *bench.closing_lines]:
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"results {bench.settings.results}")
    sys.stdout.flush()
