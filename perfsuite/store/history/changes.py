"""Changes as they are stored: each is replaced, what was tried and decided is added and stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from perfsuite.store.errors import StoreError
from perfsuite.store.history import rows, tables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Table

    from perfsuite.records import Change, Decision, Series, Trial


def save_changes(connection: Connection, changes: Iterable[Change], read: Iterable[Change] = ()) -> list[str]:
    """Store each by its id, without its trials and decisions.

    Args:
        connection: that writes.
        changes: as they are now.
        read: as they were read before. Where somebody moved one to another state meanwhile, that holds.

    Returns:
        Ids of those that were moved meanwhile, and are left as they are.

    Raises:
        StoreError: one is of a series that the history does not have.
    """
    there = {
        row.id: row.state for row in connection.execute(select(tables.change.c.id, tables.change.c.state))
    }
    known = {change.id: str(change.state) for change in read}
    left = []
    for change in changes:
        if change.id in there and there[change.id] != known.get(change.id, there[change.id]):
            left.append(change.id)
            continue
        series = _series(connection, change.series)
        if series is None:
            raise StoreError(f"change {change.id}: the history has no series {change.series.name}")
        values = {**rows.values_of_change(change), "series": series}
        if change.id in there:
            connection.execute(update(tables.change).where(tables.change.c.id == change.id).values(values))
        else:
            connection.execute(insert(tables.change).values(values))
            there[change.id] = str(change.state)
    return left


def _series(connection: Connection, series: Series) -> int | None:
    device = select(tables.device.c.pk).where(tables.device.c.name == series.device).scalar_subquery()
    same = [tables.series.c[name] == value for name, value in rows.identity_of(series).items()]
    return connection.scalar(select(tables.series.c.pk).where(tables.series.c.device == device, *same))


def add_trial(connection: Connection, trial: Trial) -> bool:
    """Add it; False where the same one is there.

    Raises:
        StoreError: there is no such change.
    """
    return _add_once(connection, tables.trial, rows.values_of_trial(trial))


def add_decision(connection: Connection, decision: Decision) -> bool:
    """Add it; False where the same one is there.

    Raises:
        StoreError: there is no such change.
    """
    return _add_once(connection, tables.decision, rows.values_of_decision(decision))


def _add_once(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    change = values["change"]
    if connection.execute(select(tables.change.c.id).where(tables.change.c.id == change)).first() is None:
        raise StoreError(f"change {change!r}: the history has none of this id; see: perfsuite track list")
    # `==` with None is IS NULL.
    same = [table.c[name] == value for name, value in values.items()]
    if connection.execute(select(table.c.pk).where(*same)).first() is not None:
        return False
    connection.execute(insert(table).values(values))
    return True
