"""Devices by their names, those that they had included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from perfsuite.store.history import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from perfsuite.records import Device


def names(connection: Connection) -> dict[str, int]:
    """Keys of all devices by their present names."""
    found = connection.execute(select(tables.device.c.name, tables.device.c.pk))
    return {row.name: row.pk for row in found}


def device_for(connection: Connection, device: Device, name: str | None) -> tuple[int, str]:
    """Key and present name of a device that a run comes from; it is added where it is new."""
    wanted = name or device.slug
    found = connection.execute(
        select(tables.device.c.pk, tables.device.c.name)
        .join(tables.device_alias, tables.device_alias.c.device == tables.device.c.pk)
        .where(tables.device_alias.c.alias == wanted)
    ).first()
    if found is not None:
        return found.pk, found.name
    row = {"name": wanted, "slug": device.slug, "kind": device.kind}
    made = connection.execute(insert(tables.device).values(row)).inserted_primary_key
    assert made is not None
    connection.execute(insert(tables.device_alias), {"alias": wanted, "device": made[0]})
    return int(made[0]), wanted


def name_of(connection: Connection, alias: str) -> str:
    """The present name of a device, by any that it had; the same where it is not known."""
    found = connection.execute(
        select(tables.device.c.name)
        .join(tables.device_alias, tables.device_alias.c.device == tables.device.c.pk)
        .where(tables.device_alias.c.alias == alias)
    ).scalar()
    return alias if found is None else str(found)
