"""Real blocks over an engine say what a serial run says: every gate's verdict, and every count."""

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ray_cluster import logical_cluster

from perfsuite.device.clock import now
from perfsuite.fleet.blocks.endings import JUNIT
from perfsuite.fleet.results.folder import merge_folder, read_folder
from perfsuite.store import read_results

BASELINES = Path(__file__).parents[3] / "baselines"
"""Those of latency are this machine's own, and recorded by the test."""
UNSURE = {"INCONCLUSIVE", "NEW"}
"""What a session may say of latency where another one, of the same code, says more."""
VARIANTS = ("fp32", "fp32-sdpa", "bf16", "bf16-sdpa")
WORK = {"structure": ["structure"], "counts": ["counts"], "quality": ["quality"],
        "latency": ["latency", "memory", "start"]}  # fmt: skip
BUDGET = "--perf-time-budget=1"
MATRIX = f"""
work = ["WORK"]
variants = {list(VARIANTS)}
workloads = ["shapes"]
rungs = 2
baselines = "FOLDER"
options = ["{BUDGET}"]
[environments.here]
python = "{sys.executable}"
[devices.cpu]
kind = "cpu"
"""
"""No block is the serial run's: each has two of the variants, and bf16's latency brings its own twin."""


def serial(folder, work, baselines, *options):
    """One pytest over all variants; what its gates said, and its results."""
    subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null",
            "--benchmark-only" if work == "latency" else "--benchmark-disable", BUDGET,
            "--perf-workload=shapes", *(f"--perf-variant={name}" for name in VARIANTS), "--perf-device=cpu",
            f"--perf-baselines={baselines}", f"--perf-results={folder}/{work}.jsonl",
            f"--perf-artifacts={folder}/artifacts", f"--rootdir={folder}", f"--junit-xml={folder}/{work}.xml",
            *options, "--pyargs", *(f"perfsuite.workers.tests.test_{name}" for name in WORK[work]),
        ],
        cwd=folder,
    )  # fmt: skip
    run = read_results(folder / f"{work}.jsonl")
    return list(gates((folder / f"{work}.xml").read_bytes())), [run]


def gates(junit):
    """Each test of each variant, and what it said."""
    for case in ElementTree.fromstring(junit).iter("testcase"):
        properties = {each.get("name"): each.get("value") for each in case.iter("property")}
        bad = next((each.tag for each in case if each.tag in ("failure", "error", "skipped")), "passed")
        # The name has the variant.
        yield case.get("name"), bad, properties.get("perfsuite.verdict")


def counts(runs):
    """What each variant does, counted, and the verdict on it."""
    return {
        result.variant: (result.counts, result.counted)
        for run in runs
        for result in run.results
        if result.counts is not None
    }


def _agree(one, two):
    """Whether two runs say the same; of latency one may be surer than the other."""
    return one == two or (one[0] == two[0] == "passed" and bool({one[1], two[1]} & UNSURE))


@pytest.fixture(scope="module", params=WORK)
def alone(request, tmp_path_factory):
    """A serial run of one kind of work: its name, gates and counts, and the baselines that judged it."""
    baselines = tmp_path_factory.mktemp("baselines") / "stored"
    shutil.copytree(BASELINES, baselines)
    if request.param == "latency":
        serial(tmp_path_factory.mktemp("recorded"), request.param, baselines, "--perf-update=new")
    said, runs = serial(tmp_path_factory.mktemp("serial"), request.param, baselines)
    return request.param, said, counts(runs), baselines


def perfsuite(folder, *arguments):
    command = [sys.executable, "-m", "perfsuite.cli", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    return done.stderr


@pytest.mark.benchmark(group="figures", timer=now)
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_same_as_serial(benchmark, engine, alone, tmp_path):
    """On Ray, blocks of one plan are on two nodes."""
    work, serial_said, serial_counted, baselines = alone
    matrix = MATRIX.replace("WORK", work).replace("FOLDER", str(baselines))
    (tmp_path / "matrix.toml").write_text(matrix)
    perfsuite(tmp_path, "plan", "matrix.toml", "--out", "plan.json")
    with logical_cluster() if engine == "ray" else contextlib.nullcontext() as cluster:
        on = f"ray={cluster.address}" if cluster else "local"
        run = ("run", "plan.json", "--on", on, "--out", "fleet", "--no-doctor")
        print(benchmark.pedantic(lambda: perfsuite(tmp_path, *run), rounds=1))
    folder = read_folder(tmp_path / "fleet")
    said = [
        gate
        for block in folder.plan.blocks
        for gate in gates(folder.data(block, folder.judged[block.id], JUNIT))
    ]
    counted = counts(merged.run for _, merged in merge_folder(folder))
    equal = sum(each in said for each in serial_said)
    print(f"{work} on {engine}: {equal} of {len(serial_said)} gates and {len(counted)} counts as serially")
    for each in sorted({*said, *serial_said}, key=str) if work == "latency" else ():
        print("both" if each in said and each in serial_said else "one", *each)
    # As sets: a twin says the same once more.
    assert {test for test, *_ in said} == {test for test, *_ in serial_said}
    for test, *rest in said:
        assert any(_agree(rest, other) for name, *other in serial_said if name == test), (test, rest)
    assert counted == serial_counted
    assert set(counted) == (set(VARIANTS) if work == "counts" else set())
    nodes = {attempt.machine for attempt in folder.judged.values()}
    assert len(nodes) == (2 if engine == "ray" else 1)
