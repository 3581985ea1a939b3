"""What a run is asked to judge, and what it judged: a variant that nobody left out may not go missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from perfsuite.pipelines import variants, workloads
from perfsuite.plugin.annotations import say
from perfsuite.plugin.collection import SESSION_GATES, is_skipped_untimed, pair_of
from perfsuite.plugin.options import repeated
from perfsuite.plugin.stash import TALLY
from perfsuite.plugin.tally import ASKED
from perfsuite.records import UNJUDGED, Status
from perfsuite.report import messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from perfsuite.bench.workbench import Workbench
    from perfsuite.records import Workload

_JUDGING = SESSION_GATES | {"picture_gate", "look_gate", "task_gate", "count_gate", "structure_gate"}
_OF_WEIGHTS = SESSION_GATES | {"picture_gate", "look_gate", "task_gate"}
"""Gates whose verdict says nothing where weights are not those of the baseline."""


def is_timed(config: pytest.Config) -> bool:
    """Whether sessions are measured in this run: neither off, nor left out, nor shared among workers."""
    off = config.getoption("benchmark_disable") or config.getoption("benchmark_skip")
    return not off and not hasattr(config, "workerinput")


def gates_of(item: pytest.Item) -> set[str]:
    """The gates by which this test is to judge its pipeline in this run."""
    if pair_of(item) is None or is_skipped_untimed(item):
        return set()
    found = _JUDGING & set(getattr(item, "fixturenames", ()))
    return found if is_timed(item.config) else found - SESSION_GATES


def asked_of(items: Iterable[pytest.Item]) -> tuple[str, ...]:
    """``workload/variant`` of what these tests are to judge."""
    pairs = dict.fromkeys(pair_of(item) for item in items if gates_of(item))
    return tuple(f"{workload.name}/{variant.name}" for workload, variant in filter(None, pairs))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Write on each test what it is to judge, for whoever counts the verdicts."""
    for item in session.items:
        item.user_properties += [(ASKED, key) for key in asked_of([item])]


def times_any(items: Iterable[pytest.Item]) -> bool:
    """Whether any of these tests judges a latency."""
    return any("latency_gate" in gates_of(item) for item in items)


def check_folder(bench: Workbench, config: pytest.Config) -> None:
    """End a run that is to compare with a folder which is not there: all would be NEW, and green."""
    named = config.getoption("perf_baselines") or config.getini("perf_baselines")
    folder = bench.settings.baselines
    if named and bench.settings.update == "never" and not folder.is_dir():
        pytest.exit(
            f"perfsuite: --perf-baselines={named}: there is no folder {folder}; name the one that holds the "
            "baselines, or record them with --perf-update=new",
            returncode=pytest.ExitCode.USAGE_ERROR,
        )


# -- one variant -------------------------------------------------------------------------------------


def skip_or_fail(request: pytest.FixtureRequest, bench: Workbench, why: str) -> None:
    """End a test whose variant this device cannot run.

    That is a failure where there is a baseline, where nothing else is judged either, and with
    ``--perf-strict``; else it is a skip.
    """
    workload, variant = request.param
    gates = gates_of(request.node)
    ledger, names = bench.ledger, (workload.name, variant.name)
    # A processor that lost instructions is another device, and its former file is the one that knows.
    has_baseline = (ledger.entry(*names) or ledger.elsewhere(*names)) is not None
    if SESSION_GATES & gates and has_baseline:
        refuse(request, bench, Status.LESS_JUDGED, why)
    if gates and (bench.settings.strict or not bench.ledger.planned):
        refuse(request, bench, Status.NOT_JUDGED, why)
    pytest.skip(why)


def check_weights(request: pytest.FixtureRequest, bench: Workbench) -> None:
    """Fail a test whose weights are not those of the baselines, because the hub did not answer."""
    why = bench.fallen_back(request.param[0]) if _OF_WEIGHTS & gates_of(request.node) else ""
    if why:
        refuse(request, bench, Status.NOT_JUDGED, why)


def refuse(request: pytest.FixtureRequest, bench: Workbench, status: Status, why: str) -> None:
    """Fail the first test of a variant that is not judged; the others are skipped, for it is said then."""
    workload, variant = request.param
    known = bench.result(workload.name, variant.name)
    if known is not None and known.verdict is not None and known.verdict.status in UNJUDGED:
        pytest.skip(f"{known.verdict.status}: {why}")
    result = bench.ledger.refuse(workload, variant.name, status, why)
    assert result.verdict is not None
    message = messages.latency(result, result.verdict, None, repeated(request.config))
    request.node.user_properties.append(("perfsuite.verdict", status.value))
    say(request, "error", f"{workload.name} {variant.name} {status}", message)
    pytest.fail(message, pytrace=False)


# -- the whole run -----------------------------------------------------------------------------------


def close(session: pytest.Session, bench: Workbench | None, exitstatus: int) -> list[str]:
    """Fail a run that is green though it judged nothing, or less than its baseline has; what to say of it."""
    config = session.config
    ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    if not ended or config.option.setuponly or hasattr(config, "workerinput"):
        return []
    said = [] if bench is None else _say_gone(_gone(session.items, bench), _lost(session, bench), bench)
    if config.stash[TALLY].nothing:
        said += _say_nothing(session, bench) if exitstatus == pytest.ExitCode.OK else []
    elif bench is not None:
        said += _say_silent(session, bench)
    if said and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    return said


def _say_gone(gone: Sequence[tuple[Workload, str]], lost: Sequence[str], bench: Workbench) -> list[str]:
    for workload, name in gone:
        why = "there is a baseline, but no such variant any more"
        bench.ledger.refuse(workload, name, Status.LESS_JUDGED, why)
    said = [
        f"{Status.LESS_JUDGED}: {name}: there is a baseline, but no such workload any more" for name in lost
    ]
    if gone or lost:
        said.append("if they are gone on purpose, remove their baselines: perfsuite baselines prune --yes")
    return said


def _say_silent(session: pytest.Session, bench: Workbench) -> list[str]:
    """Of tests that judge sessions, where there is a baseline: a skip that nobody asked for in this run, or a
    test that forgets its gate, goes by in green else."""
    silent, said = session.config.stash[TALLY].silent, []
    for item in session.items:
        pair = pair_of(item)
        if item.nodeid not in silent or pair is None or not SESSION_GATES & gates_of(item):
            continue
        workload, variant = pair
        result = bench.result(workload.name, variant.name)
        refused = result is not None and result.verdict is not None and result.verdict.status in UNJUDGED
        if refused or bench.ledger.entry(workload.name, variant.name) is None:
            continue
        name, why = item.name.partition("[")[0], silent[item.nodeid] or "it came to no verdict"
        if "latency_gate" in gates_of(item) and (result is None or result.verdict is None):
            bench.ledger.refuse(workload, variant.name, Status.LESS_JUDGED, f"{name} judged nothing: {why}")
        said.append(
            f"{Status.LESS_JUDGED}: {workload.name} {variant.name}: {name} judged nothing, though there is a "
            f"baseline: {why}; if that is meant, leave it out: -k, --deselect, --perf-variant"
        )
    return said


def _say_nothing(session: pytest.Session, bench: Workbench | None) -> list[str]:
    asked = session.config.stash[TALLY].asked
    why = "; ".join(dict.fromkeys(filter(None, asked.values()))) or "no test came to a verdict"
    if bench is not None:
        for workload, variant in dict.fromkeys(filter(None, map(pair_of, filter(gates_of, session.items)))):
            bench.ledger.refuse(workload, variant.name, Status.NOT_JUDGED, why)
    return [f"{Status.NOT_JUDGED}: nothing was judged of {', '.join(asked)}: {why}"]


def _gone(items: Sequence[pytest.Item], bench: Workbench) -> list[tuple[Workload, str]]:
    """What has a baseline, and is no variant any more, where the whole ladder was timed."""
    if bench.settings.variants or bench.baselines is None or not times_any(items):
        return []
    chosen = {name: workloads.get(name) for name in bench.settings.workloads}
    stored = bench.baselines.entries.values()
    return [(chosen[e.workload], e.variant) for e in stored if e.workload in chosen and not _is(e.variant)]


def _lost(session: pytest.Session, bench: Workbench) -> list[str]:
    """Workloads that have a baseline and are none any more, where nobody named workloads for this run."""
    config = session.config
    if config.getoption("perf_workload") or bench.settings.variants or not times_any(session.items):
        return []
    stored = bench.baselines.entries.values() if bench.baselines is not None else ()
    return [name for name in dict.fromkeys(e.workload for e in stored) if not _is(name, workloads.get)]


def _is(name: str, get: Callable[[str], object] = variants.get) -> bool:
    try:
        get(name)
    except ValueError:  # unknown, or a contradiction
        return False
    return True
