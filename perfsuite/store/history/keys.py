"""Series by what they are: found, or added by the hundred."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import insert, select

from perfsuite.store.history import tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Table

    from perfsuite.store.history.metrics import Figure


class Place(NamedTuple):
    """What a result is of, on its device."""

    workload: str
    protocol: str
    variant: str


class Identity(NamedTuple):
    """What tells a series from others of its device; names and order are those of `tables.IDENTITY`."""

    workload: str
    protocol: str
    variant: str
    metric: str
    unit: str
    kind: str
    higher_is_better: bool


def identity(place: Place, figure: Figure) -> Identity:
    """Of the series that a figure belongs to."""
    return Identity(*place, figure.metric, figure.unit, figure.kind.value, figure.higher_is_better)


class SeriesKeys:
    """Keys of the series of one device."""

    def __init__(self, connection: Connection, device: int) -> None:
        self._connection, self._device = connection, device
        self._keys = self._read()

    def _read(self) -> dict[Identity, int]:
        names = [tables.series.c[name] for name in tables.IDENTITY]
        found = select(tables.series.c.pk, *names).where(tables.series.c.device == self._device)
        return {Identity(*names): pk for pk, *names in self._connection.execute(found)}

    def __getitem__(self, series: Identity) -> int:
        return self._keys[series]

    def add(self, wanted: Mapping[Identity, str]) -> None:
        """Add those that are not there yet, each with its family."""
        found = [
            {**series._asdict(), "device": self._device, "family": family}
            for series, family in wanted.items()
            if series not in self._keys
        ]
        if found:
            insert_all(self._connection, tables.series, found)
            self._keys = self._read()


def insert_all(connection: Connection, table: Table, found: Sequence[Mapping[str, Any]]) -> None:
    """Insert these rows, which may be none."""
    if found:
        connection.execute(insert(table), found)
