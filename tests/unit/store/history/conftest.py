"""Histories in a file, and on a real server where one is installed."""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import postgres
import pytest

from perfsuite.store.history import History

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    """One for all tests of this process; missing is a failure where CI looks."""
    found = postgres.programs()
    if found is None:
        reason = "no PostgreSQL server is installed (Debian: apt-get install postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    # A socket's path is short, which a folder of pytest is not.
    with tempfile.TemporaryDirectory(prefix="pg-") as folder, postgres.running(found, Path(folder)) as made:
        yield made


@pytest.fixture
def new_database(server: postgres.Server) -> Callable[[], str]:
    """Makes empty databases on the server; each call gives the URL of one."""
    import psycopg

    def make() -> str:
        name = f"history_{next(_NUMBERS)}"
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return server.url(name)

    return make


@pytest.fixture
def history(tmp_path: Path) -> History:
    """An empty one in a file."""
    return History.open(tmp_path / "history.db", create=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a history may be: a file, and a real server's database."""
    if request.param == "sqlite":
        return str(tmp_path / "history.db")
    made: str = request.getfixturevalue("new_database")()
    return made
