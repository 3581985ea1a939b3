"""The history of nights: the face of the database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from perfsuite.store.errors import StoreError
from perfsuite.store.history import (
    adding,
    changes,
    devices,
    events,
    latest,
    origins,
    reading,
    renaming,
    rows,
    tables,
)
from perfsuite.store.history.connecting import Database
from perfsuite.store.history.schema import prepare

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

    from sqlalchemy import ColumnElement

    from perfsuite.records import (
        Change,
        Decision,
        Environment,
        HistoryEvent,
        NightRun,
        Point,
        Run,
        Series,
        Session,
        Trial,
    )
    from perfsuite.store.history.adding import Added


class History:
    """All nights of one database.

    Each call is a transaction of its own, and no connection is open between two. Every method raises
    `StoreError` where the database cannot be read or written; no message holds its password.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, where: str | Path, *, create: bool = False, patience_s: float | None = None) -> Self:
        """The history in a file, or on a server; an older one is brought up to now.

        Args:
            where: a SQLite file, ``sqlite:///PATH`` or ``postgresql://USER@HOST/DATABASE``.
            create: begin one where there is none.
            patience_s: how long a server that is away is asked again; some seconds if None.

        Raises:
            StoreError: there is none, it is of a newer perfsuite, it is something else, or it is away.
        """
        database = Database(where, patience_s)
        prepare(database, create=create)
        return cls(database)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open; every call has ended its own transaction."""

    def __str__(self) -> str:
        """Where it is, for messages."""
        return str(self._database.address)

    # -- runs ----------------------------------------------------------------------------------------

    def add(
        self, run: Run, night: str | None = None, *, device: str | None = None, now: datetime | None = None
    ) -> Added:
        """Add a run with its sessions and all that is followed of it; a second time does nothing.

        Args:
            run: what `perfsuite.store.read_results` reads.
            night: ISO date that it counts for; the day in UTC on which it began if None.
            device: name of the device in the history; that which its slug has there if None.
            now: the time, for dates that have not come yet.

        Raises:
            StoreError: also for a date or night that is none, or has not come yet.
        """
        when = origins.when(run, night, now or datetime.now(UTC))
        with self._database.writing() as connection:
            return adding.add_run(connection, run, when, device)

    def runs(self, device: str | None = None) -> list[NightRun]:
        """All runs, or those of a device, in the order of their nights."""
        with self._database.reading() as connection:
            return reading.read_runs(connection, *_of(device))

    def environment(self, run: str) -> Environment:
        """What a run ran with."""
        with self._database.reading() as connection:
            found = reading.read_runs(connection, tables.run.c.id == run)
        if not found:
            raise StoreError(f"run {run!r}: the history has none of this id")
        return found[0].environment

    def sessions(self, run: str) -> dict[tuple[str, str], Session]:
        """The sessions of a run, raw samples and all, by workload and variant."""
        with self._database.reading() as connection:
            return reading.read_sessions(connection, run)

    # -- series --------------------------------------------------------------------------------------

    def series(self, device: str | None = None) -> list[Series]:
        """All series, or those of a device, in order."""
        with self._database.reading() as connection:
            return [rows.series_of(row) for row in reading.read_series(connection, *_of(device)).values()]

    def points(self, series: Series) -> tuple[Point, ...]:
        """The points of one series in the order of their nights, see `all_points`."""
        same = [tables.series.c[name] == value for name, value in rows.identity_of(series).items()]
        with self._database.reading() as connection:
            found = reading.read_series(connection, tables.device.c.name == series.device, *same)
            where = tables.point.c.series.in_(list(found))
            return next((points for _, points in reading.read_points(connection, found, where)), ())

    def all_points(self, device: str | None = None) -> Iterator[tuple[Series, tuple[Point, ...]]]:
        """Each series with its points in the order of their nights; one query for all.

        Of a count those nights that tell something are points: the first and the last on which it was
        counted, and both sides of each difference; between two it was as on both. What was counted and not
        there is 0.
        """
        with self._database.reading() as connection:
            found = reading.read_series(connection, *_of(device))
            every = list(reading.read_points(connection, found))
        yield from every

    def last_nights(self, night: str) -> dict[Series, str]:
        """The last night on which each series was there, until a night; quicker than its points."""
        with self._database.reading() as connection:
            return latest.last_nights(connection, night)

    # -- what is known besides -----------------------------------------------------------------------

    def events(self, device: str | None = None) -> list[HistoryEvent]:
        """All events, or those of a device, by night."""
        with self._database.reading() as connection:
            return events.read_events(connection, device)

    def add_event(self, event: HistoryEvent) -> bool:
        """Add one by hand; False where the same one is there."""
        event = replace(event, night=origins.as_day(event.night))
        with self._database.writing() as connection:
            known = devices.names(connection)
            if event.device not in known:
                raise renaming.unknown("device", event.device, known)
            return events.insert_event(connection, known[event.device], event, by_itself=False)

    def changes(self) -> list[Change]:
        """All changes with their trials and decisions, in the order of their nomination."""
        with self._database.reading() as connection:
            return reading.read_changes(connection)

    def save_changes(
        self, found: Iterable[Change], read: Iterable[Change] = (), decisions: Iterable[Decision] = ()
    ) -> list[str]:
        """Store these by their ids, and what was decided of them; trials are added by themselves.

        Args:
            found: as they are now.
            read: as they were read; one that somebody moved to another state since then is left so.
            decisions: that are stored with them, or not at all.

        Returns:
            Ids of those that are left.
        """
        with self._database.writing() as connection:
            left = changes.save_changes(connection, found, read)
            for decision in decisions:
                changes.add_decision(connection, decision)
            return left

    def add_trial(self, trial: Trial) -> bool:
        """Add the evidence of one A/B to its change; False where the same one is there."""
        with self._database.writing() as connection:
            return changes.add_trial(connection, trial)

    def add_decision(self, decision: Decision) -> bool:
        """Add what a person said to its change; False where the same one is there."""
        with self._database.writing() as connection:
            return changes.add_decision(connection, decision)

    # -- names ---------------------------------------------------------------------------------------

    def name_of(self, slug: str) -> str:
        """The present name of a device, by any that it had; the same where it is not known."""
        with self._database.reading() as connection:
            return devices.name_of(connection, slug)

    def rename_device(self, old: str, new: str) -> None:
        """Give a device another name, or make it part of one that measured before or after it."""
        with self._database.writing() as connection:
            renaming.rename_device(connection, old, new)

    def rename_variant(self, old: str, new: str) -> None:
        """Give a variant another name, or make it part of one that was measured before or after it."""
        with self._database.writing() as connection:
            renaming.rename_variant(connection, old, new)


def _of(device: str | None) -> list[ColumnElement[bool]]:
    return [] if device is None else [tables.device.c.name == device]
