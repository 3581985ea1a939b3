"""``perfsuite plan``: what it prints and writes, and what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from perfsuite.cli import app
from perfsuite.fleet.planning.files import read_plan

MATRIX = """
work = ["latency", "structure"]
variants = ["fp32", "bf16-sdpa"]
workloads = ["shapes"]
repeats = {repeats}
[environments]
before.packages = {{ torch = "2.12.0" }}
after.packages = {{ torch = "2.13.0" }}
[devices.cpu]
kind = "cpu"
[devices.h100]
kind = "cuda"
"""


def plan(folder: Path, *options: str, repeats: int = 2) -> Result:
    path = folder / "matrix.toml"
    path.write_text(MATRIX.format(repeats=repeats))
    return CliRunner().invoke(app, ["plan", str(path), *options])


def test_a_plan_is_shown_and_written(tmp_path: Path) -> None:
    out = tmp_path / "new" / "plan.json"
    done = plan(tmp_path, "--out", str(out))
    assert done.exit_code == 0, done.output
    made = read_plan(out)
    first, heads, *rows = done.stdout.splitlines()
    assert first == f"plan matrix: 24 cells in 12 blocks, seed 1, id {made.id}"
    assert heads.split() == ["device", "work", "environment", "workload", "blocks", "cells", "at", "most"]
    assert rows[0].split() == ["cpu", "latency,", "alone", "after", "shapes", "2", "4", "4.0", "h"]
    assert len(rows) == 8
    assert made.seed == 1


def test_one_is_no_plural_and_a_plan_that_is_shown_alone_says_so(tmp_path: Path) -> None:
    """For a newcomer: what is to be run is the file."""
    path = tmp_path / "matrix.toml"
    path.write_text(
        'work = ["counts"]\nvariants = ["fp32"]\nworkloads = ["shapes"]\n'
        '[environments.here]\npython = "here"\n[devices.cpu]\nkind = "cpu"\n'
    )
    done = CliRunner().invoke(app, ["plan", str(path)])
    assert done.stdout.startswith("plan matrix: 1 cell in 1 block, seed 1, ")
    assert "nothing was written; perfsuite run takes the file that --out names" in done.stderr
    written = CliRunner().invoke(app, ["plan", str(path), "--out", str(tmp_path / "plan.json")])
    assert "nothing was written" not in written.stderr


def test_the_same_matrix_gives_the_same_plan(tmp_path: Path) -> None:
    one, again, other = (plan(tmp_path, "--format", "json", "--seed", seed) for seed in "113")
    assert one.stdout == again.stdout != other.stdout
    (tmp_path / "plan.json").write_text(one.stdout)
    assert len(read_plan(tmp_path / "plan.json").blocks) == 12


def test_parts_and_jobs_are_the_same_plan(tmp_path: Path) -> None:
    """Each job of GitHub's matrix plans its part by its name."""
    done = plan(tmp_path, "--format", "github", "--jobs", "4")
    assert done.exit_code == 0, done.output
    name, _, value = done.stdout.strip().partition("=")
    assert name == "matrix"
    assert "\n" not in value
    blocks = set()
    for job in json.loads(value)["include"]:
        assert plan(tmp_path, "--shard", job["shard"], "--out", str(tmp_path / "part.json")).exit_code == 0
        part = read_plan(tmp_path / "part.json")
        assert {block.device for block in part.blocks} == {job["device"]}
        assert (len(part.blocks), part.shard) == (job["blocks"], job["shard"])
        assert not blocks & {block.id for block in part.blocks}
        blocks |= {block.id for block in part.blocks}
    assert len(blocks) == 12
    alone = plan(tmp_path, "--format", "github", "--shard", "2/4")
    assert [job["shard"] for job in json.loads(alone.stdout.partition("=")[2])["include"]] == ["2/4"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--shard", "5/4"], "--shard=5/4: the first number goes from 1 to the second"),
        (["--shard", "1/99"], "99 parts: the plan has 12 that can be run apart"),
        (["--format", "githib"], "unknown format 'githib': did you mean 'github'"),
        (["--jobs", "2"], "--jobs is for --format github of a whole plan"),
        (["--jobs", "2", "--shard", "1/2", "--format", "github"], "--jobs is for --format github of a whole"),
        (["--jobs", "1", "--format", "github"], "one part a device class"),
        (["--out", "/dev/null/plan.json"], "/dev/null: the folder cannot be created"),
    ],
)  # fmt: skip
def test_what_it_refuses(options: list[str], said: str, tmp_path: Path) -> None:
    done = plan(tmp_path, *options)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_ten_thousand_cells_are_meant_or_a_mistake(tmp_path: Path) -> None:
    """They are counted before they are made, so that a typing error costs nothing."""
    out = tmp_path / "plan.json"
    done = plan(tmp_path, "--out", str(out), repeats=10**9)
    assert done.exit_code == 2
    assert "plans 8000000008 cells: 2 variants, 1 workloads, 2 environments, 2 devices" in done.stderr
    assert "more than 2000 are planned with --yes only" in done.stderr
    assert not out.exists()
    assert plan(tmp_path, "--yes", "--out", str(out), repeats=260).exit_code == 0
    assert len(read_plan(out).blocks) == 4 * 261


def test_no_engine_is_imported(tmp_path: Path) -> None:
    """Nor torch, nor whatever else takes a second, to plan on a login node."""
    (tmp_path / "matrix.toml").write_text(MATRIX.format(repeats=1))
    program = (
        "import sys; sys.argv = ['perfsuite', 'plan', 'matrix.toml', '--out', 'plan.json']\n"
        "from perfsuite.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "print(sorted({'torch', 'diffusers', 'transformers', 'ray', 'submitit'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
