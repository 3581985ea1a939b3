"""The gate, end to end, in fresh processes: a real slowdown is found, and no change is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from perfsuite.device.clock import now
from perfsuite.records import Status
from perfsuite.store import read_results

HERE = Path(__file__).parent
SESSIONS = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Baselines of five sessions of one rung, each from a process of its own."""
    path = tmp_path_factory.mktemp("detection")
    for _ in range(SESSIONS):
        _session(path, "--perf-update=append")
    return path


def _session(folder, *options, slowdown=None):
    """One run of the latency test in a fresh process; its verdict."""
    # A planted slowdown is no news: nothing of it for a workflow's summary.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    command = [sys.executable, "-m", "pytest", "-q", "--benchmark-only", "--perf-variant=bf16-sdpa",
               f"--perf-baselines={folder}", f"--perf-results={folder / 'results.jsonl'}",
               str(HERE.parent / "test_latency.py"), *options]  # fmt: skip
    if slowdown is not None:
        environment["PYTHONPATH"] = str(HERE)
        environment["PERFSUITE_TEST_SLOWDOWN"] = str(slowdown)
        command += ["-p", "slower"]
    done = subprocess.run(command, cwd=HERE.parents[2], env=environment, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    result = read_results(folder / "results.jsonl").results[0]
    print(f"slowdown {slowdown}: {result.verdict.status} {result.verdict.detail}")
    assert (done.returncode == 1) == (result.verdict.status is Status.REGRESSED), done.stdout
    return result.verdict


@pytest.mark.benchmark(group="figures", timer=now)
def test_twice_the_work_is_a_regression(benchmark, folder):
    """The UNet runs twice a step: REGRESSED, and the test fails."""
    verdict = benchmark.pedantic(_session, args=(folder,), kwargs={"slowdown": 1.0})
    assert verdict.status is Status.REGRESSED


@pytest.mark.benchmark(group="figures", timer=now)
@pytest.mark.parametrize("slowdown", [0.1, 0.3])
def test_less_is_found_or_admitted(benchmark, folder, slowdown):
    """A smaller slowdown is REGRESSED, or INCONCLUSIVE with a detectable effect above it; never OK."""
    verdict = benchmark.pedantic(_session, args=(folder,), kwargs={"slowdown": slowdown})
    assert verdict.status in (Status.REGRESSED, Status.INCONCLUSIVE)
    if verdict.status is Status.INCONCLUSIVE:
        assert verdict.minimum_detectable_effect > slowdown


@pytest.mark.benchmark(group="figures", timer=now)
def test_no_change_is_no_regression(benchmark, folder):
    """Three runs in a row."""
    verdicts = [_session(folder) for _ in range(2)]
    verdicts.append(benchmark.pedantic(_session, args=(folder,)))
    assert Status.REGRESSED not in [v.status for v in verdicts]
