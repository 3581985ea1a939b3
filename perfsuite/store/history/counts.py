"""Counts as rows: one where a count is another than in the run before, and none where it is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, select

from perfsuite.records import SeriesKind
from perfsuite.store.history import tables
from perfsuite.store.history.keys import Identity, Place, insert_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, Connection, Select

    from perfsuite.store.history.metrics import Family


class Group(NamedTuple):
    """All series of one kind of count of one variant on one device."""

    device: int
    workload: str
    protocol: str
    variant: str
    family: str

    def series(self) -> ColumnElement[bool]:
        """Whether a row of `tables.series` is of them."""
        return _same(tables.series.c, self)

    def runs(self) -> Select[int]:
        """Keys of the runs that counted them."""
        of = {**self._asdict()}
        device = of.pop("device")
        there = and_(*(tables.counted.c[name] == value for name, value in of.items()))
        return (
            select(tables.run.c.pk)
            .join(tables.counted, tables.counted.c.run == tables.run.c.pk)
            .where(tables.run.c.device == device, there)
            .order_by(tables.run.c.position, tables.run.c.pk)
        )


def _same(columns: Any, of: Group) -> ColumnElement[bool]:
    return and_(*(columns[name] == value for name, value in of._asdict().items()))


def identities(place: Place, family: Family) -> dict[str, Identity]:
    """The series of each count of a family, by the count's name."""
    exact = SeriesKind.EXACT.value
    return {name: Identity(*place, name, family.unit, exact, False) for name in family.counts}


def add_family(
    connection: Connection, run: int, position: str, group: Group, counts: Mapping[int, float]
) -> None:
    """Add what one run, the newest of its position, counted; by key of the series, what is not there is 0."""
    before = counts_at(connection, group, position)
    differing = [key for key in sorted({*counts, *before}) if counts.get(key, 0.0) != before.get(key, 0.0)]
    found = [_row(key, run, counts.get(key, 0.0)) for key in differing]
    after = connection.scalar(group.runs().where(tables.run.c.position > position).limit(1))
    if after is not None:
        # What it did not say, for it was as in the run before, it has to say now.
        found += said_at(connection, after, {key: before.get(key, 0.0) for key in differing})
    insert_all(connection, tables.point, found)
    of = {name: value for name, value in group._asdict().items() if name != "device"}
    insert_all(connection, tables.counted, [{**of, "run": run}])


def counts_at(connection: Connection, group: Group, position: str) -> dict[int, float]:
    """The count of each series, as it was at a position."""
    point, run = tables.point.c, tables.run.c
    rows = connection.execute(
        select(point.series, point.value)
        .join(tables.series, tables.series.c.pk == point.series)
        .join(tables.run, run.pk == point.run)
        .where(group.series(), run.position <= position)
        .order_by(run.position, run.pk)
    )
    return {row.series: row.value for row in rows}


def said_at(connection: Connection, run: int, counts: Mapping[int, float]) -> list[dict[str, Any]]:
    """Rows for a run that has none of these series yet."""
    there = set(connection.scalars(select(tables.point.c.series).where(tables.point.c.run == run)))
    return [_row(key, run, value) for key, value in counts.items() if key not in there]


def _row(series: int, run: int, value: float) -> dict[str, Any]:
    return {"series": series, "run": run, "value": value, "error": None, "samples": 1, "excluded": ""}


def expand(rows: Mapping[int, float], places: Mapping[int, int]) -> list[tuple[int, float]]:
    """Of one series what its rows mean: its first and last run, and both sides of each difference.

    Args:
        rows: values by the runs that have a row.
        places: of all runs that counted it, from 0.

    Returns:
        Place and value.
    """
    if not places:
        return []
    said = sorted((places[run], value) for run, value in rows.items())
    at_first = said[0][1] if said and said[0][0] == 0 else 0.0
    found, value = {0: at_first}, at_first
    for place, new in said:
        if new != value:
            found[place - 1], found[place] = value, new
            value = new
    found[len(places) - 1] = value
    return sorted(found.items())
