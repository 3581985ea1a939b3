"""Which tests there are: one of each variant and workload, those of one variant together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from perfsuite.pipelines import unfit, unsupported, variants, workloads
from perfsuite.plugin.registration import check_late
from perfsuite.plugin.stash import LEFT_OUT, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from perfsuite.bench.workbench import Workbench
    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Device, Workload
    from perfsuite.settings import Settings

SESSION_GATES = {"latency_gate", "memory_gate", "start_gate"}
"""Gates that judge a session by its baseline; nothing of it where benchmarks are disabled."""
_WITHOUT_BENCHMARK = {
    "picture_gate", "golden_gate", "look_gate", "honest_gate", "task_gate", "count_gate", "memory_gate",
    "start_gate",
}  # fmt: skip
"""Gates without pytest-benchmark's fixture, whose tests ``--benchmark-only`` would skip."""


def chosen_of(settings: Settings) -> list[Variant]:
    """The variants that were named, each once however it is spelled; the ladder where none was."""
    chosen = {v.name: v for v in map(variants.get, settings.variants)}
    return list(chosen.values()) or list(variants.LADDER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    settings = metafunc.config.stash[SETTINGS]
    chosen = [workloads.get(name) for name in settings.workloads]
    # These names are common words: only tests that use this plugin's fixtures are meant.
    ours = {"pipeline", "workbench"} <= set(metafunc.fixturenames)
    if ours:
        pairs = [(w, v) for w in chosen for v in _concerned(metafunc, chosen_of(settings))]
        metafunc.parametrize("pipeline", pairs, indirect=True, ids=[f"{w.name}-{v.name}" for w, v in pairs])
    elif "workload" in metafunc.fixturenames and {"golden_gate", "honest_gate"} & set(metafunc.fixturenames):
        metafunc.parametrize("workload", chosen, ids=[w.name for w in chosen])


def _concerned(metafunc: pytest.Metafunc, chosen: list[Variant]) -> list[Variant]:
    """Those of which the test's structure gate, where its mark names one, has something to say.

    Of none: all, so that whoever chose these alone is told why.
    """
    gates = [mark.args[0] for mark in metafunc.definition.iter_markers("structure") if mark.args]
    if not gates:
        return chosen
    from perfsuite.structure.gates import unconcerned

    return [v for v in chosen if not any(unconcerned(gate, v) for gate in gates)] or chosen


def pair_of(item: pytest.Item) -> tuple[Workload, Variant] | None:
    """What a test's pipeline is built of, None for a test without one."""
    callspec = getattr(item, "callspec", None)
    found = callspec.params.get("pipeline") if callspec is not None else None
    return found if isinstance(found, tuple) else None


def _timed_as_the_suite_does(item: pytest.Item) -> None:
    """Give a latency test the clock that waits for the GPU, unless it brings one: pytest-benchmark's own
    would time how long a call takes to be asked for."""
    from perfsuite.device.clock import now

    mark = item.get_closest_marker("benchmark")
    options = {"group": "latency", "timer": now, "disable_gc": True, **(mark.kwargs if mark else {})}
    item.add_marker(pytest.mark.benchmark(**options), append=False)


def _skips_untimed(mark: pytest.Mark) -> bool:
    """True for the mark by which pytest-benchmark skips tests without its fixture."""
    return mark.name == "skip" and "--benchmark-only" in mark.kwargs.get("reason", "")


def is_skipped_untimed(item: pytest.Item) -> bool:
    """Whether the user left this test out, as one that times nothing."""
    return any(map(_skips_untimed, item.own_markers))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say what of the collected is run, and in which order: those of one variant together, so that one
    pipeline at a time is in memory."""
    if items:
        check_late(items[0].config)
    for item in items:
        if "latency_gate" in getattr(item, "fixturenames", ()):
            _timed_as_the_suite_does(item)
        if _WITHOUT_BENCHMARK & set(getattr(item, "fixturenames", ())):
            item.own_markers = [m for m in item.own_markers if not _skips_untimed(m)]
    _leave_out_without_matter(config, items)
    if not (config.option.collectonly or config.stash[SETTINGS].variants):
        _leave_out(config, items)
    order: dict[tuple[str, str], int] = {}
    for item in items:
        pair = pair_of(item)
        if pair is not None:
            order.setdefault((pair[0].name, pair[1].name), len(order))

    def rank(item: pytest.Item) -> int:
        pair = pair_of(item)
        return -1 if pair is None else order[pair[0].name, pair[1].name]

    items.sort(key=rank)


def _leave_out_without_matter(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests of compiled code where nothing is compiled, or nobody wants it, and of the task where
    all is exact.

    If no other test would be left they are skipped with the reason: somebody chose these alone.
    """
    gone = {
        item: reason
        for item in items
        if (reason := _nothing_compiled(item, config) or _nothing_lost(item)) is not None
    }
    if 0 < len(gone) < len(items):
        config.hook.pytest_deselected(items=list(gone))
        items[:] = [item for item in items if item not in gone]
        return
    for item, reason in gone.items():
        item.add_marker(pytest.mark.skip(reason=reason))


def _nothing_compiled(item: pytest.Item, config: pytest.Config) -> str | None:
    """Why a test of compiled code has nothing to look into; None where it has, and for other tests."""
    if item.get_closest_marker("compiled") is None:
        return None
    if not config.stash[SETTINGS].look_compiled:
        return "left out by --perf-look-compiled=no"
    pair = pair_of(item)
    return f"nothing of {pair[1].name} is compiled" if pair is not None and not pair[1].compiled else None


def _nothing_lost(item: pytest.Item) -> str | None:
    """Why a test of the task has nothing to compare; None where it has, and for other tests."""
    pair = pair_of(item)
    if item.get_closest_marker("task") is None or pair is None or pair[1].lossy:
        return None
    return f"all of {pair[1].name} is exact: nothing of the task can be lost"


def _leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the variants that nobody named and that are not for this device.

    Here the device is asked for, which imports torch: not before there is something to run. If no variant
    would be left all stay, and are skipped with the reason: somebody chose these alone.
    """
    pairs = {item: pair for item in items if (pair := pair_of(item)) is not None}
    if not pairs:
        return
    from perfsuite.device import NoDeviceError, fingerprint, imports

    imports.IMPORTS.bring("torch")
    from perfsuite.pipelines import lacking

    try:
        device = fingerprint(config.stash[SETTINGS].device)
    except NoDeviceError as error:
        raise pytest.UsageError(f"perfsuite: {error}") from error
    fitting = {item: pair for item, pair in pairs.items() if unfit(*pair) is None}
    if 0 < len(fitting) < len(pairs):
        config.hook.pytest_deselected(items=[item for item in pairs if item not in fitting])
        items[:] = [item for item in items if item in fitting or item not in pairs]
        pairs = fitting
    chosen = dict.fromkeys(variant for _, variant in pairs.values())
    found = {v: unwanted(v, device, config.stash[SETTINGS]) for v in chosen}
    if all(found.values()):
        return
    known = _with_baseline(config, device)
    gone = {
        item
        for item, (workload, variant) in pairs.items()
        if found[variant] is not None
        # What has a baseline does not go missing without a word: see `asking.skip_or_fail`.
        and not (
            unsupported(variant, device)
            and SESSION_GATES & set(getattr(item, "fixturenames", ()))
            and f"{workload.name}/{variant.name}" in known
        )
    }
    config.hook.pytest_deselected(items=[item for item in items if item in gone])
    items[:] = [item for item in items if item not in gone]
    config.stash[LEFT_OUT] = device.kind, {v.name: lacking(v, device) for v in found if found[v] is not None}


def _with_baseline(config: pytest.Config, device: Device) -> Collection[str]:
    """``workload/variant`` of what latencies of this device are stored, where any is to be judged; also of
    the same processor with other instructions, without which a variant may be lost."""
    from perfsuite.store import Baselines, StoreError

    if config.getoption("benchmark_disable") or config.getoption("benchmark_skip"):
        return ()
    try:
        store = Baselines(config.stash[SETTINGS].baselines)
        files = [store.of(device), *store.kin(device)]
    except StoreError as error:
        raise pytest.UsageError(f"perfsuite: {error}") from error
    return {key for file in files if file is not None for key in file.entries}


def planned(items: Sequence[pytest.Item], bench: Workbench) -> tuple[str, ...]:
    """What will be run of the items: not what the device cannot run."""
    pairs = dict.fromkeys(pair for item in items if (pair := pair_of(item)) is not None)
    return tuple(
        f"{w.name}/{v.name}" for w, v in pairs if why_not(w, v, bench.device, bench.settings) is None
    )


def why_not(workload: Workload, variant: Variant, device: Device, settings: Settings) -> str | None:
    """Why a variant of a workload is not run on this device, None if it is."""
    return unfit(workload, variant) or unwanted(variant, device, settings)


def unwanted(variant: Variant, device: Device, settings: Settings) -> str | None:
    """Why a variant of any workload is not run on this device, None if it is."""
    reason = unsupported(variant, device)
    if reason is None and not settings.variants:
        reason = variants.superseded(variant, device)
    return reason
