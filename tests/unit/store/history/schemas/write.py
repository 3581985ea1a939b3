"""Writes what a filled history of the present schema looks like, once a schema is final.

From the root, with a PostgreSQL server installed: ``python tests/unit/store/history/schemas/write.py``. The
files are never written again: they are what later versions have to bring up to their own.
"""

import sqlite3
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, "tests/helpers")
import postgres
from nights import fill

from perfsuite.store.history import SCHEMA_VERSION, History

HERE = Path(__file__).parent


def write() -> None:
    """One dump of each kind of server."""
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        file = folder / "history.db"
        fill(History.open(file, create=True))
        with sqlite3.connect(file) as connection:
            # SQLite does not know its own Inf.
            _new("sqlite", "\n".join(connection.iterdump()).replace(",Inf,", ",9e999,") + "\n")
        (folder / "server").mkdir()
        programs = postgres.programs()
        assert programs is not None, "no PostgreSQL server is installed"
        folder.chmod(0o755)
        with postgres.running(programs, folder / "server") as server:
            fill(History.open(server.url("postgres"), create=True))
            _new("postgresql", server.dump("postgres"))


def _new(kind: str, text: str) -> None:
    with (HERE / f"{SCHEMA_VERSION}.{kind}.sql").open("x") as file:
        file.write(text)


write()
