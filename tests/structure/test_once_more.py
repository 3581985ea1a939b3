"""What torch's own counters say where a cache does not hit any more, and where it was only empty."""

import json
import os
import subprocess
import sys

import pytest

from perfsuite.device import fingerprint
from perfsuite.pipelines.optimizations.compilation import supports_compiling

SCRIPT = """
import json, os

import torch
import torch._inductor.config

from perfsuite.pipelines import variants, workloads
from perfsuite.pipelines.technique import Context
from perfsuite.pipelines.watching.caches import switched_off
from perfsuite.records import Device

torch._inductor.config.cpp_cache_precompile_headers = False  # they take longer than this module
{planted}

class Tiny(torch.nn.Module):
    def forward(self, x):
        return torch.sin(x) * 2 + 1

class Drawing(Context):
    def generate(self, *args, **options):
        with torch.no_grad():
            torch.compile(Tiny(), fullgraph=True)(torch.zeros(64))

device = Device("cpu", "Example", "cpu-example-1t", 1, 2**30)
context = Drawing(workloads.SHAPES, variants.get("fp32-sdpa-compile"), device)
context.first_call(None)
found = context.compilation
print(json.dumps([found.source.value, found.hits, found.misses, switched_off(os.environ)]))
"""
KEY_OF_EACH_PROCESS = "torch._inductor.config.cpp.min_chunk_size = os.getpid()"


def start(folder, planted="", **environment):
    """Source, hits, misses and what is switched off of a start with Inductor's cache in this folder."""
    more = {"TORCHINDUCTOR_CACHE_DIR": str(folder), "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(planted=planted)],
        env={**os.environ, **more}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.selftest
def test_an_empty_cache_is_filled_and_a_broken_one_is_not(tmp_path):
    """A second process hits, unless each has a key of its own; where a switch is off, nothing is kept."""
    reason = supports_compiling(fingerprint("cpu"))
    if reason is not None:
        pytest.skip(reason)
    assert start(tmp_path / "a") == ["cold", 0, 1, ""]
    assert start(tmp_path / "a") == ["warm", 1, 0, ""]
    for _ in range(2):
        assert start(tmp_path / "a", KEY_OF_EACH_PROCESS) == ["cold", 0, 1, ""]
    off = "torch._inductor.config.{} is {}, by {}"
    for name, value, variable in (
        ("fx_graph_cache", False, "TORCHINDUCTOR_FX_GRAPH_CACHE=0"),
        ("force_disable_caches", True, "TORCHINDUCTOR_FORCE_DISABLE_CACHES=1"),
    ):
        found = start(tmp_path / "a", **dict([variable.split("=")]))
        assert found == ["cold", 0, 1, off.format(name, value, variable)]
    found = start(tmp_path / "a", "torch._inductor.config.force_disable_caches = True")
    assert found == ["cold", 0, 1, "torch._inductor.config.force_disable_caches is True"]
