"""`perfsuite summary` and `perfsuite export`: what they write, and what they say of files they cannot use."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sessions import make_session
from typer.testing import CliRunner

from perfsuite.cli import app
from perfsuite.records import Device, Result, Status, Verdict
from perfsuite.report.exports import KINDS
from perfsuite.store import Baselines, ResultsWriter

DEVICE = Device("cpu", "Example CPU", "cpu-example-2t", 2, 2**34)
OTHER = replace(DEVICE, name="Other CPU", slug="cpu-other-8t")
DATE = "2025-01-02T03:04:05+00:00"
WORSE = Verdict(Status.REGRESSED, ratio=1.5, baseline_s=1.0, baseline_sessions=5, detail="50 % slower")


def invoke(*arguments: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    # Anything else is a traceback, which nobody who runs a command should see.
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def result(variant: str = "bf16", **changes: object) -> Result:
    session = make_session(latency_s=(1.0, 1.25, 1.5), versions={"torch": "2.12"})
    return replace(Result("shapes", variant, "p", session, WORSE), **changes)  # type: ignore[arg-type]


def write(path: Path, *results: Result, device: Device = DEVICE) -> Path:
    writer = ResultsWriter(path, path.stem, DATE, device)
    for one in results:
        writer.add(one)
    return path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return write(tmp_path / "results.jsonl", result("fp32"), result())


def test_summary_on_standard_output_and_in_a_file(results: Path, tmp_path: Path) -> None:
    """The same; a file is replaced as a whole."""
    code, printed, _ = invoke("summary", results, "--baselines", tmp_path / "none")
    assert (code, printed.splitlines()[0]) == (0, "## perfsuite: 2 of 2 results worse")
    out = tmp_path / "new" / "summary.md"
    assert invoke("summary", results, "--out", out, "--baselines", tmp_path / "none") == (0, "", "")
    assert out.read_text() == printed


def test_summary_names_what_differs_from_the_baseline(results: Path, tmp_path: Path) -> None:
    """From the baselines of the folder that is named."""
    stored = result(session=make_session(versions={"torch": "2.11"}))
    Baselines(tmp_path / "stored").update(DEVICE, [stored], "new")
    code, printed, _ = invoke("summary", results, "--baselines", tmp_path / "stored")
    assert code == 0
    assert "differs from it: <code>torch 2.11 -&#62; 2.12</code>" in printed
    assert "There is no baseline file" not in printed


def test_summary_without_baselines_says_so(results: Path, tmp_path: Path) -> None:
    """It is no error: the records hold their verdicts."""
    code, printed, _ = invoke("summary", results, "--baselines", tmp_path / "none")
    assert code == 0
    assert "There is no baseline file of <code>cpu-example-2t</code>." in printed


def test_summary_within_a_limit(results: Path, tmp_path: Path) -> None:
    """Of bytes, for places that take less than a comment on GitHub."""
    where = ("--baselines", tmp_path)
    code, printed, _ = invoke("summary", results, "--limit", "400", *where)
    assert (code, len(printed.encode()) <= 400) == (0, True)
    assert "does not fit" in printed
    assert invoke("summary", results, "--limit", "10", *where)[0] == 2


@pytest.mark.parametrize("kind", KINDS)
def test_each_format_on_standard_output_and_in_a_file(kind: str, results: Path, tmp_path: Path) -> None:
    """What the file holds is what is printed without one."""
    code, printed, _ = invoke("export", kind, results)
    assert code == 0
    assert invoke("export", kind, results, "--out", tmp_path / "out") == (0, "", "")
    assert (tmp_path / "out").read_text() == printed
    assert printed.startswith("<svg ") if kind == "svg" else json.loads(printed)


def test_an_unknown_format_names_the_nearest(results: Path) -> None:
    """And all there are."""
    code, _, said = invoke("export", "pytest", results)
    assert code == 2
    assert said.startswith("perfsuite: unknown format 'pytest': did you mean 'pytest-benchmark'?")


COMMANDS = [("summary",), *(("export", kind) for kind in KINDS)]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text.replace('"schema_version": 5', '"schema_version": 99'),
         "schema_version: written by a newer perfsuite: schema 99, this one reads up to 5; upgrade perf"),
        (lambda text: text.replace('"schema_version": 5', '"schema_version": 0'),
         "schema_version: Input should be greater than or equal to 1, found 0"),
        (lambda text: text.replace(', "schema_version": 5', ""), "field schema_version: Field required"),
        (lambda text: text.replace('"latency_s"', '"latency"'), "entry 'line 2'"),
        (lambda text: "", "empty"),
        (lambda text: "no JSON\n", "not valid JSON"),
    ],
    ids=["newer", "older", "unversioned", "other-fields", "empty", "no-json"],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_named(
    command: tuple[str, ...], damage: object, said: str, results: Path
) -> None:
    """With the field and what can be done; one line, no traceback, nothing on standard output."""
    assert callable(damage)
    results.write_text(damage(results.read_text()))
    code, printed, error = invoke(*command, results)
    assert (code, printed) == (2, "")
    assert error.startswith(f"perfsuite: {results}, ")
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_such_file_and_an_empty_folder(command: tuple[str, ...], tmp_path: Path) -> None:
    """Both say which option wrote such files."""
    for path, said in (
        (tmp_path / "none.jsonl", "there is no such file"),
        (tmp_path, "no results in this folder"),
    ):
        code, _, error = invoke(*command, path)
        assert code == 2
        assert said in error
        assert "--perf-results" in error


def test_a_run_without_results(tmp_path: Path) -> None:
    """The summary says so; an export, which its reader would choke on, is refused."""
    empty = write(tmp_path / "empty.jsonl")
    code, printed, _ = invoke("summary", empty)
    assert code == 0
    assert printed.startswith("## perfsuite: no results\n")
    assert "Nothing was measured" in printed
    for kind in KINDS:
        code, printed, error = invoke("export", kind, empty)
        assert (code, printed) == (2, "")
        assert "nothing was measured in these results" in error


def test_an_interrupted_run(tmp_path: Path) -> None:
    """A last line cut short does not count; a rung that was begun is named; the others are shown."""
    begun = result("bf16-sdpa", session=None, verdict=None)
    path = write(tmp_path / "cut.jsonl", result("fp32", verdict=None), begun)
    path.write_bytes(path.read_bytes() + b'{"kind": "result", "workload": "sha')
    code, printed, _ = invoke("summary", path)
    assert code == 0
    assert "Nothing was measured of <code>shapes bf16-sdpa</code>" in printed
    assert "<code>shapes fp32</code> | - |" in printed
    for kind in KINDS:
        code, printed, _ = invoke("export", kind, path)
        assert code == 0
        assert "bf16-sdpa" not in printed
        assert "fp32" in printed


def test_two_devices_in_one_folder(tmp_path: Path) -> None:
    """The summary says so and keeps them apart; so do formats that can, and one that cannot is refused."""
    write(tmp_path / "one.jsonl", result())
    write(tmp_path / "two.jsonl", result(), device=OTHER)
    code, printed, _ = invoke("summary", tmp_path)
    assert code == 0
    assert "2 devices" in printed
    assert "<code>cpu-other-8t</code> |" in printed
    names = [entry["name"] for entry in json.loads(invoke("export", "github-action-benchmark", tmp_path)[1])]
    assert len(set(names)) == len(names) == 4
    runners = {r["runners"][0]["type"] for r in json.loads(invoke("export", "pytorch", tmp_path)[1])}
    assert runners == {"Example CPU", "Other CPU"}
    assert "Other\N{NO-BREAK SPACE}CPU" in invoke("export", "svg", tmp_path)[1].replace("&#160;", "\xa0")
    code, _, error = invoke("export", "pytest-benchmark", tmp_path)
    assert code == 2
    assert "export each into a file of its own" in error


def test_a_file_named_twice_counts_once(results: Path) -> None:
    """As itself and as part of its folder."""
    once = invoke("export", "pytorch", results)[1]
    assert invoke("export", "pytorch", results, results.parent)[1] == once


def test_damaged_baselines_are_named(results: Path, tmp_path: Path) -> None:
    """By file, and left alone."""
    stored = tmp_path / "stored" / "cpu-example-2t.json"
    stored.parent.mkdir()
    stored.write_text("{")
    code, printed, error = invoke("summary", results, "--baselines", stored.parent)
    assert (code, printed) == (2, "")
    assert str(stored) in error
    assert stored.read_text() == "{"


def test_a_place_that_cannot_be_written(results: Path, tmp_path: Path) -> None:
    """A folder in the way of the file."""
    code, _, error = invoke("export", "pytorch", results, "--out", tmp_path)
    assert code == 2
    assert "cannot be written" in error
