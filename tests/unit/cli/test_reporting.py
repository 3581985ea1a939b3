"""`perfsuite report`: a page from files alone, or one line that says what is wrong."""

from pathlib import Path

import pytest
from fleet_folders import Driver, everything, plain
from planned import planned
from sample_runs import LADDER, edit_lines, mixed, result, write_baselines, write_run
from typer.testing import CliRunner, Result

from perfsuite.cli import app


def report(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_a_page_of_one_run(tmp_path: Path) -> None:
    """With its baselines, in the folder that was named."""
    path = tmp_path / "run.jsonl"
    results = mixed(path)
    write_baselines(tmp_path / "bl", results)
    write_run(path, results)
    done = report(path, "--out", tmp_path / "page", "--baselines", tmp_path / "bl")
    assert done.exit_code == 0, done.output
    assert done.output == f"wrote {tmp_path / 'page' / 'index.html'}\n"
    text = (tmp_path / "page" / "index.html").read_text()
    for name in LADDER:
        assert name in text
    assert "3 sessions for each of 5 variants" in text
    assert sorted(p.name for p in (tmp_path / "page").iterdir()) == ["index.html"]


def test_a_folder_and_a_file(tmp_path: Path) -> None:
    """Everything that is named is on the page."""
    for name in ("a", "b"):
        write_run(tmp_path / "in" / f"{name}.jsonl", [result("bf16")])
    write_run(tmp_path / "c.jsonl", [result("bf16")])
    assert report(tmp_path / "in", tmp_path / "c.jsonl", "--out", tmp_path / "o").exit_code == 0
    assert "3 runs are on this page" in (tmp_path / "o" / "index.html").read_text()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file"),
        ("", "empty"),
        ("not json\n", "not valid JSON"),
        ('{"kind": "run", "schema_version": 99}\n', "written by a newer perfsuite"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, content: str | None, said: str) -> None:
    """It names the file; nothing is written."""
    path = tmp_path / "run.jsonl"
    if content is not None:
        path.write_text(content)
    done = report(path, "--out", tmp_path / "page")
    assert done.exit_code == 2
    assert done.output.startswith("perfsuite: ")
    assert done.output.count("\n") == 1
    assert str(path) in done.output
    assert said in done.output
    assert not (tmp_path / "page").exists()


def test_a_line_that_was_cut_short_does_not_count(tmp_path: Path) -> None:
    """The run was killed; the page shows what there is and says what is missing."""
    path = write_run(
        tmp_path / "run.jsonl", [result("fp32"), result("bf16")], chosen=("shapes/fp32", "shapes/bf16")
    )
    path.write_bytes(path.read_bytes()[:-40])
    assert report(path, "--out", tmp_path).exit_code == 0
    assert "Incomplete: 1 of 2 chosen variants have no result" in (tmp_path / "index.html").read_text()


def test_an_older_file_of_other_fields(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run.jsonl", [result("bf16")])
    edit_lines(path, lambda line: {k: v for k, v in line.items() if k not in ("exhibits", "chosen", "timed")})
    assert report(path, "--out", tmp_path).exit_code == 0


# -- folders of plans ----------------------------------------------------------------------------------


def test_a_folder_of_a_plan_gets_its_matrix(tmp_path: Path) -> None:
    """Beside the page of all runs; together with other results it is runs like they."""
    folder = everything(tmp_path / "fleet")
    done = report(folder, "--out", tmp_path / "page")
    assert done.output == f"wrote {tmp_path / 'page' / 'index.html'}\n"
    assert sorted(p.name for p in (tmp_path / "page").iterdir()) == ["index.html", "runs.html"]
    assert "6 bad, 12 not known" in (tmp_path / "page" / "index.html").read_text()
    write_run(tmp_path / "c.jsonl", [result("bf16")])
    assert report(folder, tmp_path / "c.jsonl", "--out", tmp_path / "o").exit_code == 0
    assert "5 runs are on this page" in (tmp_path / "o" / "index.html").read_text()


def test_a_folder_of_a_plan_that_is_damaged(tmp_path: Path) -> None:
    folder = plain(tmp_path / "fleet")
    (folder / "ledger.jsonl").write_text("no ledger\n")
    done = report(folder, "--out", tmp_path / "page")
    assert done.exit_code == 2
    assert "ledger.jsonl, entry 'line 1'" in done.output
    assert not (tmp_path / "page").exists()


def test_one_run_of_a_folder_of_a_plan(tmp_path: Path) -> None:
    """Where a command wants one, a plan with one environment and device has it."""
    one, several = plain(tmp_path / "one"), everything(tmp_path / "several")
    assert CliRunner().invoke(app, ["explain", str(one), str(one)]).exit_code == 0
    done = CliRunner().invoke(app, ["explain", str(one), str(several)])
    assert done.exit_code == 2
    assert f"holds 4 runs; name one of {several / 'results'}" in done.output
    assert CliRunner().invoke(app, ["summary", str(several)]).exit_code == 0


def test_nothing_has_left_results_yet(tmp_path: Path) -> None:
    Driver(tmp_path / "f", planned()).end()
    done = CliRunner().invoke(app, ["summary", str(tmp_path / "f")])
    assert done.exit_code == 2
    assert "no block of this plan has left results yet" in done.output
