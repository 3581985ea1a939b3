"""Which nodes of a Ray cluster are there, and where blocks go: Ray itself is a stand-in."""

from types import SimpleNamespace
from typing import Any

import pytest
from orders import order

from perfsuite.fleet.executors import ExecutorError, machine
from perfsuite.fleet.executors import ray as module
from perfsuite.fleet.executors.ray import RayExecutor

ray = pytest.importorskip("ray")
OLD, NEW = "a" * 56, "b" * 56


class Cluster:
    """What of Ray the engine asks: its tasks are done at once, and kept."""

    exceptions = ray.exceptions
    cloudpickle = SimpleNamespace(register_pickle_by_value=lambda module: None)

    def __init__(self) -> None:
        self.is_up = True
        self.alive: dict[str, str] = {}
        """Hosts by the ids of their nodes."""
        self.started: list[str] = []
        """Ids of nodes to which blocks were sent."""
        self.told: list[dict[str, Any]] = []
        """What the block of all says next; then its task has gone."""
        self.heard: list[list[str]] = []
        """Tickets that each block's task was to discard."""
        self.discarded: list[str] = []
        """Tickets that a task of their own was."""

    def nodes(self) -> list[dict[str, Any]]:
        resources = {"CPU": 4.0, "GPU": 0.0, "measure": 1.0}
        return [{"NodeID": i, "Alive": True, "Resources": resources, "Labels": {}} for i in self.alive]

    def remote(self, **options: Any) -> Any:
        return lambda function: self.task_of(function, options.get("num_cpus") == 0)

    def task_of(self, function: Any, probes: bool) -> Any:
        def task(scheduling_strategy: Any, **options: Any) -> Any:
            def begin(*arguments: Any) -> Any:
                if function is machine.discard:
                    self.discarded += arguments[0]
                if not probes:
                    self.started.append(scheduling_strategy.node_id)
                    self.heard.append(list(arguments[0]["heard"]))
                    return iter(self.told)
                return str(scheduling_strategy.node_id)

            return SimpleNamespace(remote=begin)

        return SimpleNamespace(options=task)

    def wait(self, references: list[Any], **options: Any) -> tuple[list[Any], list[Any]]:
        assert self.is_up
        return references, []

    def cancel(self, reports: Any) -> None:
        assert self.is_up

    def get(self, node: Any) -> dict[str, Any]:
        if isinstance(node, dict):  # a report
            return node
        return {"machine": self.alive[node], "gpus": [], "cores": 4, "gives_way": False, "cpu": "Some CPU"}

    def shutdown(self) -> None:
        self.is_up = False
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


def test_that_the_last_node_goes_is_no_error(cluster: Cluster) -> None:
    """It may come back; that there never was one is."""
    executor = RayExecutor()
    with pytest.raises(ExecutorError, match="none of the 0 nodes of the Ray cluster"):
        executor.slots()
    cluster.alive = {OLD: "host"}
    assert len(executor.slots()) == 1
    cluster.alive = {}
    assert executor.slots() == []


ENDED = {
    "machine": "host", "exit_code": 0, "seconds": 1.0, "said": "", "clock": "", "free_bytes": 1, "files": {}
}  # fmt: skip


def one_block(executor: RayExecutor, name: str, *, hear: bool = True) -> None:
    """Begun and ended, and written down if so."""
    executor.start(order(name, "", ticket=name), executor.slots()[0])
    while name in executor._running:
        executor.events(0.0)
    if hear:
        executor.events(0.0)


def test_what_was_told_is_kept_until_it_is_written_down(cluster: Cluster) -> None:
    """As after two interrupts, and where the ledger's disk is full: the next driver looks for it."""
    cluster.alive = {OLD: "host"}
    executor = RayExecutor()
    cluster.told = [{"began": "host"}, {"ended": ENDED}]
    one_block(executor, "one")
    one_block(executor, "two", hear=False)
    executor.start(order("three", "", ticket="three"), executor.slots()[0])
    executor.close()
    assert cluster.heard == [[], ["one"], []]
    assert cluster.discarded == []


def test_close_discards_what_was_written_down(cluster: Cluster) -> None:
    cluster.alive = {OLD: "host"}
    executor = RayExecutor()
    cluster.told = [{"began": "host"}, {"ended": ENDED}]
    one_block(executor, "one")
    executor.discard("of a driver before", "host")
    executor.discard("elsewhere", "gone")
    executor.close()
    assert cluster.discarded == ["one", "of a driver before"]


def test_what_a_task_did_not_come_to_discard_goes_with_the_next(cluster: Cluster) -> None:
    """It was taken out of the queue, or its worker died before it began."""
    cluster.alive = {OLD: "host"}
    executor = RayExecutor()
    cluster.told = [{"began": "host"}, {"ended": ENDED}]
    one_block(executor, "one")
    cluster.told = []
    one_block(executor, "two")
    one_block(executor, "three")
    executor.close()
    assert cluster.heard == [[], ["one"], ["one", "two"]]
    assert sorted(cluster.discarded) == ["one", "three", "two"]


def test_closed_twice_it_asks_for_nothing(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray would start a cluster of its own: also where a block has not ended in time."""
    monkeypatch.setattr(module, "CLOSE_S", 0.0)
    cluster.alive = {OLD: "host"}
    executor = RayExecutor()
    executor.start(order("one", ""), executor.slots()[0])
    executor.close()
    executor.close()
    assert not cluster.is_up
