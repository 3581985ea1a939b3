"""``perfsuite evaluate``: what it prints and writes, and how it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from perfsuite.cli import app


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", *arguments])


@pytest.fixture
def traces(tmp_path: Path) -> str:
    """Four quiet benchmarks of two projects, ten processes each."""
    rng = np.random.default_rng(0)
    path = tmp_path / "t.npz"
    latency_s = 0.1 * np.exp(0.001 * rng.standard_normal((4, 10, 8)))
    np.savez(path, latency_s=latency_s, project=["a", "a", "b", "b"])
    return str(path)


def test_prints_and_writes(traces: str, tmp_path: Path) -> None:
    """Table on stdout, progress on stderr, and three files in folders that were not there."""
    out = tmp_path / "new" / "folder"
    done = invoke(
        traces, "--split", "report", "--rule", "perfsuite", "--rule", "nvbench", "--repeats", "3",
        "--sessions", "4", "--samples", "3", "--design", "4x3", "--json", str(out / "e.json"),
        "--markdown", str(out / "e.md"), "--plot", str(out / "e.png"),
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "n = 6 decisions on 2 benchmarks" in done.stdout
    assert done.stderr == "4x3: benchmark 0 of 2\n"
    document = json.loads((out / "e.json").read_text())
    assert (document["split"], document["repeats"], document["seed"]) == ("report", 3, 1)
    power = {c["rule"]: c["regressed"][0] for c in document["cells"] if c["effect"] == 0.1}
    assert power.keys() == {"perfsuite", "nvbench"}
    (ten,) = [
        c for c in document["cells"]
        if (c["rule"], c["shape"], c["effect"]) == ("nvbench", "constant", 0.1)
    ]  # fmt: skip
    assert ten["regressed"][0] == 1.0
    assert (out / "e.md").read_text().startswith("**4x3, every sample")
    assert (out / "e.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rule", "asw"], "unknown rule 'asw'"),
        (["--design", "5by4"], "unknown design '5by4'"),
        (["--split", "half"], "split 'half' is none of all, tune, report"),
        (["--design", "1v10"], "design 1v10 needs 11 processes of every benchmark, found 10"),
        (["--design", "5x9"], "design 5x9 needs 9 samples a process of every benchmark, found 8"),
    ],
)
def test_refuses(arguments: list[str], message: str, traces: str) -> None:
    """Status 2 and one line."""
    done = invoke(traces, *arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("perfsuite: ")
    assert message in done.stderr


def test_no_such_file(tmp_path: Path) -> None:
    done = invoke(str(tmp_path / "none.npz"))
    assert done.exit_code == 2
    assert "there is no such file; name an npz file or a folder of results" in done.stderr


def test_histories(tmp_path: Path) -> None:
    """Tables of whole histories and of nights on stdout, figures in files."""
    rng = np.random.default_rng(1)
    values = np.exp(rng.normal(0, 0.01, 160) + 0.06 * (np.arange(160) >= 100))
    path = tmp_path / "h.npz"
    marks = [[100, 1], [100, 2], [101, 3]]
    np.savez(path, series=["sap_1"], values=values, offset=[0, 160], mark=marks, mark_offset=[0, 3])
    done = invoke(
        "--history", str(path), "--json", str(tmp_path / "e.json"), "--markdown", str(tmp_path / "e.md")
    )
    assert done.exit_code == 0, done.output
    assert "1 changes that 3 annotators marked in 160 points of 1 series" in done.stdout
    assert "left out: Otava, p .001: no module otava" in done.stdout
    document = json.loads((tmp_path / "e.json").read_text())
    assert document["look_back"][0]["recall"][0] == 1.0
    assert document["night_by_night"][0]["within"]["5"][0] == 1.0
    assert (tmp_path / "e.md").read_text().startswith("**whole histories: 1 changes")


@pytest.mark.parametrize("arguments", [[], ["t.npz", "--history", "h.npz"]])
def test_either_traces_or_histories(arguments: list[str]) -> None:
    """Neither and both are refused."""
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert "give either traces or --history" in done.output
