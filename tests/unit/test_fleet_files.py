"""The examples for other engines: a workflow, a Slurm script and a RayJob say what this perfsuite takes.

Their own languages are checked by linters, see tox run -e lint.
"""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from fleet_folders import parted
from packaging.requirements import Requirement
from sample_runs import result, write_run

from perfsuite.cli import app
from perfsuite.fleet.planning.matrix import read_matrix
from perfsuite.fleet.planning.planner import make_plan
from perfsuite.fleet.planning.sharding import Job, jobs

ROOT = Path(__file__).parents[2]
FILES = ROOT / ".ci" / "fleet"
WORKFLOW = ROOT / ".github" / "workflows" / "matrix.yml"
PINNED = dict(
    line.split("==")
    for line in (ROOT / ".ci" / "constraints.txt").read_text().splitlines()
    if not line.startswith("#")
)


def workflow() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())
    return found


def check_command(command: str) -> None:
    """The subcommand is there and takes these options."""
    program, name, *words = shlex.split(command)
    assert Path(program).name == "perfsuite"
    found: Any = typer.main.get_command(app)
    found.commands[name].make_context(name, words)


def test_the_matrix_can_be_planned() -> None:
    """With the versions that CI installs; each runner makes the same interpreter of them."""
    found = read_matrix(FILES / "matrix.toml")
    for environment in found.environments.values():
        assert environment.packages
        assert environment.packages.items() <= PINNED.items()
    assert Path(found.tests).is_dir()
    assert Path(found.baselines).is_dir()
    assert len(jobs(make_plan(found, 1), 4)) == 4


def test_the_workflow_runs_each_part(tmp_path: Path) -> None:
    """Its commands are ours, and what it takes from a job of the matrix is there."""
    found = workflow()
    steps = [step for job in found["jobs"].values() for step in job["steps"] if "run" in step]
    commands = [step["run"].removeprefix("'") for step in steps if "perfsuite" in step["run"]]
    commands = [c for c in commands if "pip" not in c]
    assert len(commands) == 5
    for command in commands:
        line = command.partition(" >> ")[0].replace("$JOBS", "4").replace("$SHARD", "1/4")
        check_command(line.replace("$MATRIX", "matrix.toml").replace("$RUNNER_TEMP", "/tmp"))
    taken = set(re.findall(r"matrix\.(\w+) \}\}", WORKFLOW.read_text()))
    assert taken - {"outputs"} <= {field.name for field in fields(Job)} | {"matrix"}
    assert found["jobs"]["plan"]["outputs"]["matrix"] == "${{ steps.plan.outputs.matrix }}"
    assert found["jobs"]["run"]["strategy"]["matrix"] == "${{ fromJSON(needs.plan.outputs.matrix) }}"


def test_the_workflow_joins_what_its_jobs_leave() -> None:
    """What found something bad is joined as all else, and the page is made though the join says so."""
    found = workflow()["jobs"]
    left = [step["with"] for step in found["run"]["steps"] if "upload-artifact" in step.get("uses", "")]
    assert [step["path"] for step in left] == ["fleet"]
    assert found["report"]["if"] == "${{ !cancelled() }}"
    steps = {step.get("run") or step["uses"].partition("@")[0]: step for step in found["report"]["steps"]}
    assert steps["actions/download-artifact"]["with"] == {"path": "parts"}
    assert "if" not in steps["perfsuite join parts/* --out fleet"]
    for after in ("perfsuite report fleet --out page", "actions/upload-artifact"):
        assert steps[after]["if"] == "${{ !cancelled() }}"


def test_nobody_types_a_command_into_the_workflow() -> None:
    """What comes from inputs or from a plan reaches a shell as a variable alone."""
    for job in workflow()["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")


def closure(names: list[str]) -> set[str]:
    """Distributions and all that they require here."""
    found: set[str] = set()
    waiting = [Requirement(name).name for name in names]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        found.add(name)
        for line in metadata.requires(name) or ():
            required = Requirement(line)
            if required.marker is None or required.marker.evaluate({"extra": ""}):
                waiting.append(required.name)
    return found


@pytest.mark.parametrize(
    "command",
    [
        "plan MATRIX --format github --jobs 4",
        "report run.jsonl --out page",
        "join parts/part-0 parts/part-1 --out fleet",
        "report parts/part-0 parts/part-1 --out page",
    ],
    ids=["plan", "report", "join", "report of parts"],
)
def test_no_more_is_needed_than_is_installed(command: str, tmp_path: Path) -> None:
    """What the command imports is of the requirements that the workflow installs in place of all."""
    write_run(tmp_path / "run.jsonl", [result("bf16")])
    parted(tmp_path / "parts", 2)
    words = command.replace("MATRIX", str(FILES / "matrix.toml")).split()
    program = (
        "import sys; sys.argv[0] = 'perfsuite'\n"
        "from perfsuite.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True, text=True, check=True, timeout=120, cwd=tmp_path,
    )  # fmt: skip
    imported = ast.literal_eval(done.stdout.splitlines()[-1])
    known = metadata.packages_distributions()
    used = {re.sub(r"[-_.]+", "-", name).lower() for module in imported for name in known.get(module, ())[:1]}
    lines = (FILES / "requirements.txt").read_text().splitlines()
    needed = closure([line for line in lines if not line.startswith("#")])
    assert used - needed - {"perfsuite", "pip", "setuptools"} == set()
    assert "torch" not in needed


needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
STUB = """#!/usr/bin/env bash
echo "$$ $*" >> "$SAID"
[ "$1" != "${FAILS:-}" ] || exit "$CODE"
"""
TASK = {
    "SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "8", "SLURM_ARRAY_TASK_MIN": "1",
    "SLURM_ARRAY_TASK_MAX": "8",
}  # fmt: skip


def slurm(
    folder: Path, *words: str, **environment: str
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """One task of the array; what it called."""
    stub, said = folder / "perfsuite", folder / "said"
    stub.write_text(STUB)
    stub.chmod(0o755)
    process = subprocess.Popen(
        [FILES / "slurm", *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PERFSUITE": str(stub), "SAID": str(said), **environment},
    )  # fmt: skip
    output, errors = process.communicate()
    calls = said.read_text().splitlines() if said.exists() else []
    done = subprocess.CompletedProcess(process.args, process.returncode, output, errors)
    # Slurm's signal goes to this process: what runs last must be it.
    assert not calls or "run" not in calls[-1].split() or calls[-1].startswith(f"{process.pid} ")
    return done, [call.partition(" ")[2] for call in calls]


@needs_bash
def test_a_task_of_a_slurm_array_runs_its_part(tmp_path: Path) -> None:
    out = tmp_path / "out put"
    done, calls = slurm(tmp_path, "matrix.toml", str(out), **TASK)
    assert done.returncode == 0, done.stderr
    assert calls == [
        f"plan matrix.toml --shard 3/8 --out {out}/3-of-8.json",
        f"run {out}/3-of-8.json --on local --out {out}/3-of-8",
    ]
    for call in calls:
        check_command(f"perfsuite {call.replace('out put', 'out')}")


@needs_bash
@pytest.mark.parametrize(("fails", "code", "ends"), [("plan", "2", 3), ("run", "1", 1), ("run", "2", 2)])
def test_how_a_task_ends(fails: str, code: str, ends: int, tmp_path: Path) -> None:
    """As the run does; a plan that cannot be made is no run."""
    done, calls = slurm(tmp_path, "m", str(tmp_path / "out"), FAILS=fails, CODE=code, **TASK)
    assert done.returncode == ends
    assert len(calls) == (1 if fails == "plan" else 2)


@needs_bash
@pytest.mark.parametrize(
    ("words", "changes", "said"),
    [
        (["m"], {}, "sbatch --array=1-8"),
        (["m", "o"], {"SLURM_ARRAY_TASK_ID": ""}, "no job array: sbatch --array=1-8"),
        (["m", "o"], {"SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_MAX": "7"}, "must be 1 to the number"),
        (["m", "o"], {"SLURM_ARRAY_TASK_COUNT": "4"}, "must be 1 to the number"),
    ],
)
def test_a_task_that_is_none(words: list[str], changes: dict[str, str], said: str, tmp_path: Path) -> None:
    done, calls = slurm(tmp_path, *words, **{**TASK, **changes})
    assert done.returncode == 3
    assert said in done.stderr
    assert calls == []


def test_the_rayjob_is_for_this_perfsuite() -> None:
    """Its command is ours, its Ray the one that is tested, and each machine of its workers measures."""
    found = yaml.safe_load((FILES / "kuberay.yaml").read_text())["spec"]
    check_command(found["entrypoint"])
    cluster = found["rayClusterSpec"]
    assert cluster["rayVersion"] == PINNED["ray"]
    images = re.findall(r"image: \S+:(\S+)", (FILES / "kuberay.yaml").read_text())
    assert set(images) == {PINNED["ray"]}
    assert cluster["headGroupSpec"]["rayStartParams"] == {"num-cpus": "0"}
    for group in cluster["workerGroupSpecs"]:
        # KubeRay puts it into a shell's line, quotes and all.
        assert shlex.split(group["rayStartParams"]["resources"]) == ['{"measure": 1}']


def test_linters_look_at_them() -> None:
    """Each example stands in the environment that checks its language."""
    lint = (ROOT / "tox.ini").read_text().partition("[testenv:lint]")[2].partition("[testenv")[0]
    for file in (FILES / "slurm", FILES / "kuberay.yaml", FILES / "rayjob.schema.json"):
        assert str(file.relative_to(ROOT)) in lint
    assert "vendor.github-workflows" in lint
    assert tomllib.loads((FILES / "matrix.toml").read_text())
