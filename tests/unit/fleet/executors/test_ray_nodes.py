"""Which nodes of a Ray cluster are there, and where blocks go: Ray itself is a stand-in."""

from types import SimpleNamespace
from typing import Any

import pytest
from orders import order

from perfsuite.fleet.executors import ray as module
from perfsuite.fleet.executors.ray import RayExecutor

ray = pytest.importorskip("ray")
OLD, NEW = "a" * 56, "b" * 56


class Cluster:
    """What of Ray the engine asks: its tasks are done at once, and kept."""

    exceptions = ray.exceptions
    cloudpickle = SimpleNamespace(register_pickle_by_value=lambda module: None)

    def __init__(self) -> None:
        self.alive: dict[str, str] = {}
        """Hosts by the ids of their nodes."""
        self.started: list[str] = []
        """Ids of nodes to which blocks were sent."""

    def nodes(self) -> list[dict[str, Any]]:
        resources = {"CPU": 4.0, "GPU": 0.0, "measure": 1.0}
        return [{"NodeID": i, "Alive": True, "Resources": resources, "Labels": {}} for i in self.alive]

    def remote(self, **options: Any) -> Any:
        probes = options.get("num_cpus") == 0

        def task(scheduling_strategy: Any, **options: Any) -> Any:
            def begin(*arguments: Any) -> str:
                if not probes:
                    self.started.append(scheduling_strategy.node_id)
                return str(scheduling_strategy.node_id)

            return SimpleNamespace(remote=begin)

        return lambda function: SimpleNamespace(options=task)

    def wait(self, references: list[str], **options: Any) -> tuple[list[str], list[str]]:
        return references, []

    def get(self, node: str) -> dict[str, Any]:
        return {"machine": self.alive[node], "gpus": [], "cores": 4, "gives_way": False, "cpu": "Some CPU"}

    def shutdown(self) -> None:
        self.alive.clear()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    monkeypatch.setattr(module, "_connected", lambda address: made)
    return made


def test_a_host_that_comes_back_gets_blocks(cluster: Cluster) -> None:
    """Under its old name, but at its new node: Ray would wait for the old one for ever."""
    cluster.alive = {OLD: "host"}
    executor = RayExecutor()
    executor.start(order("one", ""), executor.slots()[0])
    cluster.alive = {NEW: "host"}
    (slot,) = executor.slots()
    assert slot.machine == "host"
    executor.start(order("two", ""), slot)
    assert cluster.started == [OLD, NEW]


def test_a_node_that_goes_before_it_has_answered_is_none(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.alive = {OLD: "host", NEW: "other"}
    executor = RayExecutor()
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "wait", lambda references, **options: ([], references))
        assert executor.slots() == []
    cluster.alive = {NEW: "other"}
    assert [slot.machine for slot in executor.slots()] == ["other"]
