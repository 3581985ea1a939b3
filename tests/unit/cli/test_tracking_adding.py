"""`perfsuite track add`, `rename` and `event`: results files into a history, in lines that people read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fleet_folders import everything, plain
from nights import AROUND, measured
from planned import AFTER, BEFORE, CPU
from sample_runs import DEVICE, edit_lines, result, write_run
from typer.testing import CliRunner, Result

from perfsuite.cli import app
from perfsuite.records import HistoryEvent
from perfsuite.store.history import History

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "h" / "history.db"


def track(*arguments: str | Path, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(app, ["track", *map(str, arguments)], env=env)


def written(path: Path, night: int = 4, **around: str) -> Path:
    """The results file of one night in March."""
    of = measured("bf16", session={"environment": {**AROUND, **around}})
    return write_run(path, [of], date=f"2026-03-{night:02}T01:00:00+00:00")


def test_files_and_folders_each_once(tmp_path: Path, db: Path) -> None:
    """A second time says so, and changes nothing."""
    folder = tmp_path / "in"
    for night in (4, 5):
        written(folder / f"night-{night}.jsonl", night, driver=f"55{night}")
    added = track("add", folder, "--db", db)
    assert added.exit_code == 0, added.output
    one, two, event = added.stdout.splitlines()
    assert one.startswith(
        f"run night-4, night 2026-03-04 on {DEVICE.slug}: added 15 figures (1 without weight)"
    )
    assert two.endswith("and 3 counts")
    assert event == "  event of 2026-03-05: driver: driver 554 -> 555"
    before = db.read_bytes()
    again = track("add", folder / "night-4.jsonl", "--db", db)
    assert again.exit_code == 0
    assert again.stdout == f"run night-4, night 2026-03-04 on {DEVICE.slug}: is there already\n"
    assert db.read_bytes() == before


def test_night_and_device_that_are_given(tmp_path: Path, db: Path) -> None:
    path = write_run(tmp_path / "r.jsonl", [result("bf16")], chosen=("shapes/bf16", "shapes/fp32"))
    done = track("add", path, "--night", "2026-01-02", "--device", "left", env={"PERFSUITE_HISTORY": str(db)})
    assert done.exit_code == 0, done.output
    assert "night 2026-01-02 on left: added" in done.stdout
    assert done.stdout.endswith("  not measured: shapes/fp32\n")
    with History.open(db) as history:
        assert [(run.night, run.device) for run in history.runs()] == [("2026-01-02", "left")]


def test_all_or_none_of_the_files_are_read(tmp_path: Path, db: Path) -> None:
    """A bad one is named before anything is added."""
    good = written(tmp_path / "good.jsonl")
    newer = written(tmp_path / "newer.jsonl")

    def change(line: dict[str, Any]) -> dict[str, Any]:
        return {**line, "schema_version": 99} if line["kind"] == "run" else line

    edit_lines(newer, change)
    done = track("add", good, newer, "--db", db)
    assert done.exit_code == 2
    assert done.stderr.startswith(
        f"perfsuite: {newer}, entry 'line 1', field schema_version: written by a newer"
    )
    assert not db.exists()


def test_what_cannot_be_added_is_one_line(tmp_path: Path, db: Path) -> None:
    path = written(tmp_path / "r.jsonl")
    for options, said in (
        (["--night", "soon", "--db", db], "night 'soon': this is no date"),
        (["--db", path], "file is not a database"),
        (["--db", "mysql://me:secret@host/h"], "no database that a history can be kept in"),
    ):
        done = track("add", path, *options)
        assert (done.exit_code, done.stdout) == (2, "")
        assert said in done.stderr
        assert "secret" not in done.output
        assert len(done.stderr.splitlines()) == 1


def test_renaming(tmp_path: Path, db: Path) -> None:
    track("add", written(tmp_path / "r.jsonl"), "--db", db)
    done = track("rename", "--device", DEVICE.slug, "lab", "--variant", "bf16", "half", "--db", db)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"device {DEVICE.slug} is now lab\nvariant bf16 is now half\n"
    with History.open(db) as history:
        assert {(s.device, s.variant) for s in history.series()} == {("lab", "half")}
    wrong = track("rename", "--variant", "haf", "x", "--db", db)
    assert wrong.exit_code == 2
    assert wrong.stderr == "perfsuite: variant 'haf': did you mean 'half'? the history knows half\n"
    assert track("rename", "--db", db).exit_code == 2


def test_an_event_by_hand(tmp_path: Path, db: Path) -> None:
    track("add", written(tmp_path / "r.jsonl"), "--db", db)
    words = ["event", "new <b>fan</b>", "--device", DEVICE.slug, "--night", "2026-03-06", "--kind", "machine"]
    assert track(*words, "--db", db).stdout == "noted\n"
    assert track(*words, "--db", db).stdout == "was noted already\n"
    with History.open(db) as history:
        noted = HistoryEvent(DEVICE.slug, "2026-03-06", "machine", "new <b>fan</b>")
        assert history.events() == [noted]
        assert replace(noted, night="2026-03-07") not in history.events()
    for change, said in (
        (["--night", "soon"], "night 'soon': this is no date"),
        (["--device", "other"], "device 'other': the history knows"),
    ):
        done = track(*words, *change, "--db", db)
        assert done.exit_code == 2
        assert said in done.stderr


@pytest.mark.parametrize("command", [["rename", "--device", "a", "b"], ["event", "x", "--device", "a"]])
def test_no_history_yet(command: list[str], db: Path) -> None:
    """Only adding runs begins one."""
    more = ["--night", "2026-03-06"] if command[0] == "event" else []
    done = track(*command, *more, "--db", db)
    assert done.exit_code == 2
    assert "begin one with perfsuite track add" in done.stderr
    assert not db.exists()


# -- folders of plans ----------------------------------------------------------------------------------


def test_a_plan_is_one_run_of_each_device(tmp_path: Path, db: Path) -> None:
    """A second time says so, also by the names of its files."""
    folder = plain(tmp_path / "fleet")
    done = track("add", folder, "--db", db)
    assert done.exit_code == 0, done.output
    assert done.output.startswith("run ")
    assert "night 2026-03-04 on cpu-example-2t: added" in done.output
    again = track("add", folder, "--db", db)
    assert again.output.endswith("on cpu-example-2t: is there already\n")
    (file,) = (folder / "results").glob("*.jsonl")
    assert track("add", file, "--db", db).output.endswith("is there already\n")
    with History.open(db) as history:
        assert [run.night for run in history.runs()] == ["2026-03-04"]


def test_environments_of_a_plan_are_series_of_their_own(tmp_path: Path, db: Path) -> None:
    folder = plain(tmp_path / "fleet", environments={"before": BEFORE, "after": AFTER})
    done = track("add", folder, "--db", db, "--device", "lab")
    assert done.exit_code == 0, done.output
    with History.open(db) as history:
        devices = {series.device for series in history.series()}
        points = {len(history.points(series)) for series in history.series()}
    assert devices == {"lab@before", "lab@after"}
    assert points == {1}


def test_a_plan_that_is_not_over_is_refused(tmp_path: Path, db: Path) -> None:
    """What comes later would not be added; and nothing of it is, unless somebody says so."""
    folder = everything(tmp_path / "fleet")
    done = track("add", folder, "--db", db)
    assert done.exit_code == 2
    assert "1 of 36 blocks have not ended" in done.output
    with History.open(db, create=True) as history:
        assert history.runs() == []
    assert track("add", folder, "--db", db, "--unfinished").output.count("run ") == 4


def test_two_classes_of_one_device_are_refused(tmp_path: Path, db: Path) -> None:
    classes = {"cpu": CPU, "spare": replace(CPU, name="spare")}
    done = track("add", plain(tmp_path / "fleet", devices=classes), "--db", db)
    assert done.exit_code == 2
    assert "cpu-example-2t would be two devices, of the classes cpu and spare; add their files" in done.output
