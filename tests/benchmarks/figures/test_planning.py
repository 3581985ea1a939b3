"""What a plan costs: a thousand cells, from the file to the file."""

import statistics
import subprocess
import sys
import time

import pytest

from perfsuite.fleet.planning.files import read_plan

MATRIX = """
work = ["latency", "structure", "counts", "quality"]
variants = ["ladder"]
workloads = ["shapes", "sdxl-base"]
repeats = 5
rungs = 5
compile_cache = "code"
[environments]
old.packages = { torch = "2.12.0" }
new.packages = { torch = "2.13.0" }
[devices.a100]
kind = "cuda"
[devices.h100]
kind = "cuda"
"""
MOST_S, LEAST_CELLS = 2.0, 900


@pytest.mark.benchmark(group="figures", timer=time.perf_counter)
def test_a_thousand_cells(benchmark, tmp_path):
    """Planned within 2 s by the command itself, its start included."""
    (tmp_path / "matrix.toml").write_text(MATRIX)
    command = [sys.executable, "-m", "perfsuite.cli", "plan", "matrix.toml", "--out", "plan.json"]
    benchmark.pedantic(lambda: subprocess.run(command, cwd=tmp_path, check=True), rounds=5, warmup_rounds=1)
    plan = read_plan(tmp_path / "plan.json")
    cells = sum(len(block.cells) for block in plan.blocks)
    spent = benchmark.stats.stats.data
    print(
        f"{cells} cells in {len(plan.blocks)} blocks: {statistics.median(spent):.2f} s, "
        f"{min(spent):.2f} to {max(spent):.2f} (n={len(spent)})"
    )
    assert cells >= LEAST_CELLS
    assert statistics.median(spent) <= MOST_S
