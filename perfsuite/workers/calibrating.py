"""Baselines of many fresh sessions, one process each, kept as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.decision.spread import spread
from perfsuite.measuring import Plan
from perfsuite.pipelines import loaded, models
from perfsuite.records import Result
from perfsuite.workers.client import RefusedError, StartError, WorkerError
from perfsuite.workers.sessions import measure_session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfsuite.decision.spread import Spread
    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Device, Entry, Session, Workload
    from perfsuite.store import Baselines
    from perfsuite.workers.client import Server

RETRIES = 2
WAIT_S = 20.0
"""For a quiet moment before each session, at most."""


class CalibrationError(ValueError):
    """Stored sessions that the new ones must not be mixed with; says what differs and what to do."""


def calibrate(
    server: Server,
    store: Baselines,
    device: Device,
    workload: Workload,
    variants: Sequence[Variant],
    sessions: int,
    *,
    protocol: Callable[[Variant], str],
    versions: dict[str, str],
    weights: str = "auto",
    time_budget_s: float = 6.0,
    restart: bool = False,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Spread]:
    """Measure until each variant has `sessions` stored, in turns so that a drift meets them all alike.

    Each session is stored before the next begins; called again after an interruption, it goes on. A variant
    whose process fails three times in a row (it runs out of memory, it loses the GPU) is left out from then
    on, and the others are measured.

    Raises:
        CalibrationError: sessions of another protocol or other versions are stored, and not `restart`.
        WorkerError: at the end, which variants could not be measured and why; at once where no process can
            be started.
        StoreError: the file is bad or cannot be written.
    """
    stored = _check(store, device, workload, variants, protocol, versions, restart)
    began = {name: len(found) for name, found in stored.items()}
    failed: dict[str, WorkerError] = {}
    for number in range(1, sessions + 1):
        for variant in variants:
            if number <= began[variant.name] or variant.name in failed:
                continue
            progress(f"{workload.name} {variant.name}: session {number} of {sessions}")
            try:
                session = _measure(server, workload, variant, device, weights, time_budget_s, progress)
            except WorkerError as error:
                if isinstance(error, StartError) and not isinstance(error, RefusedError):
                    raise
                failed[variant.name] = error
                progress(f"{workload.name} {variant.name}: left out: {str(error).splitlines()[0]}")
                continue
            result = Result(workload.name, variant.name, protocol(variant), session=session)
            store.update(device, [result], "reset" if number == 1 else "append")
    if failed:
        raise _failure(failed, len(variants))
    found = store.of(device)
    assert found is not None
    return [spread(found.entries[f"{workload.name}/{v.name}"], device.kind) for v in variants]


def _failure(failed: dict[str, WorkerError], of: int) -> WorkerError:
    """One error for all."""
    if of == 1:
        return next(iter(failed.values()))
    why = "; ".join(f"{name}: {error}" for name, error in failed.items())
    stored = "; the sessions of the others are stored" if len(failed) < of else ""
    return WorkerError(f"{len(failed)} of {of} variants could not be measured{stored}: {why}")


def _check(
    store: Baselines,
    device: Device,
    workload: Workload,
    variants: Sequence[Variant],
    protocol: Callable[[Variant], str],
    versions: dict[str, str],
    restart: bool,
) -> dict[str, tuple[Session, ...]]:
    """The sessions from which to go on."""
    file = store.of(device)
    found: dict[str, tuple[Session, ...]] = {}
    for variant in variants:
        entry = file.entries.get(f"{workload.name}/{variant.name}") if file is not None else None
        if entry is None or restart:
            found[variant.name] = ()
            continue
        where = f"{store.path(device.slug)}: entry {entry.key}"
        now = protocol(variant)
        if entry.protocol != now:
            why = loaded.moved_files(entry.protocol, now) or f"measured with {entry.protocol!r}, now {now!r}"
            raise CalibrationError(f"{where}: {why}; {_remedy(now, entry)}")
        then = dict(entry.sessions[-1].versions)
        if then != versions:
            moved = ", ".join(
                f"{n} {then.get(n, 'absent')} -> {versions.get(n, 'absent')}"
                for n in sorted({*then, *versions})
                if then.get(n) != versions.get(n)
            )
            raise CalibrationError(
                f"{where}: sessions of other versions do not mix ({moved}); replace it with --restart"
            )
        found[variant.name] = entry.sessions
    return found


def _remedy(protocol: str, stored: Entry) -> str:
    if models.others(protocol, stored.protocol):
        return "its weights are from elsewhere, so do not replace it: name those with --weights"
    return "replace it with --restart"


def _measure(
    server: Server,
    workload: Workload,
    variant: Variant,
    device: Device,
    weights: str,
    time_budget_s: float,
    progress: Callable[[str], None],
) -> Session:
    for attempt in range(RETRIES + 1):
        worker = None
        try:
            worker = server.worker()
            return measure_session(
                worker,
                workload.name,
                variant.name,
                device.place,
                weights,
                Plan(time_budget_s=time_budget_s, wait_s=WAIT_S),
            )
        except WorkerError as error:
            if attempt == RETRIES or isinstance(error, StartError):
                raise
            progress(f"a process failed and is started again: {str(error).splitlines()[0]}")
        finally:
            if worker is not None:
                worker.close()
    raise AssertionError("unreachable")
