"""Transactions on the database of a history: one writer at a time, and errors without secrets."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from perfsuite.store.errors import StoreError
from perfsuite.store.files import make_folder
from perfsuite.store.history.address import Address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine

PATIENCE_S = 5.0
"""How long a server that does not answer is asked again."""
BUSY_S = 60.0
"""How long another writer of a SQLite file is waited for: an import takes a second or two."""
_PAUSE_S = 0.25
_WRITERS = 0x7065726673756974
"""Key of the lock that writers of a PostgreSQL database take in turn: "perfsuit"."""


class Database:
    """Opens a connection a transaction; nothing is left open between them."""

    def __init__(self, where: str | Path, patience_s: float | None = None) -> None:
        """Connect to nothing yet.

        Raises:
            StoreError: the address means nothing, or the driver of its server is not installed.
        """
        self.address = Address(where)
        self._patience_s = PATIENCE_S if patience_s is None else patience_s
        self._engine = self._made()

    def _made(self) -> Engine:
        on_disk = self.address.file is not None
        wait: dict[str, Any] = {"timeout": BUSY_S} if on_disk else {"connect_timeout": 3}
        try:
            engine = create_engine(self.address.url, poolclass=NullPool, connect_args=wait)
        except ModuleNotFoundError as error:
            raise StoreError(
                f"{self.address}: {error.name} is not installed; pip install 'perfsuite[postgresql]'"
            ) from error
        if on_disk:
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        return engine

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database throughout.

        Raises:
            StoreError: it cannot be read.
        """
        with self._said(), self._connected() as connection:
            if self.address.file is None:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that no other writer's overlaps: all of it is kept, or nothing.

        Raises:
            StoreError: it cannot be written.
        """
        if self.address.file is not None:
            make_folder(self.address.file.parent)
        with self._said(), self._connected() as connection:
            connection = connection.execution_options(perfsuite_writes=True)
            with connection.begin():
                if self.address.file is None:
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({_WRITERS})"))
                yield connection

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """A connection; a server that is away is asked again for a while."""
        until = time.monotonic() + self._patience_s
        while True:
            try:
                connection = self._engine.connect()
                break
            except OperationalError:
                if self.address.file is not None or time.monotonic() > until:
                    raise
            time.sleep(_PAUSE_S)
        with connection:
            yield connection

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Every error of the database in one line, without what it was raised from: that may hold secrets."""
        try:
            yield
        except SQLAlchemyError as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            said = " ".join(self.address.hide(str(cause)).split())
            raise StoreError(f"{self.address}: {said}; {self._remedy(said)}") from None

    def _remedy(self, said: str) -> str:
        if self.address.file is None:
            return (
                "is the server up, and may this user write there? Nothing was lost: results files stay, and "
                "perfsuite track add imports them later"
            )
        if "not a database" in said or "malformed" in said:
            return "name another file, or restore this one from a copy"
        if "locked" in said:
            return f"another process has held it for {BUSY_S:g} s; end the perfsuite that hangs"
        return f"check the permissions and the free space of {self.address.file.parent}"


def check_address(where: str | Path) -> None:
    """Raise `StoreError` for an address that means nothing, or whose driver is not installed."""
    Database(where)


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # Transactions are begun by `_begin_sqlite` alone: the driver's own begin too late for a writer.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("perfsuite_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
