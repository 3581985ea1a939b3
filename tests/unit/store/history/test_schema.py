"""Every schema that ever was is brought up to now, with all that was in it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from nights import EXACT, NOTED, STEP
from sample_runs import DEVICE

from perfsuite.records import Outcome
from perfsuite.store.history import SCHEMA_VERSION, History
from perfsuite.store.history.connecting import Database
from perfsuite.store.history.tables import METADATA

if TYPE_CHECKING:
    import postgres

SCHEMAS = Path(__file__).parent / "schemas"
VERSIONS = range(1, SCHEMA_VERSION + 1)


def test_every_schema_has_its_dumps() -> None:
    """One of a file and one of a server; they are made by schemas/write.py."""
    wanted = [f"{version}.{kind}.sql" for version in VERSIONS for kind in ("postgresql", "sqlite")]
    assert sorted(path.name for path in SCHEMAS.glob("*.sql")) == sorted(wanted)


def loaded(version: int, kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """The address of a database of that version."""
    dump = SCHEMAS / f"{version}.{kind}.sql"
    if kind == "sqlite":
        with sqlite3.connect(folder / "old.db") as connection:
            connection.executescript(dump.read_text())
        connection.close()
        return str(folder / "old.db")
    server: postgres.Server = request.getfixturevalue("server")
    name = f"old_{version}"
    server.load(name, dump)
    return server.url(name)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_filled_one_of_any_version(
    version: int, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Its tables are those of now, and what was filled in is there."""
    where = loaded(version, kind, request, tmp_path)
    with History.open(where) as history:
        assert_filled(history)
    assert differences(where) == []


def assert_filled(history: History) -> None:
    """All that `nights.fill` puts in."""
    outcomes = [Outcome.COMPLETE] * 3 + [Outcome.NOTHING]
    assert [run.outcome for run in history.runs()] == outcomes
    assert [run.id for run in history.runs()] == [f"run-{night}" for night in range(4)]
    values = [point.value for point in history.points(STEP.series)]
    assert values == pytest.approx([0.5, 0.6, 0.7], rel=0.01)
    assert [p.value for p in history.points(EXACT.series)] == [3.0, 4.0, 4.0]
    samples = history.sessions("run-1")["shapes", "bf16"].latency_s
    assert len(samples) == 19
    assert [event.kind for event in history.events(DEVICE.slug)] == ["driver", "other"]
    assert history.events()[1] == NOTED
    assert history.changes() == [EXACT, STEP]


def differences(where: str) -> list[object]:
    """Between the tables that are there and those that the code works with."""
    with Database(where).reading() as connection:
        found: list[object] = compare_metadata(MigrationContext.configure(connection), METADATA)
    return found


def test_a_new_one_is_as_the_code_has_it(place: str) -> None:
    History.open(place, create=True)
    assert differences(place) == []


def test_two_that_begin_one_at_once(place: str) -> None:
    """Whoever comes second finds it made."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: History.open(place, create=True).runs(), range(4)))
    assert opened == [[]] * 4
