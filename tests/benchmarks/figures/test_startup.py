"""How long one waits before anything happens."""

import statistics
import subprocess
import sys

import pytest

from perfsuite.device.clock import now

COMMANDS = {
    "collect-only": (
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/benchmarks", "tests/quality"],
        1.0,
    ),
    "help": ([sys.executable, "-m", "perfsuite.cli", "--help"], 0.3),
}


@pytest.mark.benchmark(group="figures", timer=now)
@pytest.mark.parametrize("name", COMMANDS)
def test_start_up(benchmark, name, request):
    """The median of ten starts stays within the limit, and torch is not imported."""
    command, most_s = COMMANDS[name]

    def start():
        return subprocess.run(
            command, cwd=request.config.rootpath, capture_output=True, text=True, check=True
        )

    start()
    benchmark.pedantic(start, rounds=10)
    middle = statistics.median(benchmark.stats.stats.data)
    print(f"{name}: {middle:.3f} s")
    assert middle <= most_s
    traced = subprocess.run(
        [sys.executable, "-X", "importtime", *command[1:]],
        cwd=request.config.rootpath, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not [line for line in traced.stderr.splitlines() if line.split("|")[-1].strip() == "torch"]
