"""`.ci/gpu` runs every part whatever failed before, and keeps what each said; its Python is stood in for."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "gpu"
if shutil.which("bash") is None:
    pytest.skip("bash is not installed", allow_module_level=True)

STUB = """#!/usr/bin/env bash
case "$*" in
  -VV) echo Python 3.x; exit ;;
  "-m pip freeze") echo torch==9; exit ;;
esac
echo "ran $*"
case "$*" in {cases} esac
"""


def run(folder: Path, cases: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    python = folder / "python"
    python.write_text(STUB.replace("{cases}", cases))
    python.chmod(0o755)
    return subprocess.run(
        [SCRIPT, folder / "out put", *options],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHON": str(python), **environment},
    )


def test_parts_in_order_and_what_they_leave(tmp_path: Path) -> None:
    done = run(tmp_path, "", "--perf-variant=bf16-sdpa", "--perf-strict")
    out = tmp_path / "out put"

    assert done.returncode == 0
    assert (out / "parts.txt").read_text().splitlines() == [
        "== structure: exit 0",
        "== gates: exit 0",
        "== ladder: exit 0",
        "== calibrate: exit 0",
        "== figures: exit 0",
    ]
    gates = (out / "gates.log").read_text()
    assert "tests/structure/test_rungs.py tests/structure/test_counts.py" in gates
    assert (
        f"--perf-workload=sdxl-base --perf-device cuda --perf-weights auto --perf-results={out}/results"
        in gates
    )
    assert f"--perf-results={out}/gates.jsonl" in gates
    assert f"--benchmark-json={out}/figures.json" in (out / "figures.log").read_text()
    ladder, calibrate = (out / "ladder.log").read_text(), (out / "calibrate.log").read_text()
    assert "--perf-workload=sdxl-base --perf-device cuda --perf-weights auto" in ladder
    assert ladder.rstrip().endswith("--perf-variant=bf16-sdpa --perf-strict")
    assert "calibrate --restart --sessions 3 --workload sdxl-base --device cuda --weights auto" in calibrate
    assert f"--baselines {out}" in calibrate
    assert calibrate.rstrip().endswith("--variant bf16-sdpa")
    assert "torch==9" in (out / "environment.txt").read_text()
    stored = {p.name for p in (SCRIPT.parents[1] / "baselines").iterdir()}
    assert {p.name for p in (out / "baselines").iterdir()} == stored


@pytest.mark.parametrize(
    ("cases", "code"),
    [
        ("*structure*) exit 3 ;; *test_latency*) exit 1 ;;", 3),
        ("*test_latency*) exit 1 ;;", 1),
        ("*calibrate*) exit 2 ;;", 2),
        ("*figures*) exit 5 ;;", 5),
    ],
)
def test_the_first_failure_is_the_exit_code_and_the_rest_still_runs(
    cases: str, code: int, tmp_path: Path
) -> None:
    done = run(tmp_path, cases)

    assert done.returncode == code
    assert len((tmp_path / "out put" / "parts.txt").read_text().splitlines()) == 5


@pytest.mark.parametrize(
    "options",
    [["--perf-variant=fp32,bf16+sdpa"], ["--perf-variant", "fp32", "--perf-variant=bf16+sdpa"]],
)
def test_the_same_variants_are_calibrated(options: list[str], tmp_path: Path) -> None:
    """However pytest is told of them."""
    run(tmp_path, "", *options, "--perf-strict")

    calibrate = (tmp_path / "out put" / "calibrate.log").read_text()
    assert "--variant fp32 --variant bf16+sdpa\n" in calibrate


def test_no_baseline_is_proposed_without_sessions(tmp_path: Path) -> None:
    """Another device and workload are named by the environment."""
    done = run(tmp_path, "", PERFSUITE_SESSIONS="0", PERFSUITE_DEVICE="cpu", PERFSUITE_WORKLOAD="shapes")

    assert done.returncode == 0
    assert not (tmp_path / "out put" / "baselines").exists()
    assert "--perf-workload=shapes --perf-device cpu" in (tmp_path / "out put" / "ladder.log").read_text()


def test_only_the_parts_that_are_named_run(tmp_path: Path) -> None:
    """In their own order."""
    done = run(tmp_path, "", PERFSUITE_PARTS="calibrate ladder")

    assert done.returncode == 0
    assert (tmp_path / "out put" / "parts.txt").read_text().splitlines() == [
        "== ladder: exit 0",
        "== calibrate: exit 0",
    ]


def test_a_part_that_is_none_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "", PERFSUITE_PARTS="ladder calibration")

    assert done.returncode == 2
    assert "no part calibration; some of: structure gates ladder calibrate figures" in done.stderr
    assert not (tmp_path / "out put").exists()


def test_without_a_folder_it_says_how_it_is_used() -> None:
    done = subprocess.run([SCRIPT], capture_output=True, text=True)

    assert done.returncode == 2
    assert ".ci/gpu OUT" in done.stderr
