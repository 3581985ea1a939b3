"""What each gate asks the workbench for, and when its test passes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from perfsuite.plugin.annotations import say
from perfsuite.plugin.asking import is_timed
from perfsuite.plugin.options import repeated
from perfsuite.quality.pictures import worst
from perfsuite.quality.plausibility import IMPLAUSIBLE
from perfsuite.records import PictureStatus, Status
from perfsuite.report import counts as show_counts
from perfsuite.report import junit, messages
from perfsuite.structure import gates as structure_gates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from perfsuite.bench.recovery import Elsewhere
    from perfsuite.bench.workbench import Workbench
    from perfsuite.pipelines import Prepared
    from perfsuite.records import Look, Quality, Quantity, Result, Workload
    from perfsuite.settings import Settings

_WRONG = (PictureStatus.DEGRADED, PictureStatus.BROKEN)
_WAITING = (Status.IMPROVED,)
"""Until somebody acts, such a rung is not held to what it can do."""


@dataclass(frozen=True)
class Check:
    """The outcome of a gate: truthy if the test passes, with the message if not."""

    passed: bool
    message: str

    def __bool__(self) -> bool:
        return self.passed


class GatedTest:
    """One test before its gate: what it leaves in reports, and its word on what becomes a baseline."""

    def __init__(self, request: pytest.FixtureRequest, bench: Workbench) -> None:
        self._request, self.bench = request, bench
        self.repeated = repeated(request.config)
        self.disabled = not is_timed(request.config)
        """Whether no session is measured; workers of pytest-xdist would disturb each other's."""

    def property(self, name: str, value: object) -> None:
        """What `record_property` does, without its warning that JUnit's xunit2 schema knows no properties."""
        self._request.node.user_properties.append((f"perfsuite.{name}", value))

    def properties(self, found: Sequence[tuple[str, object]]) -> None:
        """Several, with their whole names."""
        self._request.node.user_properties.extend(found)

    def judged(self) -> None:
        """Count this test as one that came to a verdict."""
        self.property("judged", "yes")

    def say(self, level: str, title: str, message: str) -> None:
        """Keep what GitHub is to show at this test."""
        say(self._request, level, title, message)

    @contextlib.contextmanager
    def rejecting(self, prepared: Prepared | Elsewhere) -> Iterator[None]:
        """What nobody could judge is not in favour of the variant's latencies."""
        try:
            yield
        except BaseException:
            self.bench.reject(*_names(prepared))
            raise


def latency(test: GatedTest, benchmark: Any, prepared: Prepared | Elsewhere) -> Check:
    """See `perfsuite.plugin.fixtures.latency_gate`."""
    bench = test.bench

    def time_rounds(call: Callable[[], object], rounds: int, before: Callable[[], None]) -> Sequence[float]:
        benchmark.pedantic(call, setup=before, rounds=rounds, iterations=1)
        return list(benchmark.stats.stats.data)

    if benchmark.disabled:
        benchmark.pedantic(prepared.generate)
        return Check(True, "benchmarks are disabled: nothing was timed")
    result = bench.measure(prepared, time_rounds)
    verdict = result.verdict
    assert verdict is not None
    _describe_latency(benchmark, result)
    test.properties(junit.of_latency(result))
    if verdict.status is not Status.INCOMPATIBLE or _records(verdict.status, bench.settings):
        test.judged()
    drew_wrong = result.timed is not None and result.timed.status in _WRONG
    passed = _accepted(verdict.status, bench.settings) and not drew_wrong
    if not passed:
        bench.reject(result.workload, result.variant)
    message = messages.latency(result, verdict, bench.baseline_versions(result), test.repeated)
    name = f"{result.workload} {result.variant}"
    if not passed:
        wrong = f", wrong picture: {result.timed.status}" if drew_wrong and result.timed else ""
        test.say("error", f"{name} {verdict.status}{wrong}", message)
    elif verdict.status in _WAITING and not _records(verdict.status, bench.settings):
        test.say("warning", f"{name} {verdict.status}", message)
    return Check(passed, message)


def memory(test: GatedTest, prepared: Prepared | Elsewhere) -> Check:
    """See `perfsuite.plugin.fixtures.memory_gate`."""
    return _amounts(test, prepared, "memory")


def start(test: GatedTest, prepared: Prepared | Elsewhere) -> Check:
    """See `perfsuite.plugin.fixtures.start_gate`."""
    return _amounts(test, prepared, "start")


def _amounts(test: GatedTest, prepared: Prepared | Elsewhere, what: str) -> Check:
    bench, name = test.bench, " ".join(_names(prepared))
    if test.disabled:
        return Check(True, "benchmarks are disabled: nothing was measured")
    with test.rejecting(prepared):
        result = bench.judge_memory(prepared) if what == "memory" else bench.judge_start(prepared)
    found: Sequence[Quantity] = getattr(result, what)
    for quantity in found:
        test.property(quantity.name, quantity.verdict.status.value)
    if found:
        test.judged()
    # What is NEW here was held to its budget.
    bad = [q for q in found if q.verdict.status is Status.REGRESSED and bench.settings.update != "reset"]
    message = messages.amounts(result, what, found, test.repeated)
    if bad:
        bench.reject(*_names(prepared))
        test.say("error", f"{name} {what} REGRESSED", message)
    return Check(not bad, message)


def pictures(test: GatedTest, prepared: Prepared | Elsewhere) -> Check:
    """See `perfsuite.plugin.fixtures.picture_gate`."""
    bench = test.bench
    with test.rejecting(prepared):
        result = bench.score(prepared, bench.draw(prepared))
    assert result.quality is not None
    # The looks below the pictures have tests of their own.
    found = replace(result.quality, status=worst(result.quality.scores), looks=())
    test.properties(junit.of_pictures(found))
    if found.status not in (PictureStatus.NOT_JUDGED, PictureStatus.INCOMPATIBLE):
        test.judged()
    name, passed = " ".join(_names(prepared)), _passes(found.status, bench)
    steps = messages.look_steps(result, "pictures", found.status, test.repeated)
    message = messages.pictures(name, found, bench.moved(result), steps)
    if not passed:
        bench.reject(*_names(prepared))
        test.say("error", f"{name} pictures {found.status}", message)
    return Check(passed, message)


def look(test: GatedTest, prepared: Prepared | Elsewhere, name: str) -> Check:
    """See `perfsuite.plugin.fixtures.look_gate`."""
    bench, names = test.bench, _names(prepared)
    with test.rejecting(prepared):
        inspection = bench.inspect(prepared)
    found = inspection.quality.look(name)
    test.property(name, found.status.value)
    if found.status is not PictureStatus.NOT_JUDGED:
        test.judged()
    passed = found.status not in _WRONG
    result = bench.result(*names)
    assert result is not None
    steps = messages.look_steps(result, name, found.status, test.repeated)
    message = messages.look(" ".join(names), found, bench.moved(result), inspection.artifacts, steps)
    if not passed:
        bench.reject(*names)
        test.say("error", f"{' '.join(names)} {name} {found.status}", message)
    return Check(passed, message)


def task(test: GatedTest, prepared: Prepared | Elsewhere) -> Check:
    """See `perfsuite.plugin.fixtures.task_gate`."""
    bench, names = test.bench, _names(prepared)
    with test.rejecting(prepared):
        found = bench.task(prepared)
    test.property("task", found.status.value)
    if found.status is not PictureStatus.NOT_JUDGED:
        test.judged()
    passed = found.status not in _WRONG
    result = bench.result(*names)
    assert result is not None
    steps = messages.look_steps(result, "task", found.status, test.repeated)
    message = messages.look(" ".join(names), found, bench.moved(result), (), steps)
    if not passed:
        bench.reject(*names)
        test.say("error", f"{' '.join(names)} task {found.status}", message)
    return Check(passed, message)


def counts(test: GatedTest, prepared: Prepared) -> Check:
    """See `perfsuite.plugin.fixtures.count_gate`."""
    bench = test.bench
    bench.progress(" ".join(_names(prepared)), "counts")
    with test.rejecting(prepared):
        result = bench.count(prepared)
    verdict = result.counted
    assert verdict is not None
    test.property("counts", verdict.status.value)
    if verdict.status is not Status.INCOMPATIBLE or _records(verdict.status, bench.settings):
        test.judged()
    passed = _accepted(verdict.status, bench.settings)
    if not passed:
        bench.reject(*_names(prepared))
    return Check(passed, show_counts.message(result, verdict, bench.counting.stored_versions(result)))


def golden(test: GatedTest, workload: Workload) -> Check:
    """See `perfsuite.plugin.fixtures.golden_gate`."""
    _check_weights(test, workload)
    found = test.bench.golden(workload)
    _note_picture(test, found)
    name, passed = f"{workload.name} float32 against golden", _passes(found.status, test.bench)
    steps = messages.golden_steps(workload.name, test.repeated)
    message = messages.pictures(name, found, steps=steps)
    if not passed:
        test.say("error", f"{name} {found.status}", message)
    return Check(passed, message)


def _note_picture(test: GatedTest, found: Quality | Look) -> None:
    """Leave on the test that it was judged: a report's reader would take a verdict for an exception else."""
    if found.status is not PictureStatus.NOT_JUDGED:
        test.judged()


def _check_weights(test: GatedTest, workload: Workload) -> None:
    """Fail where weights are not those of the baselines, because the hub did not answer."""
    why = test.bench.fallen_back(workload)
    if why:
        message = f"{workload.name}: {PictureStatus.NOT_JUDGED}: {why}"
        test.say("error", f"{workload.name} {PictureStatus.NOT_JUDGED}", message)
        pytest.fail(message, pytrace=False)


def honest(test: GatedTest, workload: Workload) -> Check:
    """See `perfsuite.plugin.fixtures.honest_gate`."""
    _check_weights(test, workload)
    found = test.bench.honest(workload)
    _note_picture(test, found)
    name, passed = f"{workload.name} honest eager code", _passes(found.status, test.bench)
    steps = messages.golden_steps(workload.name, test.repeated)
    if found.name == IMPLAUSIBLE:
        steps = steps[:1]  # what cannot be believed must not be recorded either
    message = messages.honest(name, found, steps)
    if not passed:
        test.say("error", f"{name} {found.status}", message)
    return Check(passed, message)


def structure(test: GatedTest, prepared: Prepared, name: str) -> Check:
    """See `perfsuite.plugin.fixtures.structure_gate`."""
    key = " ".join(_names(prepared))
    test.bench.progress(key, name)
    found = structure_gates.GATES[name](prepared)
    if found.skipped is not None:
        pytest.skip(found.skipped)
    test.judged()
    test.property(name, "; ".join(found.problems or found.facts))
    return Check(not found.problems, messages.structure(key, found))


def _names(prepared: Prepared | Elsewhere) -> tuple[str, str]:
    return prepared.context.workload.name, prepared.context.variant.name


def _accepted(status: Status, settings: Settings) -> bool:
    """Whether a test of this verdict passes, by what the user is strict about and asked to record."""
    # What cannot be compared was not judged, though there is something to judge it by.
    fails = {Status.REGRESSED, Status.INCOMPATIBLE}
    if settings.strict:
        fails |= {Status.NEW, Status.IMPROVED}
    return _records(status, settings) or status not in fails


def _records(status: Status, settings: Settings) -> bool:
    """Whether this run was asked to store what has this verdict."""
    return settings.update == "reset" or (settings.update != "never" and status is Status.NEW)


def _passes(status: PictureStatus, workbench: Workbench) -> bool:
    """OK, what cannot be judged, and NEW unless the user is strict about it."""
    fine = (PictureStatus.OK, PictureStatus.NOT_JUDGED)
    return status in fine or (status is PictureStatus.NEW and not workbench.settings.strict)


def _describe_latency(benchmark: Any, result: Result) -> None:
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
