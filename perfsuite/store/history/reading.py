"""What is asked of a history, as records."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from perfsuite.records import Session
from perfsuite.store.history import rows, tables
from perfsuite.store.history.counts import expand

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import ColumnElement, Connection, Row

    from perfsuite.records import Change, Decision, NightRun, Point, Series, Trial

_NAME = tables.device.c.name.label("device_name")
_Night = tuple[int, str, str]
"""Of a run: its place among all, its night and its id."""
_GROUP = ("device", "workload", "protocol", "variant", "family")


def read_runs(connection: Connection, *where: ColumnElement[bool]) -> list[NightRun]:
    """In the order of their nights."""
    run, around = tables.run.c, tables.environment.c
    found = (
        select(tables.run, _NAME, around.versions, around.git, around.surroundings)
        .join(tables.device, tables.device.c.pk == run.device)
        .join(tables.environment, around.id == run.environment)
        .where(*where)
        .order_by(run.position, run.pk)
    )
    return [rows.run_of(row) for row in connection.execute(found)]


def read_series(connection: Connection, *where: ColumnElement[bool]) -> dict[int, Row[Any]]:
    """Rows of the series, with the name of their device, by key; in the order of their identity."""
    found = (
        select(tables.series, _NAME)
        .join(tables.device, tables.device.c.pk == tables.series.c.device)
        .where(*where)
    )
    # Here and not there: servers sort text by a language.
    every = sorted(connection.execute(found), key=rows.series_of)
    return {row.pk: row for row in every}


def read_points(
    connection: Connection, series: Mapping[int, Row[Any]], *where: ColumnElement[bool]
) -> Iterator[tuple[Series, tuple[Point, ...]]]:
    """Each of these series with its points in order; `where` chooses them among all points."""
    run = tables.run.c
    order = select(run.pk, run.night, run.id).order_by(run.position, run.pk)
    nights = {pk: (place, night, name) for place, (pk, night, name) in enumerate(connection.execute(order))}
    counted = _counted(connection, nights)
    columns = [tables.point.c[name] for name in ("series", "run", "value", "error", "samples", "excluded")]
    found = connection.execute(select(*columns).where(*where).order_by(tables.point.c.series))
    of = {key: list(some) for key, some in groupby(found, key=itemgetter(0))}
    for key, row in series.items():
        some = of.get(key, [])
        if row.family:
            places = counted.get(tuple(getattr(row, name) for name in _GROUP), {})
            yield rows.series_of(row), _counts(some, places, nights)
        else:
            some.sort(key=lambda point: nights[point[1]][0])
            points = (rows.point_of(*nights[run][1:], *figure) for _, run, *figure in some)
            yield rows.series_of(row), tuple(points)


def _counted(connection: Connection, nights: Mapping[int, _Night]) -> dict[tuple[Any, ...], dict[int, int]]:
    """Of each family the runs that counted it, each with its place among them."""
    counted = tables.counted.c
    columns = [counted[name] for name in (*_GROUP[1:], "run")]
    query = select(tables.run.c.device, *columns).join(tables.run, tables.run.c.pk == counted.run)
    found: dict[tuple[Any, ...], list[int]] = {}
    for *group, run in connection.execute(query):
        found.setdefault(tuple(group), []).append(run)
    return {
        group: {run: place for place, run in enumerate(sorted(runs, key=lambda run: nights[run][0]))}
        for group, runs in found.items()
    }


def _counts(
    some: Iterable[Row[Any]], places: Mapping[int, int], nights: Mapping[int, _Night]
) -> tuple[Point, ...]:
    runs = list(places)
    found = expand({row.run: row.value for row in some}, places)
    return tuple(rows.count_of(*nights[runs[place]][1:], value) for place, value in found)


def read_sessions(connection: Connection, run: str) -> dict[tuple[str, str], Session]:
    """Of one run, by workload and variant."""
    from pydantic import TypeAdapter

    adapter: TypeAdapter[Session] = TypeAdapter(Session)
    found = (
        select(tables.session)
        .join(tables.run, tables.run.c.pk == tables.session.c.run)
        .where(tables.run.c.id == run)
        .order_by(tables.session.c.workload, tables.session.c.variant)
    )
    return {
        (row.workload, row.variant): adapter.validate_json(row.samples) for row in connection.execute(found)
    }


def read_changes(connection: Connection) -> list[Change]:
    """All, with their trials and decisions in the order in which they came."""
    series = {key: rows.series_of(row) for key, row in read_series(connection).items()}
    trials: dict[str, list[Trial]] = {}
    for row in connection.execute(select(tables.trial).order_by(tables.trial.c.pk)):
        trials.setdefault(row.change, []).append(rows.trial_of(row))
    decisions: dict[str, list[Decision]] = {}
    for row in connection.execute(select(tables.decision).order_by(tables.decision.c.pk)):
        decisions.setdefault(row.change, []).append(rows.decision_of(row))
    found = connection.execute(select(tables.change).order_by(tables.change.c.nominated, tables.change.c.id))
    return [
        rows.change_of(
            row, series[row.series], tuple(trials.get(row.id, ())), tuple(decisions.get(row.id, ()))
        )
        for row in found
    ]
