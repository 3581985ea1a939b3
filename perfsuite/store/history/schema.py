"""Which schema a database has, and bringing an older one up to now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from perfsuite.store.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from perfsuite.store.history.connecting import Database

SCHEMA_VERSION = 1
"""Name of the newest revision in `migrations`; the first is 1."""


def prepare(database: Database, *, create: bool) -> None:
    """Make an older database one of now; a new one where there is none and `create` says so.

    Raises:
        StoreError: there is none, it is of a newer perfsuite, or it is something else.
    """
    file = database.address.file
    if file is not None and not file.is_file() and not create:
        raise StoreError(
            f"{file}: there is no history yet; begin one with perfsuite track add, or name another by --db"
        )
    if file is not None and not file.exists():
        found = None
    else:
        with database.reading() as connection:
            found = _version(connection, database)
    if found == SCHEMA_VERSION:
        return
    if found is None and not create:
        raise StoreError(
            f"{database.address}: there is no history in this database yet; begin one with perfsuite track "
            "add"
        )
    with database.writing() as connection:
        # Another process may have been faster.
        if _version(connection, database) != SCHEMA_VERSION:
            _upgrade(connection)


def _version(connection: Connection, database: Database) -> int | None:
    """None where nothing is there yet.

    Raises:
        StoreError: it is of a newer perfsuite, or something else.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    found = None
    if "alembic_version" in tables and "point" in tables:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is None or not str(found).isdecimal():
        raise StoreError(
            f"{database.address}: holds tables of something else and no history; name a database of its own"
        )
    if int(found) > SCHEMA_VERSION:
        raise StoreError(
            f"{database.address}: written by a newer perfsuite: schema {found}, this one reads up to "
            f"{SCHEMA_VERSION}; upgrade perfsuite"
        )
    return int(found)


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
