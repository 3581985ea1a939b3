"""`perfsuite track report`: from a database to a folder of pages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import nights
import pytest
from parsed_page import Page
from typer.testing import CliRunner

from perfsuite.cli.tracking import track as commands
from perfsuite.store.history import History

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


def report(*args: object) -> Result:
    return CliRunner().invoke(commands, ["report", *map(str, args)])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of three nights with a change of each kind."""
    found = tmp_path_factory.mktemp("nights") / "history.db"
    with History.open(found, create=True) as history:
        nights.fill(history)
    return found


def test_a_history_becomes_pages_and_a_second_time_changes_nothing(place, tmp_path):
    out = tmp_path / "out"
    done = report("--db", place, "--out", out)
    assert (done.exit_code, done.output) == (0, f"wrote {out / 'index.html'}\n")
    first = Page((out / "index.html").read_text())
    assert "1 open" in first.text
    assert "operators, counted: what ever changed" in first.text
    assert "bf16: aten.add" in first.text
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("[!.]*")}
    assert report("--db", place, "--out", out).exit_code == 0
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("[!.]*")} == before


def test_nights_after_the_one_that_is_named_take_no_part(place, tmp_path):
    """Neither points nor events; pages of what began later vanish."""
    report("--db", place, "--out", tmp_path)
    report("--db", place, "--out", tmp_path, "--night", "2026-03-05")
    document = json.loads((tmp_path / "index.json").read_text())
    assert document["night"] == "2026-03-05"
    series = [json.loads(path.read_text()) for path in tmp_path.glob("series-*.json")]
    assert series
    assert max(point["night"] for one in series for point in one["points"]) == "2026-03-05"
    assert not [event for one in series for event in one["epochs"]]


@pytest.mark.parametrize(
    ("args", "said"),
    [(("--db", "nothing.db"), "there is no history yet"), (("--night", "yesterday"), "this is no date")],
)
def test_what_cannot_be_read_ends_with_2(args, said, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = report("--db", place, "--out", tmp_path / "out", *args)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_ends_with_2(place, tmp_path):
    (tmp_path / "mine").touch()
    done = report("--db", place, "--out", tmp_path)
    assert done.exit_code == 2
    assert "it holds 'mine'" in done.stderr
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["mine"]
