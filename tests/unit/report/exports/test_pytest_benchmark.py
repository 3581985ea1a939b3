"""pytest-benchmark's own programs read the export, compare two, and compare a run with one."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from perfsuite.records import Run
from perfsuite.report.exports import ExportError, export


def slowed(run: Run, factor: float) -> Run:
    """The same run with its calls so many times as long."""
    results = [
        replace(r, session=replace(r.session, latency_s=tuple(factor * s for s in r.session.latency_s)))
        for r in run.results
        if r.session
    ]
    return replace(run, results=tuple(results))


def compare(folder: Path, *arguments: str) -> str:
    """What ``pytest-benchmark compare`` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Failed to load" not in done.stdout + done.stderr
    return done.stdout


def test_two_exports_are_compared(full_run: Run, tmp_path: Path) -> None:
    """Its own program finds both, names the benchmarks, and says that one is half as fast."""
    for name, factor in (("1-before", 1.0), ("2-after", 2.0)):
        (tmp_path / f"{name}.json").write_text(export("pytest-benchmark", [slowed(full_run, factor)]))
    table = compare(tmp_path, "1-before.json", "2-after.json", "--columns=median,rounds")
    assert "test_latency[shapes-fp32] (1-before)" in table
    assert "test_latency[shapes-bf16-sdpa-compile] (2-after)" in table
    assert "2,000.0000 (" in table
    between = compare(tmp_path, "--between=median", "1-before.json", "2-after.json")
    assert between.count("+100.0%") == 2


def test_every_digit_is_kept(full_run: Run) -> None:
    """Raw samples and what the suite knows besides, as they were stored."""
    document = json.loads(export("pytest-benchmark", [full_run]))
    (_, found) = document["benchmarks"]
    assert full_run.results[1].session is not None
    assert found["stats"]["data"] == list(full_run.results[1].session.latency_s)
    assert found["stats"]["rounds"] == 4
    assert found["fullname"] == "tests/benchmarks/test_latency.py::test_latency[shapes-bf16-sdpa-compile]"
    assert found["extra_info"]["ratio"] == 1.2345678
    assert found["extra_info"]["compiled_from"] == "cold"
    assert found["extra_info"]["ssim"] == 0.87654
    assert document["commit_info"]["id"] == "abc1234"
    assert document["machine_info"]["node"] == "cpu-example-2t"


def test_more_than_one_run_is_refused(full_run: Run) -> None:
    """A file of that format is one run; the message says what to do."""
    with pytest.raises(ExportError, match="holds one run, these are 2: export each into a file of its own"):
        export("pytest-benchmark", [full_run, replace(full_run, id="other")])


def test_pictures_alone_are_refused(full_run: Run) -> None:
    """It knows nothing but times."""
    run = replace(full_run, results=(replace(full_run.results[1], session=None, verdict=None),))
    with pytest.raises(ExportError, match="nothing was timed"):
        export("pytest-benchmark", [run])
