"""Blocks on a real Ray cluster of two logical nodes of two pretended GPUs each."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from orders import began, ends, order, outcome
from ray_cluster import LogicalCluster, logical_cluster

from perfsuite.fleet.executors import Began, ExecutorError, Finished, Lost
from perfsuite.records import DeviceClass, Slot

ray = pytest.importorskip("ray")
from perfsuite.fleet.executors.ray import Node, RayExecutor  # noqa: E402

SLEEP = "import os, time; open(PIDS, 'a').write(f'{os.getpid()}\\n'); time.sleep(60)"
WHERE = """
import json, os
def above(pid):
    parent = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
    return [] if parent <= 1 else [parent, *above(parent)]
maps = "".join(open(f"/proc/{pid}/maps").read() for pid in above(os.getpid())[:2])
told = {"environment": dict(os.environ), "niceness": os.nice(0)}
print(json.dumps({**told, "torch": "libtorch" in maps, "ray": "raylet" in maps}))
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[LogicalCluster]:
    with logical_cluster() as found:
        yield found


@pytest.fixture(scope="module")
def executor(cluster: LogicalCluster) -> Iterator[RayExecutor]:
    found = RayExecutor(cluster.address)
    yield found
    found.close()


@pytest.fixture
def gpus(executor: RayExecutor) -> list[Slot]:
    """Two of the first node, which the driver is at, and two of the second."""
    found = [slot for slot in executor.slots() if slot.kind == "cuda"]
    return sorted(found, key=lambda slot: slot.labels["pool"])


def sleeping(pids: Path) -> str:
    return SLEEP.replace("PIDS", repr(str(pids)))


def gone(pids: Path, limit_s: float = 15.0) -> bool:
    """Whether all processes that noted their numbers there end in time."""
    until = time.monotonic() + limit_s
    while any(psutil.pid_exists(int(pid)) for pid in pids.read_text().split()):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def test_each_gpu_of_each_node_is_a_slot(gpus: list[Slot], executor: RayExecutor) -> None:
    assert len(gpus) == 4
    first, second = sorted({slot.machine for slot in gpus})
    assert second == f"{first}-2"  # two nodes of one host
    assert [slot.labels["pool"] for slot in gpus] == ["a", "a", "b", "b"]
    assert {slot.cores for slot in gpus} == {1}
    assert len({slot.id for slot in executor.slots()}) == 6
    assert executor.knows_machines


def test_block_gets_its_own_environment_and_device(executor: RayExecutor, gpus: list[Slot]) -> None:
    found = outcome(executor, order("env", WHERE, exclusive=True), replace(gpus[1], cores=2))
    told = json.loads(found.said)
    environment = told["environment"]
    assert not [name for name in environment if name.startswith("RAY")]
    # Ray itself would say 2, for so many it was asked for, and the first GPU.
    assert environment["OMP_NUM_THREADS"] == "2"
    assert environment["CUDA_VISIBLE_DEVICES"] == found.uuid == gpus[1].uuid == "1"
    assert found.machine == gpus[1].machine
    assert told["niceness"] == 0  # Ray's own have 15
    assert told["ray"]
    assert not told["torch"]


def test_files_and_failure_come_back(executor: RayExecutor, gpus: list[Slot]) -> None:
    code = "import sys; open(OUT + '/results.jsonl', 'wb').write(b'x' * 200_000); sys.exit(3)"
    found = outcome(executor, order("files", code), gpus[2])
    assert found.exit_code == 3
    assert found.files["results.jsonl"] == b"x" * 200_000
    assert not found.infrastructure


def test_time_limit_holds(executor: RayExecutor, gpus: list[Slot], tmp_path: Path) -> None:
    found = outcome(executor, order("late", sleeping(tmp_path / "pids"), limit_s=1.0), gpus[0])
    assert found.exit_code is None
    assert gone(tmp_path / "pids", 0.5)


def test_what_is_timed_takes_its_machine_from_the_cluster(
    executor: RayExecutor, gpus: list[Slot], tmp_path: Path
) -> None:
    """Also from other drivers and other work of the cluster; and a stopped block gives it back."""
    code = f"""
try:
    {sleeping(tmp_path / "pids")}
except KeyboardInterrupt:
    open({str(tmp_path / "interrupted")!r}, "w").close()
"""
    executor.start(order("timed", code, exclusive=True), gpus[0])
    began(executor, "timed")
    until = time.monotonic() + 10
    while ray.available_resources()["measure"] != 1.0 and time.monotonic() < until:
        time.sleep(0.05)  # the cluster counts with some delay
    left = ray.available_resources()
    executor.start(order("beside", "print('beside')"), gpus[1])
    executor.start(order("elsewhere", "print('elsewhere')"), gpus[2])
    first = list(ends(executor, 1))
    executor.stop("timed")
    assert first == ["elsewhere"]
    assert (left["measure"], left["GPU"]) == (1.0, 2.0)
    found = ends(executor, 2)
    assert isinstance(found["timed"], Lost)
    assert isinstance(found["beside"], Finished)
    assert gone(tmp_path / "pids")
    # Ray blocks the interrupt in its own processes, and not in what they start.
    assert (tmp_path / "interrupted").exists()


def test_an_interrupt_that_was_lost_is_sent_again(
    executor: RayExecutor, gpus: list[Slot], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a busy machine, where the first comes while the worker is in Ray's own code."""
    sent: list[Any] = []
    cancel = ray.cancel

    def lossy(reports: Any) -> None:
        sent.append(reports)
        if len(sent) > 1:
            cancel(reports)

    monkeypatch.setattr("perfsuite.fleet.executors.ray.STOP_AGAIN_S", 0.2)
    monkeypatch.setattr(ray, "cancel", lossy)
    executor.start(order("stopped", sleeping(tmp_path / "pids")), gpus[0])
    began(executor, "stopped")
    executor.stop("stopped")
    assert isinstance(ends(executor, 1)["stopped"], Lost)
    assert len(sent) > 1
    assert gone(tmp_path / "pids")


def test_labels_of_the_device_class_are_held(executor: RayExecutor, gpus: list[Slot]) -> None:
    labelled = DeviceClass(name="b", kind="cuda", labels={"pool": "b"})
    assert outcome(executor, order("there", "", device=labelled), gpus[2]).exit_code == 0
    executor.start(order("not there", "", device=labelled), gpus[0])
    event = ends(executor, 1)["not there"]
    assert isinstance(event, Lost)
    assert gpus[0].machine in event.cause


def test_a_node_without_the_resource_measures_nothing(
    executor: RayExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes: list[dict[str, Any]] = [{"NodeID": "1", "Alive": True, "Resources": {"CPU": 4.0, "GPU": 1.0}}]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    monkeypatch.setattr(executor, "_seen", False)  # what has gone may come back, and is waited for
    with pytest.raises(ExecutorError, match=r"none of the 1 nodes .* --resources='\{\"measure\": 1\}'"):
        executor.slots()


def test_a_node_whose_blocks_would_give_way_measures_nothing(
    executor: RayExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Node("host", 8, 1, {}, {"machine": "host", "gpus": [], "cores": 8, "cpu": "A", "gives_way": True})
    assert found.slots() == []
    monkeypatch.setattr(executor, "_nodes", dict.fromkeys(executor._nodes, found))
    monkeypatch.setattr(executor, "_seen", False)  # what has gone may come back, and is waited for
    with pytest.raises(ExecutorError, match=r"on host, host .* RAY_worker_niceness=0"):
        executor.slots()


DRIVER = """
import sys
from orders import began, order
from perfsuite.fleet.executors import ExecutorError
from perfsuite.fleet.executors.ray import RayExecutor
import ray
ray.__version__ = sys.argv[1] or ray.__version__
try:
    executor = RayExecutor(sys.argv[2])
except ExecutorError as error:
    sys.exit(str(error))
executor.start(order("killed", sys.argv[3]), executor.slots()[0])
began(executor, "killed")
print("began", flush=True)
executor.events(60)
"""


def driver(*arguments: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(Path(__file__).parents[3] / "helpers"), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


@pytest.mark.selftest
def test_a_killed_driver_takes_its_blocks_along(cluster: LogicalCluster, tmp_path: Path) -> None:
    with driver("", cluster.address, sleeping(tmp_path / "pids")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "began\n"
        until = time.monotonic() + 10
        while not (tmp_path / "pids").exists() and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert gone(tmp_path / "pids")


def test_a_cluster_of_another_ray_is_refused(cluster: LogicalCluster) -> None:
    with driver("2.61.0", cluster.address, "") as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"the Ray cluster at {cluster.address} cannot be used" in said
    assert "2.61.0" in said


def test_a_lost_node_loses_its_blocks_alone(
    executor: RayExecutor, gpus: list[Slot], cluster: LogicalCluster, tmp_path: Path
) -> None:
    executor.start(order("lost", sleeping(tmp_path / "pids"), exclusive=True), gpus[2])
    waits = f"import os, time\nwhile not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.05)"
    executor.start(order("kept", waits, exclusive=True), gpus[0])
    seen = {event.block for event in began(executor, "lost") if isinstance(event, Began)}
    if "kept" not in seen:
        began(executor, "kept")
    cluster.lose_second()
    (tmp_path / "go").touch()
    found = ends(executor, 2)
    event = found["lost"]
    assert isinstance(event, Lost)
    assert event.machine == gpus[2].machine
    assert "NodeDiedError" in event.cause
    assert isinstance(found["kept"], Finished)
    assert {slot.machine for slot in executor.slots()} == {gpus[0].machine}
    assert gone(tmp_path / "pids")
