"""Events in the database: those that follow from the runs are kept in step with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from perfsuite.store.history import rows, tables
from perfsuite.store.history.epochs import Ran, events_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from perfsuite.records import HistoryEvent


def read_events(connection: Connection, device: str | None = None) -> list[HistoryEvent]:
    """Of one device, or of all, by night."""
    found = (
        select(tables.event, tables.device.c.name.label("device_name"))
        .join(tables.device, tables.device.c.pk == tables.event.c.device)
        .order_by(tables.event.c.night, tables.event.c.pk)
    )
    if device is not None:
        found = found.where(tables.device.c.name == device)
    return [rows.event_of(row) for row in connection.execute(found)]


def insert_event(connection: Connection, device: int, event: HistoryEvent, *, by_itself: bool) -> bool:
    """Add an event; False where the same one is there."""
    values: dict[str, Any] = {
        "device": device, "night": event.night, "kind": event.kind, "text": event.text,
        "workload": event.workload,
    }  # fmt: skip
    # `==` with None is IS NULL.
    same = [tables.event.c[name] == value for name, value in values.items()]
    if connection.execute(select(tables.event.c.pk).where(*same)).first() is not None:
        return False
    connection.execute(insert(tables.event).values(**values, by_itself=by_itself))
    return True


def refresh_events(connection: Connection, device: int, name: str) -> list[HistoryEvent]:
    """Bring the events that a device's runs tell of up to now; those that are new.

    A run that is imported late may explain, or take away, what was said of the one after it.
    """
    run, around = tables.run.c, tables.environment.c
    found = connection.execute(
        select(run.night, run.machine, around.surroundings, run.protocols)
        .join(tables.environment, around.id == run.environment)
        .where(run.device == device)
        .order_by(run.position, run.pk)
    )
    wanted = dict.fromkeys(events_of(name, [Ran(*row) for row in found]))
    there = connection.execute(
        select(tables.event, tables.device.c.name.label("device_name"))
        .join(tables.device, tables.device.c.pk == tables.event.c.device)
        .where(tables.event.c.device == device, tables.event.c.by_itself)
    ).all()
    stale = [row.pk for row in there if rows.event_of(row) not in wanted]
    if stale:
        connection.execute(delete(tables.event).where(tables.event.c.pk.in_(stale)))
    return [event for event in wanted if insert_event(connection, device, event, by_itself=True)]
