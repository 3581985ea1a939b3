"""An artifact saved by one process spares another the compilation, by torch's own counters."""

import json
import os
import subprocess
import sys

import pytest

from perfsuite.device import fingerprint
from perfsuite.pipelines.optimizations.compilation import supports_compiling

SCRIPT = """
import json, os, shutil, sys
from pathlib import Path

import torch
import torch._inductor.config

from perfsuite.bench.caching import CompileCache
from perfsuite.pipelines.watching.caches import watching
from perfsuite.records import Device

torch._inductor.config.cpp_cache_precompile_headers = False  # they take longer than this module

class Tiny(torch.nn.Module):
    def forward(self, x):
        return torch.sin(x) * 2 + 1

cache = CompileCache(Path(sys.argv[1]), Device("cpu", "Example", "cpu-example-1t", 1, 2**30))
cache.load()
if sys.argv[2:] == ["lose"]:
    shutil.rmtree(os.environ["TORCHINDUCTOR_CACHE_DIR"])
found, again = [], None
for _ in range(2):
    with torch.no_grad(), watching(compiles=True) as watch:
        y = torch.compile(Tiny(), fullgraph=True)(torch.zeros(64))
    assert torch.equal(y, torch.ones(64))
    seen = watch.found
    found.append([seen.source.value, seen.hits, seen.misses, seen.artifact_bytes])
    again = seen.again or again
    torch._dynamo.reset()
cache.save()
print(json.dumps({"found": found, "lines": cache.lines, "again": again}))
"""


def in_fresh_process(folder, artifact, *options):
    """What the script prints, with Inductor's cache in this folder."""
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(artifact), *options],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.selftest
def test_a_fresh_process_with_an_empty_cache_finds_what_the_artifact_holds(tmp_path):
    """Cold, then from the artifact; a second compilation in the same process is warm."""
    reason = supports_compiling(fingerprint("cpu"))
    if reason is not None:
        pytest.skip(reason)
    artifact = tmp_path / "artifact"
    first = in_fresh_process(tmp_path / "a", artifact)
    assert first["found"] == [["cold", 0, 1, None], ["warm", 1, 0, None]]
    size = artifact.stat().st_size
    assert [f"compile cache {artifact}: " in line for line in first["lines"]] == [True]

    before = artifact.read_bytes()
    second = in_fresh_process(tmp_path / "b", artifact)
    assert second["found"] == [["artifact", 1, 0, size], ["warm", 1, 0, size]]
    assert second["lines"] == []
    assert artifact.read_bytes() == before
    assert second["again"] is None

    # A torch that does not find what it has loaded.
    lost = in_fresh_process(tmp_path / "c", artifact, "lose")
    assert (lost["found"][0], lost["again"]) == (["cold", 0, 1, size], 1)
