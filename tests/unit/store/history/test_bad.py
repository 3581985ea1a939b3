"""What is wrong with a database, a date or an address is said in one line, and nothing is lost."""

from __future__ import annotations

import math
import sqlite3
import time
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import psycopg
import pytest
from nights import measured, night_run
from sample_runs import DATE, DEVICE

from perfsuite.store import StoreError
from perfsuite.store.history import SCHEMA_VERSION, History, check_address, connecting, shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import postgres

SECRET = "s3cr%t/p@ss"
QUOTED = "s3cr%25t%2Fp%40ss"


def test_no_history_yet(tmp_path: Path) -> None:
    """Reading begins none; the command that does is named."""
    with pytest.raises(StoreError, match="no history yet; begin one with perfsuite track add"):
        History.open(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


def test_a_url_of_a_file(tmp_path: Path) -> None:
    """Is the same as its path; folders are made."""
    path = tmp_path / "a b" / "history.db"
    History.open(f"sqlite:///{path}", create=True).add(night_run(0))
    assert [run.id for run in History.open(path).runs()] == ["run-0"]


def test_an_empty_file_is_begun(tmp_path: Path) -> None:
    """As a killed first import leaves it."""
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(StoreError, match="no history in this database yet"):
        History.open(path)
    assert History.open(path, create=True).runs() == []


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('{"kind": "run"}\n' * 100)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"results\.jsonl: file is not a database; name another file"):
        History.open(path, create=True)
    assert path.read_bytes() == before


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open database file"):
        History.open(tmp_path, create=True)


def test_anothers_database(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE experiments (id)")
    connection.close()
    with pytest.raises(StoreError, match="tables of something else and no history"):
        History.open(path, create=True)


def test_a_writer_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another is waited for, not for ever; readers do not wait at all."""
    path = tmp_path / "history.db"
    monkeypatch.setattr(connecting, "BUSY_S", 0.1)
    history = History.open(path, create=True)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"locked; another process has held it for 0\.1 s"):
        history.add(night_run(0))
    assert history.runs() == []
    other.close()
    assert history.add(night_run(0)).new
    assert [file.name for file in tmp_path.iterdir()] == ["history.db"]


def test_a_newer_schema(place: str) -> None:
    """Is refused, and stays as it is."""
    History.open(place, create=True)
    newer = f"UPDATE alembic_version SET version_num = '{SCHEMA_VERSION + 1}'"
    connection = psycopg.connect(place) if "://" in place else sqlite3.connect(place)
    with connection:
        connection.execute(newer)
    connection.close()
    for create in (False, True):
        said = rf"newer perfsuite: schema {SCHEMA_VERSION + 1}, .*{SCHEMA_VERSION}; upgrade perfsuite"
        with pytest.raises(StoreError, match=said):
            History.open(place, create=create)


# -- addresses ---------------------------------------------------------------------------------------


def test_a_server_that_is_away(tmp_path: Path) -> None:
    """It is asked again for a while; the error has no password, and says that nothing is lost."""
    url = f"postgresql://me:{QUOTED}@/h?host={tmp_path}"
    began = time.monotonic()
    with pytest.raises(StoreError) as refused:
        History.open(url, create=True, patience_s=0.3)
    assert time.monotonic() - began > 0.3
    said = str(refused.value)
    assert "is the server up" in said
    assert "results files stay" in said
    assert str(tmp_path) in said
    _has_no_secret(said, refused.value)


def _has_no_secret(said: str, error: BaseException | None) -> None:
    while error is not None:
        said += str(error) if not error.__suppress_context__ else ""
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    for secret in (SECRET, QUOTED, "s3cr"):
        assert secret not in said


def test_a_server_that_comes_back(new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Before patience ends."""
    url, connect, failed = new_database(), psycopg.connect, []

    def away(*arguments: object, **named: object) -> object:
        if len(failed) < 2:
            failed.append(arguments)
            raise psycopg.OperationalError("connection refused")
        return connect(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(psycopg, "connect", away)
    assert History.open(url, create=True).runs() == []
    assert len(failed) == 2


def test_a_database_that_the_server_does_not_have(server: postgres.Server) -> None:
    """A password in the query is one too."""
    url = f"{server.url('nowhere')}&password={QUOTED}"
    with pytest.raises(StoreError, match='database "nowhere" does not exist') as refused:
        History.open(url, create=True, patience_s=0.0)
    _has_no_secret(str(refused.value), refused.value)


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://me:{QUOTED}@host/h",
        f"postgresql://me:{QUOTED}@host:port/h",
        f"postgresql://me:{QUOTED}@host",
        "sqlite://",
        "sqlite:///:memory:",
        "http://example.org/h",
        "://",
    ],
)
def test_an_address_that_means_nothing(url: str) -> None:
    with pytest.raises(StoreError, match="give a file's path, sqlite:///PATH or postgresql://") as refused:
        check_address(url)
    _has_no_secret(str(refused.value), refused.value)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("a/b.db", "a/b.db"),
        ("sqlite:///a/b.db", "a/b.db"),
        (f"postgresql://me:{QUOTED}@host:5432/h", "postgresql://me:***@host:5432/h"),
        (f"postgres://me@host/h?password={QUOTED}&sslmode=require",
         "postgresql://me@host/h?password=***&sslmode=require"),
        ("postgresql+psycopg:///h?host=/run", "postgresql:///h?host=%2Frun"),
    ],
)  # fmt: skip
def test_an_address_as_it_is_shown(address: str, said: str) -> None:
    assert shown(address) == said


def test_a_server_without_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"pip install 'perfsuite\[postgresql\]'"):
        check_address("postgresql://host/h")


def test_names_are_text(history: History) -> None:
    """Whatever they look like, they are stored as they are."""
    name = "<script>alert('x')</script>\"; DROP TABLE run; --"
    history.add(night_run(0, measured(name)), device=name)
    assert {(s.device, s.variant) for s in history.series()} == {(name, name)}
    history.rename_variant(name, "plain")
    history.rename_device(name, "'; DELETE FROM point; --")
    assert len(history.points(history.series()[0])) == 1


# -- dates -------------------------------------------------------------------------------------------

NOW = datetime.fromisoformat(DATE)


def test_a_run_of_the_future_is_refused(history: History) -> None:
    """A clock may be a day ahead and no more; nothing is stored."""
    for night, refused in ((1, False), (2, True)):
        run = night_run(night)
        if not refused:
            assert history.add(run, now=NOW).new
            continue
        with pytest.raises(StoreError, match="run run-2: began at 2026-03-06 05:06 UTC, which has not come"):
            history.add(run, now=NOW)
    assert [run.id for run in history.runs()] == ["run-1"]


def test_a_clock_that_went_back(history: History) -> None:
    """Runs are in the order of their own dates."""
    for night in (5, 2):
        history.add(night_run(night))
    assert [run.id for run in history.runs()] == ["run-2", "run-5"]


def test_a_night_that_is_none(history: History) -> None:
    for night, said in (("yesterday", "is no date; write it as 2026-11-20"), ("2026-03-09", "not come yet")):
        with pytest.raises(StoreError, match=said):
            history.add(night_run(0), night, now=NOW)
    with pytest.raises(StoreError, match="'soon' is not ISO 8601"):
        history.add(replace(night_run(0), date="soon"))
    assert history.runs() == []


def test_the_night_of_a_run(history: History) -> None:
    """The day in UTC, unless it is given; two runs of a night are both there."""
    late = replace(night_run(0, id="late"), date="2026-03-04T23:30:00-02:00")
    assert history.add(late).night == "2026-03-05"
    assert history.add(night_run(1, id="same")).night == "2026-03-05"
    assert history.add(night_run(9, id="named"), "2026-03-01").night == "2026-03-01"
    assert [run.id for run in history.runs()] == ["named", "late", "same"]
    assert {run.date for run in history.runs()} >= {"2026-03-05T01:30:00.000+00:00"}
    assert next(p.run for p in history.points(history.series()[0])) == "named"


def test_a_date_without_zone_is_utc(history: History) -> None:
    history.add(replace(night_run(0), date="2026-03-04T05:06:07"))
    assert history.runs()[0].date == "2026-03-04T05:06:07.000+00:00"


def test_what_is_not_finite_has_no_weight(history: History) -> None:
    """And is never a value."""
    bad = measured(session={"latency_s": (1.0, math.nan), "peak_memory_bytes": 1})
    history.add(night_run(0, bad))
    latency = next(s for s in history.series() if s.metric == "latency")
    (point,) = history.points(latency)
    assert (point.excluded, point.error) == ("not finite", None)
    assert math.isnan(point.value)
    assert DEVICE.slug == latency.device
