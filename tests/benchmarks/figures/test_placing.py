"""What an engine costs: the time to place a block, and what Ray around it does to a latency."""

import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from orders import CPU, ends, order
from ray_cluster import logical_cluster
from scipy import stats

from perfsuite.device.clock import now
from perfsuite.fleet.executors import supervisor
from perfsuite.fleet.executors.local import LocalExecutor
from perfsuite.fleet.executors.machine import LEASES
from perfsuite.fleet.executors.ray import RayExecutor

BLOCKS = 20
LIMITS_S = {"local": 2.0, "ray": 5.0}
PAIRS = int(os.environ.get("PERFSUITE_PAIRS", "20"))
KEPT = os.environ.get("PERFSUITE_PAIRS_KEPT")
"""File of pairs, a line each: each run adds its own and judges all, so that many may be taken in parts."""
MOST_PERCENT = 2.0
"""That a block may be slower for certain."""
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


@pytest.mark.benchmark(group="figures", timer=now)
@pytest.mark.parametrize("engine", LIMITS_S)
def test_placing_a_block(benchmark, engine, request, tmp_path, monkeypatch):
    """From the driver's order to the word that it ended, beyond the block's own seconds; one at a time."""
    monkeypatch.setenv(LEASES, str(tmp_path))
    executor = LocalExecutor([CPU]) if engine == "local" else request.getfixturevalue("ray_executor")
    slot = executor.slots()[0]
    found_s = []

    def place():
        name = f"b{len(found_s)}"
        began = time.perf_counter()
        executor.start(order(name, "", exclusive=True), slot)
        event = ends(executor, 1)[name]
        found_s.append(time.perf_counter() - began - event.outcome.seconds)

    benchmark.pedantic(place, rounds=BLOCKS)
    if engine == "local":
        executor.close()
    low, middle, high = min(found_s), statistics.median(found_s), max(found_s)
    benchmark.extra_info.update(median_s=middle, least_s=low, most_s=high)
    print(f"{engine}: {middle:.3f} s a block ({low:.3f} to {high:.3f}, {BLOCKS} blocks)")
    assert high <= LIMITS_S[engine]


def outside(folder):
    """The same code in the same environment, started by this process itself; seconds of each call."""
    code = order("outside", SESSION).arguments[1].replace("{out}", str(folder))
    job = {"uuid": "cpu", "kind": "cpu", "chosen": False, "cores": 0, "variables": VARIABLES}
    environment = supervisor.environment(job, dict(os.environ))
    command = [sys.executable, "-c", code]
    subprocess.run(command, env=environment, check=True, capture_output=True, start_new_session=True)
    return json.loads((folder / "latency").read_text())


def inside(executor, slot, number):
    """The block's process below a task of Ray."""
    executor.start(order(f"inside {number}", SESSION, exclusive=True, variables=VARIABLES, limit_s=600), slot)
    event = ends(executor, 1, limit_s=600)[f"inside {number}"]
    assert event.outcome.exit_code == 0, event.outcome.said
    return json.loads(event.outcome.files["latency"])


VARIABLES = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}


@pytest.mark.benchmark(group="figures", timer=now)
def test_ray_around_a_block_does_not_slow_it(benchmark, ray_executor, tmp_path):
    """Sessions in turns, the first of each pair alternating; intervals of medians and of fastest calls.

    Both sides have the usual priority and a session of the system of their own.
    """
    slot = next(s for s in ray_executor.slots() if s.kind == "cpu")
    kept = Path(KEPT or tmp_path / "pairs.jsonl")
    pairs = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []

    def pair():
        number = len(pairs)
        folder = tmp_path / f"{number}"
        folder.mkdir()
        if number % 2:
            out = outside(folder)
            within = inside(ray_executor, slot, number)
        else:
            within = inside(ray_executor, slot, number)
            out = outside(folder)
        pairs.append((within, out))
        with kept.open("a") as file:
            file.write(f"{json.dumps([within, out])}\n")
        middle = [statistics.median(each) for each in (within, out)]
        print(f"pair {number}: inside {middle[0]:.4f} s, outside {middle[1]:.4f} s", flush=True)

    benchmark.pedantic(pair, rounds=PAIRS)
    found = {"medians": interval(pairs, statistics.median), "fastest calls": interval(pairs, min)}
    for name, (low, middle, high) in found.items():
        print(
            f"inside against outside, {name}: {middle:+.1f} % ({low:+.1f} to {high:+.1f}, {len(pairs)} pairs)"
        )
    benchmark.extra_info.update(found)
    assert all(low <= MOST_PERCENT for low, _, _ in found.values())


def interval(pairs, summary):
    """Percent that the first of each pair is more, with its 95 % interval around it."""
    logs = [math.log(summary(one) / summary(other)) for one, other in pairs]
    middle = statistics.mean(logs)
    error = stats.sem(logs) * stats.t.ppf(0.975, len(logs) - 1)
    return [100 * math.expm1(middle + side * error) for side in (-1, 0, 1)]
