"""The whole ladder on the small model, cold and warm: wall time and peak memory."""

import os
import shutil
import subprocess
import sys
import time

import psutil
import pytest

from perfsuite.device.clock import now

MOST_S = {"cold": 480.0, "warm": 150.0}
"""On two cores, installed."""
MOST_BYTES = 4 * 2**30


@pytest.fixture(scope="module")
def cache(tmp_path_factory, request):
    """Caches and baselines: no sessions and references yet, the pictures' thresholds as stored."""
    folder = tmp_path_factory.mktemp("ladder")
    shutil.copytree(request.config.rootpath / "baselines" / "reference", folder / "baselines" / "reference")
    return folder


def _resident(process):
    """Resident bytes of a process and its children, as far as they still live."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def _ladder(root, folder):
    """Run the ladder as `tox run -e bench` does; seconds and peak resident bytes."""
    command = [sys.executable, "-m", "pytest", "--benchmark-only", "--perf-update=new",
               f"--perf-results={folder / 'results.jsonl'}", f"--perf-baselines={folder / 'baselines'}",
               f"--perf-reference-cache={folder / 'references'}",
               "tests/benchmarks/test_latency.py", "tests/quality",
               "-o", f"cache_dir={folder / 'pytest'}"]  # fmt: skip
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor")}
    start, peak = time.monotonic(), 0
    with (folder / "log").open("w") as log:
        running = subprocess.Popen(command, cwd=root, env=environment, stdout=log, stderr=log)
        process = psutil.Process(running.pid)
        while running.poll() is None:
            peak = max(peak, _resident(process))
            time.sleep(0.5)
    return time.monotonic() - start, peak, running.returncode, (folder / "log").read_text()


@pytest.mark.benchmark(group="figures", timer=now)
@pytest.mark.parametrize("caches", ["cold", "warm"])
def test_ladder(benchmark, cache, request, caches):
    """Every rung passes, within the time and memory that a newcomer is promised."""
    seconds, peak, code, log = benchmark.pedantic(_ladder, args=(request.config.rootpath, cache))
    print(f"{caches}: {seconds:.0f} s, {peak / 2**20:.0f} MiB")
    assert code == 0, log
    assert peak <= MOST_BYTES
    assert seconds <= MOST_S[caches]
