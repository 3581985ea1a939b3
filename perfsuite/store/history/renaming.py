"""A device or a variant under another name, with all that is known of it.

Where the other name is known already both become one, if one had its runs before the other: else two machines
would be mixed in one series.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, delete, func, insert, select, update

from perfsuite.store.errors import StoreError
from perfsuite.store.history import tables
from perfsuite.store.history.counts import Group, counts_at, said_at
from perfsuite.store.history.devices import names
from perfsuite.store.history.events import refresh_events
from perfsuite.store.history.keys import insert_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Row

_ALWAYS = "~"
"""Behind every position."""


class _Twin(NamedTuple):
    """A series, and that of the other name which it becomes part of; None where there is none."""

    series: Row[Any]
    other: int | None

    @property
    def group(self) -> Group:
        """Of the counts that it is one of."""
        return Group(*(getattr(self.series, name) for name in Group._fields))


class _Span(NamedTuple):
    """From the first run to the last, by position."""

    first: str
    last: str

    def meets(self, other: _Span) -> bool:
        """Whether one begins before the other has ended."""
        return self.first <= other.last and other.first <= self.last


class _Seam(NamedTuple):
    """The first run of the later of two sides, and counts of the earlier side that it may lack."""

    run: int
    series: tuple[int, ...]


def rename_device(connection: Connection, old: str, new: str) -> None:
    """Give a device another name; runs that come by the old one are its own from then on.

    Raises:
        StoreError: there is none, the name is another's former one, or both measured in the same nights.
    """
    devices = names(connection)
    if old not in devices:
        raise unknown("device", old, devices)
    if old == new:
        return
    if new in devices:
        _merge_devices(connection, (old, devices[old]), (new, devices[new]))
    else:
        alias = tables.device_alias.c
        of = connection.scalar(select(alias.device).where(alias.alias == new))
        if of not in (None, devices[old]):
            name = next(name for name, pk in devices.items() if pk == of)
            raise StoreError(
                f"device {new!r}: this was the name of {name!r}, whose runs may still come by it"
            )
        connection.execute(update(tables.device).where(tables.device.c.pk == devices[old]).values(name=new))
        if of is None:
            connection.execute(insert(tables.device_alias).values(alias=new, device=devices[old]))
    refresh_events(connection, devices.get(new, devices[old]), new)


def _merge_devices(connection: Connection, old: tuple[str, int], new: tuple[str, int]) -> None:
    (old_name, old_pk), (new_name, new_pk) = old, new
    twins = _twins(connection, tables.series.c.device == old_pk, {"device": new_pk})
    _check_apart(connection, twins, f"device {old_name!r}", f"device {new_name!r}")
    seams = _seams(connection, twins, {"device": new_pk})
    for table in (tables.run, tables.event, tables.device_alias):
        connection.execute(update(table).where(table.c.device == old_pk).values(device=new_pk))
    _move(connection, twins, {"device": new_pk})
    _sew(connection, seams)
    connection.execute(delete(tables.device).where(tables.device.c.pk == old_pk))


def rename_variant(connection: Connection, old: str, new: str) -> None:
    """Give a variant another name, on every device and in every workload.

    Raises:
        StoreError: there is none, or both were measured in the same nights.
    """
    known = set(connection.scalars(select(tables.series.c.variant).distinct()))
    if old not in known:
        raise unknown("variant", old, known)
    if old == new:
        return
    twins = _twins(connection, tables.series.c.variant == old, {"variant": new})
    _check_apart(connection, twins, f"variant {old!r}", f"variant {new!r}")
    seams = _seams(connection, twins, {"variant": new})
    for table in (tables.session, tables.counted):
        connection.execute(update(table).where(table.c.variant == old).values(variant=new))
    _move(connection, twins, {"variant": new})
    _sew(connection, seams)


def unknown(what: str, name: str, known: Iterable[str]) -> StoreError:
    """The error of a name that the history does not know, with the nearest one."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    said = ", ".join(sorted(known)) or "none"
    return StoreError(f"{what} {name!r}: {hint}the history knows {said}")


def _twins(connection: Connection, where: ColumnElement[bool], changed: Mapping[str, Any]) -> list[_Twin]:
    """The series that are renamed, each with the one that has its identity after it."""
    mine, its = tables.series.alias("mine"), tables.series.alias("its")
    same = [
        its.c[name] == (changed[name] if name in changed else mine.c[name])
        for name in ("device", *tables.IDENTITY)
    ]
    found = (
        select(mine, its.c.pk.label("other"))
        .join(its, and_(*same), isouter=True)
        .where(mine.c.pk.in_(select(tables.series.c.pk).where(where)))
        .order_by(mine.c.pk)
    )
    return [_Twin(row, row.other) for row in connection.execute(found)]


def _check_apart(connection: Connection, twins: Sequence[_Twin], old: str, new: str) -> None:
    """Raise `StoreError` where both measured the same in the same nights."""
    spans = _spans(connection)
    ways = [name for name in Group._fields if name != "family"]
    for twin in twins:
        if twin.other is None:
            continue
        mine = twin.series
        its = connection.execute(select(tables.series).where(tables.series.c.pk == twin.other)).one()
        one, two = (spans[tuple(getattr(of, name) for name in ways)] for of in (mine, its))
        if one.meets(two):
            raise StoreError(
                f"{old} cannot become {new}: both have {mine.metric} of {mine.workload} {mine.variant} in "
                f"the nights from {max(one.first, two.first)[:10]} to {min(one.last, two.last)[:10]}; they "
                "are two, so leave both names, or give another"
            )


def _spans(connection: Connection) -> dict[tuple[Any, ...], _Span]:
    """When anything of a variant was measured, or counted, by device, workload, protocol and variant."""
    run, series, counted = tables.run.c, tables.series.c, tables.counted.c
    ends = func.min(run.position), func.max(run.position)
    by_point = [series.device, series.workload, series.protocol, series.variant]
    by_count = [run.device, counted.workload, counted.protocol, counted.variant]
    points = select(*by_point, *ends).join(tables.point, tables.point.c.series == series.pk)
    counts = select(*by_count, *ends).join(tables.counted, counted.run == run.pk)
    found: dict[tuple[Any, ...], _Span] = {}
    for query in (
        points.join(tables.run, run.pk == tables.point.c.run).group_by(*by_point),
        counts.group_by(*by_count),
    ):
        for *of, first, last in connection.execute(query):
            known = found.get(tuple(of), _Span(first, last))
            found[tuple(of)] = _Span(min(first, known.first), max(last, known.last))
    return found


def _seams(connection: Connection, twins: Sequence[_Twin], changed: Mapping[str, Any]) -> list[_Seam]:
    """Where counts of two sides meet: what only the earlier has would else go on in the later."""
    becomes = {twin.series.pk: twin.other or twin.series.pk for twin in twins}
    found = []
    for mine in dict.fromkeys(twin.group for twin in twins if twin.series.family):
        sides = [(_runs(connection, group), group) for group in (mine, mine._replace(**changed))]
        if not all(runs for runs, _ in sides):
            continue
        (_, earlier), (later, _) = sorted(sides, key=lambda side: side[0][0].position)
        left = counts_at(connection, earlier, _ALWAYS)
        series = tuple(becomes.get(key, key) for key, value in left.items() if value)
        found.append(_Seam(later[0].pk, series))
    return found


def _runs(connection: Connection, group: Group) -> Sequence[Row[Any]]:
    return connection.execute(group.runs().add_columns(tables.run.c.position)).all()


def _move(connection: Connection, twins: Sequence[_Twin], changed: Mapping[str, Any]) -> None:
    """Rename the series that have no twin; the others' points and changes become its own."""
    alone = [twin.series.pk for twin in twins if twin.other is None]
    for key in alone:
        connection.execute(update(tables.series).where(tables.series.c.pk == key).values(**changed))
    for twin in twins:
        if twin.other is None:
            continue
        for table in (tables.point, tables.change):
            moved = update(table).where(table.c.series == twin.series.pk).values(series=twin.other)
            connection.execute(moved)
        connection.execute(delete(tables.series).where(tables.series.c.pk == twin.series.pk))


def _sew(connection: Connection, seams: Sequence[_Seam]) -> None:
    for seam in seams:
        insert_all(connection, tables.point, said_at(connection, seam.run, dict.fromkeys(seam.series, 0.0)))
