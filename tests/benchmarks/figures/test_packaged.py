"""A UNet packaged ahead of time: written by one process, run by others in which nothing is compiled."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from perfsuite.device.clock import now

PROCESS = Path(__file__).parent / "package_process.py"
MOST_OFF = 1e-4
"""Of float32's rounding, from eager code."""
LEAST_SSIM = 0.999


def _said(seconds):
    spec = importlib.util.spec_from_file_location("package_process", PROCESS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.said(seconds)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("package")


def _run(role, folder):
    done = subprocess.run(
        [sys.executable, str(PROCESS), role, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.benchmark(group="figures", timer=now)
def test_a_package_runs_where_nothing_compiles(benchmark, folder):
    """With torch's loader alone, whose process has no compiler; and in a pipeline, beside the eager one."""
    written = benchmark.pedantic(_run, args=("write", folder))
    print(f"written in {written['seconds']:.0f} s, {written['bytes'] / 2**20:.1f} MiB")

    alone = _run("bare", folder)
    print(
        f"alone: UNet call {_said(alone['seconds'])}, {alone['threads']} threads, off by {alone['off']:.1e}"
    )
    assert alone["compiler"] == []
    assert alone["off"] <= MOST_OFF

    drawn = _run("pipeline", folder)
    for name, seconds in drawn["seconds"].items():
        print(f"{name}: {_said(seconds)} a picture")
    print(f"pictures: SSIM {drawn['ssim']:.5f}; UNet off by at most {max(drawn['errors'].values()):.1e}")
    assert drawn["frames"] == {}
    assert drawn["calls"] > 0
    assert drawn["compared"] == 2  # once a prompt
    assert max(drawn["errors"].values()) <= MOST_OFF
    assert drawn["ssim"] >= LEAST_SSIM
