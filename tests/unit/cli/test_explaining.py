"""`perfsuite explain`: two files in, text or JSON out; what it refuses, and its exit codes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from counted import make_counts
from sessions import make_session
from typer.testing import CliRunner, Result

from perfsuite.cli import app
from perfsuite.records import Counts, CountVerdict, Device, Session, Stages, Status
from perfsuite.records import Result as Found
from perfsuite.store import Baselines, CountsStore, ResultsWriter

DEVICE = Device("cpu", "Example CPU", "cpu-example-2t", 2, 2**34)
DATE = "2025-01-02T03:04:05+00:00"
CLONES = "aten.clone in BasicTransformerBlock"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["explain", *map(str, arguments)])


def session(seconds: float = 1.0, **changes: Any) -> Session:
    stages = Stages(0.01, (seconds * 0.03,) * 30, 0.05, 0.04)
    versions = {"torch": "2.13.0+cpu"}
    return make_session(**{"latency_s": (seconds,) * 5, "stages": stages, "versions": versions, **changes})


def found(variant: str = "bf16", seconds: float = 1.0, counts: Counts | None = None, **changes: Any) -> Found:
    values = {"session": session(seconds), "counts": counts, **changes}
    return Found("shapes", variant, "p", **values)


def write(path: Path, *results: Found) -> Path:
    writer = ResultsWriter(path, "run", DATE, DEVICE)
    for result in results:
        writer.add(result)
    return path


def more() -> Counts:
    operators = make_counts().operators
    assert operators is not None
    return make_counts(operators={**operators, CLONES: 54})


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Results before and after an operator was added, which took twice the time."""
    before = write(tmp_path / "a.jsonl", found(counts=make_counts()), found("fp32"))
    return before, write(tmp_path / "b.jsonl", found(seconds=2.0, counts=more()), found("fp32"))


def test_all_variants_of_both_files(pair: tuple[Path, Path]) -> None:
    done = invoke(*pair)
    assert done.exit_code == 0, done.output
    assert "shapes bf16: 1 s -> 2 s (+100.0 %), REGRESSED" in done.output
    assert f"+42 {CLONES} (12 -> 54)" in done.output
    assert "shapes fp32: 1 s -> 1 s (+0.0 %)" in done.output
    assert done.output.index("shapes bf16") < done.output.index("shapes fp32")


def test_one_variant_however_it_is_spelled(pair: tuple[Path, Path]) -> None:
    done = invoke(*pair, "--variant", "fp32", "--workload", "shapes")
    assert done.exit_code == 0
    assert "bf16" not in done.output


def test_as_json(pair: tuple[Path, Path]) -> None:
    """All figures, and what may be concluded."""
    (one, _) = json.loads(invoke(*pair, "--json").stdout)
    assert (one["workload"], one["variant"], one["verdict"]["status"]) == ("shapes", "bf16", "REGRESSED")
    assert one["counts"]["changes"] == [{"measure": "operators", "name": CLONES, "before": 12, "after": 54}]
    assert [s["name"] for s in one["stages"]] == ["text encoders", "UNet steps", "VAE", "other"]
    assert any("+42" in line for line in one["conclusion"])


def test_a_baseline_file_on_one_side(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    """Of any name; its counts are those beside it, of its own torch."""
    folder = tmp_path / "baselines"
    before = replace(found(counts=make_counts()), counted=CountVerdict(Status.OK))
    Baselines(folder).update(DEVICE, [before], "new")
    CountsStore(folder, "cpu").update([before], "new", "2.13")
    copy = Baselines(folder).path(DEVICE.slug).rename(folder / "old.json")
    done = invoke(copy, pair[1], "--variant", "bf16")
    assert done.exit_code == 0, done.output
    assert "REGRESSED" in done.output
    assert f"+42 {CLONES}" in done.output


def test_variants_of_one_side_alone_are_named(tmp_path: Path) -> None:
    """On standard error, so that JSON stays JSON."""
    before = write(tmp_path / "a.jsonl", found(), found("fp32"))
    after = write(tmp_path / "b.jsonl", found(), found("fp16"))
    done = invoke(before, after, "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)[0]["variant"] == "bf16"
    assert f"only in {after}: shapes/fp16" in done.stderr
    assert f"LESS_JUDGED: {after} has nothing to compare with shapes/fp32 of {before}" in done.stderr
    assert "if that is meant: --accept shapes/fp32\n" in done.stderr
    for meant in (["--accept", "shapes/fp32"], ["--accept", "all"], ["--variant", "bf16"]):
        assert invoke(before, after, *meant).exit_code == 0
    assert invoke(before, after, "--accept", "shapes/fp23").exit_code == 2


def test_one_variant_of_another_protocol_does_not_hide_the_others(tmp_path: Path) -> None:
    before = write(tmp_path / "a.jsonl", found(), found("fp32"))
    after = write(tmp_path / "b.jsonl", found(), replace(found("fp32"), protocol="q"))
    done = invoke(before, after)
    assert done.exit_code == 1
    assert "shapes bf16" in done.stdout
    assert "LESS_JUDGED" in done.stderr
    assert "shapes/fp32: measured with different protocols" in done.stderr
    alone = invoke(before, after, "--variant", "fp32")
    assert alone.exit_code == 2
    assert "perfsuite: shapes/fp32: measured with different protocols" in alone.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.jsonl", "none.jsonl"], "none.jsonl: there is no such file"),
        (["a.jsonl", "empty.jsonl"], "empty.jsonl: holds no latency and no counts of any variant"),
        (["a.jsonl", "pictures.jsonl"], "pictures.jsonl: holds no latency and no counts of any variant"),
        (["a.jsonl", "text.txt"], "text.txt: not valid JSON, or cut short"),
        (["a.jsonl", "newer.jsonl"], "written by a newer perfsuite: schema 9"),
        (["a.jsonl", "other.jsonl"], "do not both hold any variant: "),
        (["a.jsonl", "a.jsonl", "--variant", "fp32"], "do not both hold */fp32: "),
        (["a.jsonl", "a.jsonl", "--variant", "bf61"], "unknown variant 'bf61'"),
        (["a.jsonl", "a.jsonl", "--variant", "bf16+qkv"], "qkv requires sdpa; add it"),
        (["a.jsonl", "a.jsonl", "--workload", "shape"], "unknown workload 'shape': did you mean 'shapes'?"),
        (["a.jsonl", "."], ".: holds 5 results files; name one of them"),
        (["last", "a.jsonl"], "no ladder was run here yet"),
    ],
)
def test_what_cannot_be_explained_is_said_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With exit code 2 and nothing on standard output."""
    monkeypatch.chdir(tmp_path)
    write(Path("a.jsonl"), found())
    write(Path("empty.jsonl"))
    write(Path("pictures.jsonl"), found(session=None))
    write(Path("other.jsonl"), replace(found(), workload="sdxl-base"))
    Path("text.txt").write_text("no results\n")
    header = json.loads(write(Path("newer.jsonl")).read_text())
    Path("newer.jsonl").write_text(json.dumps({**header, "schema_version": 9}) + "\n")
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("perfsuite: ")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_results_of_an_older_perfsuite_are_explained(tmp_path: Path) -> None:
    """Without counts, settings and profile: said, not refused."""
    paths = [write(tmp_path / name, found()) for name in ("a.jsonl", "b.jsonl")]
    for path in paths:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for field in ("counts", "counted"):
            del lines[1][field]
        for field in ("settings", "hot"):
            del lines[1]["session"][field]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = invoke(*paths)
    assert done.exit_code == 0, done.output
    assert "counts were not compared" in done.output
