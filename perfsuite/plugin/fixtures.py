"""The fixtures: the run, its pipelines, and one gate each. What a gate does is in `gates`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from perfsuite.pipelines import NotEngagedError, workloads
from perfsuite.pipelines.optimizations.adapters import AdapterError
from perfsuite.pipelines.schedules import ScheduleError
from perfsuite.plugin import asking
from perfsuite.plugin.collection import chosen_of, planned, why_not
from perfsuite.plugin.stash import BENCH, SETTINGS, STATUS_LINE
from perfsuite.plugin.tally import JUDGED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from perfsuite.bench.recovery import Elsewhere
    from perfsuite.bench.workbench import Workbench
    from perfsuite.pipelines import Prepared, Variant
    from perfsuite.plugin.gates import Check
    from perfsuite.records import Workload

_GATES = {"latency_gate", "memory_gate", "start_gate", "picture_gate", "look_gate", "task_gate"}
"""Those that know how to ask for a pipeline which stands in another process."""


@pytest.fixture(scope="session")
def workbench(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """The state of this run: pipelines, references, records."""
    from perfsuite.bench.workbench import Workbench
    from perfsuite.device import NoDeviceError, imports
    from perfsuite.pipelines import models
    from perfsuite.plugin.status_line import StatusLine, progress_of
    from perfsuite.quality.task.reader import JudgeError
    from perfsuite.store import StoreError

    config = request.config
    imports.IMPORTS.bring()
    try:
        settings = config.stash[SETTINGS]
        for name in settings.workloads:  # before anything is built, and once
            models.resolve(workloads.get(name).model, settings.weights)
        bench = Workbench(settings)
        if "task_gate" in _wanted(request.session):
            bench.check_judge()
    except (NoDeviceError, StoreError, models.WeightsError, JudgeError) as error:
        pytest.exit(f"perfsuite: {error}", returncode=pytest.ExitCode.USAGE_ERROR)
    line = config.stash[STATUS_LINE] = StatusLine(config)
    items = request.session.items
    bench.plan(
        planned(items, bench),
        chosen_of(settings),
        deep=bool({"look_gate", "honest_gate"} & _wanted(request.session)),
        progress=progress_of(items, bench, line),
        asked=asking.asked_of(items),
        timed=asking.times_any(items),
        compiled=any(item.get_closest_marker("compiled") for item in items),
    )
    config.stash[BENCH] = bench
    if asking.times_any(items):
        _begin_ladder(bench, config)
    _look(request, bench)
    yield bench
    config.stash[STATUS_LINE].clear()
    bench.end()


def _begin_ladder(bench: Workbench, config: pytest.Config) -> None:
    """Before anything can go wrong: whatever comes of it, this run is the last ladder from now on."""
    from perfsuite.store import StoreError

    asking.check_folder(bench, config)
    try:
        bench.ledger.begin()
    except StoreError as error:
        pytest.exit(f"perfsuite: {error}", returncode=pytest.ExitCode.USAGE_ERROR)


def _look(request: pytest.FixtureRequest, bench: Workbench) -> None:
    """Before anything is built: say that others take cores which are to be measured, or end the run."""
    config = request.config
    if "latency_gate" not in _wanted(request.session) or config.getoption("benchmark_disable"):
        return
    busy = bench.look()
    if busy and bench.settings.load == "fail":
        said = f"perfsuite: a busy machine: {busy}; end them, or measure beside them with --perf-load=wait"
        pytest.exit(said, returncode=pytest.ExitCode.TESTS_FAILED)
    if busy:
        config.stash[STATUS_LINE].say(f"perfsuite: a busy machine: {busy}")
        bench.closing_lines.append(f"a busy machine when the run began: {busy}")


@pytest.fixture
def pipeline(request: pytest.FixtureRequest, workbench: Workbench) -> Prepared | Elsewhere:
    """The pipeline of this item's workload and variant, every optimization proven to hold.

    Skips with the reason where the device does not support the variant. Where CUDA was lost to this process
    it stands in another; gates know how to ask for it there, and a test without one is skipped.
    """
    from perfsuite.bench.recovery import stands_elsewhere

    workload, variant = request.param
    reason = why_not(workload, variant, workbench.device, workbench.settings)
    if reason is not None:
        asking.skip_or_fail(request, workbench, reason)
    asking.check_weights(request, workbench)
    request.node.user_properties.append(("perfsuite.device", workbench.device.slug))
    forget_last_failure()
    unusable: Exception | None = None
    try:
        if {"picture_gate", "look_gate"} & _wanted(request.session):
            # Before this pipeline is built: two at once may not fit.
            workbench.try_reference(workload, variant)
        found = _built(request, workbench, workload, variant)
    except (AdapterError, ScheduleError) as error:
        unusable = error
    if unusable is not None:
        # What was given cannot be used, and the message says all that there is to know: no code beside it.
        pytest.fail(f"{workload.name} {variant.name}: {unusable}", pytrace=False)
    if stands_elsewhere(found) and not _GATES & set(request.fixturenames):
        pytest.skip(found.evidence[-1])
    return found


def _built(
    request: pytest.FixtureRequest, workbench: Workbench, workload: Workload, variant: Variant
) -> Prepared | Elsewhere:
    try:
        return workbench.pipeline(workload, variant)
    except NotEngagedError:
        # No accident but a verdict, the first that a variant is given.
        request.node.user_properties.append((JUDGED, "yes"))
        raise


def _wanted(session: pytest.Session) -> set[str]:
    """The fixtures that any test of this run asks for."""
    return {name for item in session.items for name in getattr(item, "fixturenames", ())}


def forget_last_failure() -> None:
    """Let go of the traceback that pytest keeps for debuggers: it holds the pipeline of a failed test."""
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)


@pytest.fixture
def latency_gate(
    request: pytest.FixtureRequest, workbench: Workbench, benchmark: Any
) -> Callable[[Prepared | Elsewhere], Check]:
    """Measure a session with `benchmark` and judge it: a function from pipeline to `Check`.

    With ``--benchmark-disable`` the pipeline draws one picture and nothing is judged.
    """
    from perfsuite.plugin import gates

    test = gates.GatedTest(request, workbench)
    return lambda prepared: gates.latency(test, benchmark, prepared)


@pytest.fixture
def memory_gate(
    request: pytest.FixtureRequest, workbench: Workbench
) -> Callable[[Prepared | Elsewhere], Check]:
    """Judge peak memory and its growth over calls: a function from pipeline to `Check`.

    It looks at the session that `latency_gate` measured in the same run, and measures one if there is none.
    """
    from perfsuite.plugin import gates

    test = gates.GatedTest(request, workbench)
    return lambda prepared: gates.memory(test, prepared)


@pytest.fixture
def start_gate(
    request: pytest.FixtureRequest, workbench: Workbench
) -> Callable[[Prepared | Elsewhere], Check]:
    """Judge import, build, first call and compiling, of the same session: from pipeline to `Check`."""
    from perfsuite.plugin import gates

    test = gates.GatedTest(request, workbench)
    return lambda prepared: gates.start(test, prepared)


@pytest.fixture
def picture_gate(
    request: pytest.FixtureRequest, workbench: Workbench
) -> Callable[[Prepared | Elsewhere], Check]:
    """Draw one picture a prompt and compare with float32 of this run: from pipeline to `Check`."""
    from perfsuite.plugin import gates

    test = gates.GatedTest(request, workbench)
    return lambda prepared: gates.pictures(test, prepared)


@pytest.fixture
def look_gate(
    request: pytest.FixtureRequest, workbench: Workbench
) -> Callable[[Prepared | Elsewhere, str], Check]:
    """One look at the pipeline's numbers against float32: from pipeline and look's name to `Check`.

    Looks: ``components``, ``modules``, ``loop``, and ``compiled`` of a test with the mark of that name. All
    are taken at the first call for a pipeline.
    """
    from perfsuite.plugin import gates

    test = gates.GatedTest(request, workbench)
    return lambda prepared, name: gates.look(test, prepared, name)


@pytest.fixture
def task_gate(
    request: pytest.FixtureRequest, workbench: Workbench
) -> Callable[[Prepared | Elsewhere], Check]:
    """Draw held-out captions with and without what is not exact in a variant: from pipeline to `Check`.

    For tests with the mark ``task``, which are not collected for exact variants.
    """
    from perfsuite.plugin import gates

    test = gates.GatedTest(request, workbench)
    return lambda prepared: gates.task(test, prepared)


@pytest.fixture
def count_gate(request: pytest.FixtureRequest, workbench: Workbench) -> Callable[[Prepared], Check]:
    """Count what a pipeline does and compare with the stored counts: from pipeline to `Check`."""
    from perfsuite.plugin import gates

    test = gates.GatedTest(request, workbench)
    return lambda prepared: gates.counts(test, prepared)


@pytest.fixture
def golden_gate(request: pytest.FixtureRequest, workbench: Workbench) -> Callable[[Workload], Check]:
    """Compare float32 pictures of this run with the stored golden ones: from workload to `Check`."""
    from perfsuite.plugin import gates

    test = gates.GatedTest(request, workbench)
    test.property("device", workbench.device.slug)
    return lambda workload: gates.golden(test, workload)


@pytest.fixture
def honest_gate(request: pytest.FixtureRequest, workbench: Workbench) -> Callable[[Workload], Check]:
    """Compare honest eager pipelines of this run with their stored errors: from workload to `Check`."""
    from perfsuite.plugin import gates

    test = gates.GatedTest(request, workbench)
    test.property("device", workbench.device.slug)
    return lambda workload: gates.honest(test, workload)


@pytest.fixture
def structure_gate(request: pytest.FixtureRequest, workbench: Workbench) -> Callable[[Prepared, str], Check]:
    """One deterministic gate: from pipeline and name in `perfsuite.structure.gates.GATES` to `Check`.

    Skips with the reason where nothing can be said, for instance what this torch does not count.
    """
    from perfsuite.plugin import gates

    test = gates.GatedTest(request, workbench)
    return lambda prepared, name: gates.structure(test, prepared, name)
