"""When each series was last there, without a look at its points: for commands that only list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from perfsuite.store.history import rows, tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from perfsuite.records import Series

_FAMILY = ("workload", "protocol", "variant", "family")


def last_nights(connection: Connection, night: str) -> dict[Series, str]:
    """The last night of each series until a night; a count is there where its family was counted."""
    run, counted = tables.run.c, tables.counted.c
    latest = func.max(run.night)
    measured = (
        select(tables.point.c.series, latest)
        .join(tables.run, run.pk == tables.point.c.run)
        .where(run.night <= night)
        .group_by(tables.point.c.series)
    )
    families = [run.device, *(counted[name] for name in _FAMILY)]
    counts = (
        select(*families, latest)
        .join(tables.run, run.pk == counted.run)
        .where(run.night <= night)
        .group_by(*families)
    )
    of_series: dict[int, str] = {row[0]: row[1] for row in connection.execute(measured)}
    of_family: dict[tuple[Any, ...], str] = {tuple(of): last for *of, last in connection.execute(counts)}
    named = tables.device.c.name.label("device_name")
    every = select(tables.series, named).join(tables.device, tables.device.c.pk == tables.series.c.device)
    found = {}
    for row in connection.execute(every):
        of = (row.device, *(getattr(row, name) for name in _FAMILY))
        last = of_family.get(of) if row.family else of_series.get(row.pk)
        if last is not None:
            found[rows.series_of(row)] = last
    return found
