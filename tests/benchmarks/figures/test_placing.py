"""What an engine costs: the time to place a block, and what Ray around it does to a latency."""

import json
import math
import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from orders import CPU, ends, order
from ray_cluster import logical_cluster
from scipy import stats

from perfsuite.fleet.executors import supervisor
from perfsuite.fleet.executors.local import LocalExecutor
from perfsuite.fleet.executors.machine import LEASES
from perfsuite.fleet.executors.ray import RayExecutor

BLOCKS = 20
LIMITS_S = {"local": 2.0, "ray": 5.0}
PAIRS = 20
SESSION = """
import dataclasses, json
from perfsuite.measuring.session import Plan, measure, time_calls
from perfsuite.pipelines import prepare, workloads
prepared = prepare(dataclasses.replace(workloads.SHAPES, steps=3), "fp32-sdpa", "cpu")
found = measure(prepared, time_calls, Plan(time_budget_s=2.0))
with open(OUT + "/latency", "w") as file:
    json.dump(found.latency_s, file)
"""
"""Three steps and not thirty: many calls in little time."""


@pytest.fixture(scope="module")
def ray_executor():
    """A real Ray of two logical nodes."""
    with logical_cluster() as cluster:
        executor = RayExecutor(cluster.address)
        yield executor
        executor.close()


@pytest.mark.parametrize("engine", LIMITS_S)
def test_placing_a_block(engine, request, tmp_path, monkeypatch):
    """From the driver's order to the word that it ended, beyond the block's own seconds; one at a time."""
    monkeypatch.setenv(LEASES, str(tmp_path))
    executor = LocalExecutor([CPU]) if engine == "local" else request.getfixturevalue("ray_executor")
    slot = executor.slots()[0]
    found_s = []
    for n in range(BLOCKS):
        began = time.perf_counter()
        executor.start(order(f"b{n}", "", exclusive=True), slot)
        event = ends(executor, 1)[f"b{n}"]
        found_s.append(time.perf_counter() - began - event.outcome.seconds)
    if engine == "local":
        executor.close()
    low, middle, high = min(found_s), statistics.median(found_s), max(found_s)
    print(f"{engine}: {middle:.3f} s a block ({low:.3f} to {high:.3f}, {BLOCKS} blocks)")
    assert high <= LIMITS_S[engine]


def outside(folder):
    """The same code in the same environment, started by this process itself."""
    code = order("outside", SESSION).arguments[1].replace("{out}", str(folder))
    job = {"uuid": "cpu", "kind": "cpu", "chosen": False, "cores": CORES, "variables": VARIABLES}
    environment = supervisor.environment(job, dict(os.environ))
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
    return statistics.median(json.loads((folder / "latency").read_text()))


def inside(executor, slot, number):
    """The block's process below a task of Ray."""
    executor.start(order(f"inside {number}", SESSION, exclusive=True, variables=VARIABLES, limit_s=600), slot)
    event = ends(executor, 1, limit_s=600)[f"inside {number}"]
    assert event.outcome.exit_code == 0, event.outcome.said
    return statistics.median(json.loads(event.outcome.files["latency"]))


CORES = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
VARIABLES = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}


def test_a_latency_inside_ray_is_that_outside(ray_executor, tmp_path, monkeypatch):
    """Sessions in turns, the first of each pair alternating; the interval of the ratio has 1 within."""
    monkeypatch.setenv(LEASES, str(tmp_path / "leases"))
    slot = replace(next(s for s in ray_executor.slots() if s.kind == "cpu"), cores=CORES)
    logs = []
    pairs = int(os.environ.get("PAIRS", PAIRS))
    for number in range(pairs):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        if number % 2:
            out = outside(folder)
            within = inside(ray_executor, slot, number)
        else:
            within = inside(ray_executor, slot, number)
            out = outside(folder)
        logs.append(math.log(within / out))
        print(f"pair {number}: inside {within:.4f} s, outside {out:.4f} s", flush=True)
    middle = statistics.mean(logs)
    error = stats.sem(logs) * stats.t.ppf(0.975, len(logs) - 1)
    low, high = (100 * math.expm1(middle + side * error) for side in (-1, 1))
    print(f"inside Ray against outside: {low:+.2f} % to {high:+.2f} % (95 %, {len(logs)} pairs)")
    assert low <= 0 <= high or abs(100 * math.expm1(middle)) < 1
