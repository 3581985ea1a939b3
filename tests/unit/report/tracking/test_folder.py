"""A folder of pages: written in steps, and what is not ours stays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from perfsuite.report.tracking import folder
from perfsuite.store import StoreError

if TYPE_CHECKING:
    from pathlib import Path

PAGES = {"series-a.json": b"{}", "series-a.html": b"a", "index.html": b"first"}
LATER = {"series-b.html": b"b", "index.html": b"second"}


def names(out: Path) -> set[str]:
    return {path.name for path in out.iterdir() if not path.name.startswith(".")}


def test_pages_that_vanished_go_and_others_stay(tmp_path):
    folder.write(tmp_path / "new" / "out", PAGES)
    out = tmp_path / "new" / "out"
    (out / "notes.txt").write_text("mine")
    (out / "series-mine.html").write_text("mine too")
    folder.write(out, LATER)
    assert names(out) == {"series-b.html", "index.html", "notes.txt", "series-mine.html"}
    assert (out / "index.html").read_bytes() == b"second"


def test_what_is_the_same_is_left_alone(tmp_path):
    folder.write(tmp_path, PAGES)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.suffix != ".lock"}
    folder.write(tmp_path, PAGES)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_folder_that_holds_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(
        StoreError, match=r"it holds 'thesis.tex', which no perfsuite track report has written"
    ):
        folder.write(tmp_path, PAGES)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_of_the_same_name_that_is_not_ours_is_refused(tmp_path):
    """Nothing is written then, not even what comes before it."""
    folder.write(tmp_path, PAGES)
    (tmp_path / "series-b.html").write_text("mine")
    with pytest.raises(StoreError, match=r"it holds 'series-b\.html'"):
        folder.write(tmp_path, LATER)
    assert (tmp_path / "index.html").read_bytes() == b"first"


def test_a_report_that_was_killed_is_finished_by_the_next(tmp_path, monkeypatch):
    """What it wrote counts as ours, and the first page still leads to what is there."""
    folder.write(tmp_path, PAGES)
    write = folder.write_atomic

    def dies(path: Path, data: bytes, *, durable: bool = True) -> None:
        if path.name == "index.html":
            raise KeyboardInterrupt
        write(path, data, durable=durable)

    monkeypatch.setattr(folder, "write_atomic", dies)
    with pytest.raises(KeyboardInterrupt):
        folder.write(tmp_path, LATER)
    assert names(tmp_path) == {*PAGES, "series-b.html"}
    monkeypatch.undo()
    (tmp_path / f".index.html.{'0' * 32}.tmp").write_bytes(b"half")
    folder.write(tmp_path, LATER)
    assert names(tmp_path) == set(LATER)


def test_a_first_report_that_was_killed_at_once_leaves_no_obstacle(tmp_path):
    (tmp_path / f".{folder.LIST}.{'a' * 32}.tmp").write_bytes(b"half")
    folder.write(tmp_path, PAGES)
    assert names(tmp_path) == set(PAGES)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"written_by": "another tool", "files": []}', "not JSON",
     '{"written_by": "perfsuite track report", "files": ["../thesis.tex"]}',
     '{"written_by": "perfsuite track report", "files": ["notes.txt"]}',
     '{"written_by": "perfsuite track report", "files": [7]}'],
)  # fmt: skip
def test_a_list_that_is_not_ours_is_refused(tmp_path, text):
    """It might have us remove anything."""
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "thesis.tex").write_text("years of work")
    (out / "notes.txt").write_text("mine")
    (out / folder.LIST).write_text(text)
    with pytest.raises(StoreError, match="not the list of files that perfsuite track report keeps"):
        folder.write(out, PAGES)
    assert (tmp_path / "thesis.tex").exists()
    assert names(out) == {"notes.txt"}


def test_the_list_names_what_was_written(tmp_path):
    folder.write(tmp_path, PAGES)
    assert json.loads((tmp_path / folder.LIST).read_text())["files"] == sorted(PAGES)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    place = tmp_path / "out"
    place.write_text("mine")
    with pytest.raises(StoreError, match="out"):
        folder.write(place, PAGES)
    assert place.read_text() == "mine"
