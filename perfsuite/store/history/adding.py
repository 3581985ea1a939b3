"""A run into the database: figures as points, sessions whole, what is new of its machine as events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from perfsuite.pipelines import models
from perfsuite.store.history import origins, rows, tables
from perfsuite.store.history.counts import Group, add_family, identities
from perfsuite.store.history.devices import device_for
from perfsuite.store.history.events import refresh_events
from perfsuite.store.history.keys import Place, SeriesKeys, identity, insert_all
from perfsuite.store.history.metrics import families, figures
from perfsuite.store.results import merge_results

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from perfsuite.records import HistoryEvent, Result, Run
    from perfsuite.store.history.metrics import Figure
    from perfsuite.store.history.origins import When


@dataclass(frozen=True)
class Added:
    """What an import did."""

    run: str
    night: str
    device: str
    """Its name in the history."""
    new: bool
    """False where the run was there already, and nothing was done."""
    figures: int = 0
    counts: int = 0
    excluded: int = 0
    """Figures without weight."""
    missing: tuple[str, ...] = ()
    events: tuple[HistoryEvent, ...] = ()
    """That the history learnt from it."""


def add_run(connection: Connection, run: Run, when: When, device: str | None) -> Added:
    """Add one run, in the transaction of `connection`, which no other writer's overlaps."""
    there = connection.execute(
        select(tables.run.c.night, tables.device.c.name)
        .join(tables.device, tables.device.c.pk == tables.run.c.device)
        .where(tables.run.c.id == run.id)
    ).first()
    if there is not None:
        return Added(run.id, there.night, there.name, new=False)
    key, name = device_for(connection, run.device, device)
    results = merge_results(run.results)
    pk = _add_row(connection, run, results, when, key)
    _add_sessions(connection, pk, results)
    every = [(_place(r), figure) for r in results for figure in figures(r, run.device.kind)]
    counted = [(_place(r), family) for r in results for family in families(r)]
    keys = SeriesKeys(connection, key)
    wanted = dict.fromkeys((identity(place, figure) for place, figure in every), "")
    wanted |= {s: family.name for place, family in counted for s in identities(place, family).values()}
    keys.add(wanted)
    _add_figures(connection, pk, keys, every)
    for place, family in counted:
        counts = {keys[s]: float(family.counts[name]) for name, s in identities(place, family).items()}
        add_family(connection, pk, when.position, Group(key, *place, family.name), counts)
    events = refresh_events(connection, key, name)
    return Added(
        run.id,
        when.night,
        name,
        new=True,
        figures=len(every),
        counts=sum(len(family.counts) for _, family in counted),
        excluded=sum(bool(figure.excluded) for _, figure in every),
        missing=origins.missing_of(run),
        events=tuple(events),
    )


def _protocols(results: Sequence[Result]) -> dict[str, str]:
    """By workload; of variants that load files of their own also by workload and variant."""
    found = {r.workload: models.without_loaded(r.protocol) for r in results}
    return found | {f"{r.workload}/{r.variant}": r.protocol for r in results if models.loaded_in(r.protocol)}


def _place(result: Result) -> Place:
    return Place(result.workload, result.protocol, result.variant)


def _add_row(connection: Connection, run: Run, results: Sequence[Result], when: When, device: int) -> int:
    environment = origins.environment_of(run)
    known = select(tables.environment.c.id).where(tables.environment.c.id == environment.id)
    if connection.execute(known).first() is None:
        connection.execute(insert(tables.environment), rows.values_of_environment(environment))
    values = {
        "id": run.id, "device": device, "night": when.night, "date": when.date, "position": when.position,
        "environment": environment.id, "outcome": origins.outcome_of(run).value,
        "commit": origins.commit_of(run), "missing": origins.missing_of(run),
        "machine": origins.machine_of(run), "protocols": _protocols(results),
    }  # fmt: skip
    made = connection.execute(insert(tables.run).values(values)).inserted_primary_key
    assert made is not None
    return int(made[0])


def _add_sessions(connection: Connection, run: int, results: Iterable[Result]) -> None:
    from pydantic_core import to_json

    found = [
        {"run": run, "workload": r.workload, "variant": r.variant,
         "samples": to_json(r.session, inf_nan_mode="strings").decode()}
        for r in results
        if r.session is not None
    ]  # fmt: skip
    insert_all(connection, tables.session, found)


def _add_figures(
    connection: Connection, run: int, keys: SeriesKeys, every: Sequence[tuple[Place, Figure]]
) -> None:
    found = [
        {"series": keys[identity(place, f)], "run": run, "value": f.value, "error": f.error,
         "samples": f.samples, "excluded": f.excluded}
        for place, f in every
    ]  # fmt: skip
    insert_all(connection, tables.point, found)
