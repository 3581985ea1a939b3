"""`perfsuite join`, and the commands that take several folders of parts of one plan."""

from pathlib import Path

import pytest
from fleet_folders import Driver, digest, failure, latency, parted
from planned import planned
from sample_runs import result, verdict, write_run
from typer.testing import CliRunner, Result

from perfsuite.cli import app
from perfsuite.fleet.planning.sharding import shard
from perfsuite.records import Status, Work


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_parts_become_one_folder_that_everything_reads(tmp_path: Path) -> None:
    parts = parted(tmp_path, 3)
    done = call("join", *parts, "--out", tmp_path / "whole")
    assert done.exit_code == 0, done.output
    assert "plan example, on local: 8 of 8 cells known" in done.output
    assert "All 8 are as they should be" in done.output
    assert f"wrote {tmp_path / 'whole' / 'results' / 'after--cpu--cpu-example-2t.jsonl'}" in done.output
    assert call("report", tmp_path / "whole", "--out", tmp_path / "page").exit_code == 0
    assert call("run", "--out", tmp_path / "whole", "--status").exit_code == 0
    assert "fp32" in call("summary", tmp_path / "whole").stdout
    added = call("track", "add", tmp_path / "whole", "--db", tmp_path / "h.db")
    assert added.exit_code == 0, added.output


def bad_part(path: Path) -> Path:
    """The second of two parts, with a regression."""
    part = shard(planned(work=(Work.LATENCY,), variants=("fp32", "bf16"), rungs=1), 2, 2)
    driver = Driver(path, part)
    for block in part.blocks:
        name = block.variants[0]
        slower = latency(block, **{name: verdict(Status.REGRESSED, 1.2)})
        driver.judged(block, slower, ends={name: failure("REGRESSED")})
    driver.end()
    return path


def test_the_exit_code_is_that_of_a_run(tmp_path: Path) -> None:
    """1 for what is bad, 2 for what is not known, as a part that is absent; what is bad goes first."""
    parts = parted(tmp_path, 3, begun=(3,))
    assert call("join", *parts, "--out", tmp_path / "a").exit_code == 2
    assert call("join", *parts[:2], "--out", tmp_path / "b").exit_code == 2
    bad = call("join", bad_part(tmp_path / "bad"), "--out", tmp_path / "c")
    assert bad.exit_code == 1, bad.output
    assert "absent: part 1 of 2, whose cells are not known" in bad.stderr


@pytest.mark.parametrize("words", [("--out", "x"), ("a", "--ot", "x"), ("nowhere", "--out", "x")])
def test_wrong_words(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("join", *words).exit_code == 3
    assert not Path("x").exists()


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    first = parted(tmp_path, 3)[0]
    done = call("join", first, bad_part(tmp_path / "bad"), "--out", tmp_path / "out")
    assert done.exit_code == 3
    assert "they are parts of two plans" in done.stderr
    page = call("report", first, tmp_path / "bad", "--out", tmp_path / "page")
    assert page.exit_code == 2
    assert page.stderr.count("\n") == 1
    assert not (tmp_path / "page").exists()


def test_one_page_of_several_parts(tmp_path: Path) -> None:
    """Its results lie beside it, and the parts are as they were."""
    parts = parted(tmp_path, 3, begun=(2,))
    before = [digest(part) for part in parts]
    done = call("report", *parts, "--out", tmp_path / "page")
    assert done.exit_code == 0, done.output
    assert f"part 2/3 ({parts[1]}) has no results: none of its" in done.stderr
    assert sorted(p.name for p in (tmp_path / "page").iterdir()) == ["index.html", "results", "runs.html"]
    assert [p.name for p in (tmp_path / "page" / "results").iterdir()] == ["after--cpu--cpu-example-2t.jsonl"]
    assert "not known of 8" in (tmp_path / "page" / "index.html").read_text()
    assert [digest(part) for part in parts] == before


def test_a_page_of_parts_that_are_all_empty(tmp_path: Path) -> None:
    """It is written, and says so in its title: nobody takes it for a good one."""
    parts = parted(tmp_path, 2, begun=(1, 2))
    done = call("report", *parts, "--out", tmp_path / "page")
    assert done.exit_code == 0, done.output
    assert "nothing was judged: no part has a verdict" in done.stderr
    assert "Nothing was judged: 8 not known of 8" in (tmp_path / "page" / "index.html").read_text()
    assert call("summary", *parts).exit_code == 2


def test_several_parts_are_one_run_for_other_commands(tmp_path: Path) -> None:
    parts = parted(tmp_path, 4, begun=(2,))
    done = call("summary", *parts)
    assert done.exit_code == 0, done.output
    both = call("report", *parts, write_run(tmp_path / "c.jsonl", [result("bf16")]), "--out", tmp_path / "o")
    assert both.exit_code == 0, both.output
    assert "2 runs are on this page" in (tmp_path / "o" / "index.html").read_text()


def test_a_folder_without_results_beside_others_is_said(tmp_path: Path) -> None:
    Driver(tmp_path / "f", planned()).end()
    done = call(
        "report", tmp_path / "f", write_run(tmp_path / "c.jsonl", [result("bf16")]), "--out", tmp_path
    )
    assert done.exit_code == 0, done.output
    assert f"{tmp_path / 'f'}: no block of this plan has left results yet" in done.stderr


def test_a_history_gets_one_run_of_several_parts(tmp_path: Path) -> None:
    parts = parted(tmp_path, 4)
    db = ("--db", tmp_path / "h.db")
    refused = call("track", "add", *parts[:3], *db)
    assert refused.exit_code == 2
    assert "part 4 of the plan absent" in refused.stderr
    done = call("track", "add", *parts, *db)
    assert done.exit_code == 0, done.output
    assert done.stdout.count("run ") == 1
