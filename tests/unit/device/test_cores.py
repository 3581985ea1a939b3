"""The cores that torch's threads get, whatever binds them."""

import json
import os
import subprocess
import sys

import pytest

from perfsuite.device.cores import Pool, span

LOOK = """
import json
import torch
from perfsuite.device import cores
from perfsuite.device.fingerprint import fingerprint
found = fingerprint("cpu")
print(json.dumps([found.count, found.slug, len(cores.allowed())]))
"""


def _look(**variables: str) -> list[object]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", LOOK], env=environment | variables, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found: list[object] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or len(os.sched_getaffinity(0)) < 2, reason="two cores of a Linux"
)
def test_what_binds_threads_takes_no_core_away_but_what_stacks_them_does() -> None:
    """Bound one each, the first thread's affinity is one core, and there are as many as ever."""
    free, _, cores = _look()
    assert _look(OMP_PROC_BIND="close")[0] == free
    stacked, slug, _ = _look(OMP_PROC_BIND="master")
    assert stacked == 1
    assert str(slug).endswith("-1t")
    assert cores == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("cores", "text"), [({0}, "0"), ({0, 1}, "0-1"), ({0, 2, 3, 8}, "0,2-3,8"), (set(), "")]
)
def test_span(cores: set[int], text: str) -> None:
    assert span(frozenset(cores)) == text


@pytest.mark.parametrize(
    ("threads", "cores", "parallel"), [(2, {0}, 1), (1, {0, 1}, 1), (4, {0, 1, 2, 3}, 4)]
)
def test_parallel(threads: int, cores: set[int], parallel: int) -> None:
    """As many as can run at the same time."""
    assert Pool(threads, frozenset(cores)).parallel == parallel
