"""A Ray cluster: one task a block, which starts the supervisor there and does nothing else.

Ray places and counts; what runs is a process of the block's own interpreter. Its worker is given this
project's code by value, so that the cluster needs Ray alone, and tries nothing again: that is the driver's
business, which writes each attempt down.
"""

from __future__ import annotations

import math
import os
import socket
import sys
import time
from collections import Counter, defaultdict
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfsuite.device.fingerprint import cpu_name
from perfsuite.fleet.executors import jobs, machine
from perfsuite.fleet.executors.gpus import gpus
from perfsuite.fleet.executors.interface import Began, ExecutorError, Finished, Lost
from perfsuite.records import Slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from perfsuite.fleet.executors.interface import Event, Order, Outcome

OLDEST = (2, 60)
MEASURE = "measure"
"""Resource of 1 a machine: what is timed takes all of it, what shares a machine a hundredth."""
SHARE = 0.01
CONNECT_S = 10.0
PROBE_S = 60.0
"""For a node to start its first worker."""
CLOSE_S = 30.0
STOP_AGAIN_S = 5.0


@dataclass(frozen=True)
class _Running:
    order: Order
    slot: Slot
    node: str
    """Ray's id of it."""
    reports: Any
    """Ray's generator of references to them."""
    ticket: str
    discards: list[str]
    """Tickets of others, of what its task removes before it begins; empty once it has."""


@dataclass(frozen=True)
class Node:
    """One of the cluster, by its own answer."""

    name: str
    cpus: float
    gpus: int
    labels: Mapping[str, str]
    facts: Mapping[str, Any]

    @property
    def mixed(self) -> bool:
        """Whether its GPUs are of several models: Ray would give any of them."""
        return len({name for _, _, name in self.facts["gpus"]}) > 1

    def slots(self) -> list[Slot]:
        """One of each GPU that Ray has there, and one of the CPU; none where a block would give way."""
        if self.facts["gives_way"]:
            return []
        cores = max(1, min(int(self.cpus), self.facts["cores"]))
        share = max(1, cores // max(1, self.gpus))
        known = self.facts["gpus"][: self.gpus]
        # What Ray counts and the driver does not know is pretended; it goes by its number.
        pretended = [(str(n), str(n), "") for n in range(len(known), self.gpus)]
        found = [
            self._slot(f"{self.name}/gpu-{number}", "cuda", name, uuid, share)
            for number, uuid, name in (*known, *pretended)
        ]
        cpu = self._slot(f"{self.name}/cpu", "cpu", self.facts["cpu"], "cpu", cores)
        return [*found, cpu] if self.cpus >= 1 else []

    def _slot(self, name: str, kind: str, model: str, uuid: str, cores: int) -> Slot:
        labels = dict(self.labels)
        return Slot(id=name, machine=self.name, kind=kind, model=model, uuid=uuid, cores=cores, labels=labels)


class RayExecutor:
    """Connects to a cluster that is there; `close` leaves it running."""

    knows_machines = True

    def __init__(self, address: str = "auto") -> None:
        """`address`: ``HOST:PORT`` of its head, or ``auto`` for this machine's. Raises `ExecutorError`."""
        self._ray = _connected(address)
        for module in (machine.__name__, gpus.__module__, cpu_name.__module__):
            self._ray.cloudpickle.register_pickle_by_value(sys.modules[module])
        self._attend = self._ray.remote(max_calls=1, max_retries=0)(machine.attended)
        self._probe = self._ray.remote(num_cpus=0, max_retries=3)(_facts)
        self._remains = self._ray.remote(num_cpus=0, max_retries=3)(machine.remains)
        self._discard = self._ray.remote(num_cpus=0, max_retries=0)(machine.discard)
        self._nodes: dict[str, Node] = {}
        self._probes: dict[str, Any] = {}
        self._names: dict[str, str] = {}
        self._running: dict[str, _Running] = {}
        self._dead: set[str] = set()
        self._stopping: set[str] = set()
        self._told: list[tuple[str, str]] = []
        """Nodes and tickets of attempts whose ends were told."""
        self._heard: defaultdict[str, list[str]] = defaultdict(list)
        """By node, those that the driver has written down: the next block there removes what they left, for a
        task of its own would disturb what is timed."""
        self._seen = False
        """Whether there was ever a place."""

    def slots(self) -> Sequence[Slot]:
        """Those of nodes that have answered, and have the resource `MEASURE` and a usual priority.

        Raises `ExecutorError` where there never was one: what has gone may come back.
        """
        # In the order of their ids, by which two nodes of one host keep their names.
        nodes = sorted(self._ray.nodes(), key=lambda node: str(node["NodeID"]))
        alive = {node["NodeID"]: node for node in nodes if self._alive(node)}
        usable = {i: node for i, node in alive.items() if node["Resources"].get(MEASURE, 0) >= 1}
        if not usable and not self._seen:
            raise ExecutorError(
                f"none of the {len(alive)} nodes of the Ray cluster has the resource {MEASURE!r}; start each "
                f"that measures with --resources='{{\"{MEASURE}\": 1}}'"
            )
        self._ask(usable, frozenset(alive))
        answered = [self._nodes[i] for i in usable if i in self._nodes]
        if answered and not self._seen and all(node.facts["gives_way"] for node in answered):
            names = ", ".join(node.name for node in answered)
            raise ExecutorError(
                f"Ray's workers on {names} have a low priority, by which times would depend on whatever else "
                "runs there, and may not leave it; start Ray there with RAY_worker_niceness=0"
            )
        found = [slot for node in answered for slot in node.slots()]
        self._seen = self._seen or bool(found)
        return found

    def start(self, order: Order, slot: Slot) -> None:
        """Submit it; it begins when Ray has what it takes. Raises `ExecutorError`."""
        if order.block in self._running:
            raise ExecutorError(f"block {order.block} runs already")
        there = self._called(slot.machine)
        if there is None:
            raise ExecutorError(f"{slot.machine}: no node of the Ray cluster is called so")
        options = self._attend.options(
            name=f"perfsuite {order.block}",
            num_cpus=slot.cores,
            num_gpus=self._gpus(order, slot, self._nodes[there]),
            resources={MEASURE: 1 if order.exclusive else SHARE},
            label_selector=dict(order.device.labels) or None,
            scheduling_strategy=_only(there),
        )
        job = jobs.job(order, slot, chosen=True) | {"heard": self._heard[there]}
        reports = options.remote(job, jobs.script())
        discards = self._heard.pop(there)
        self._running[order.block] = _Running(order, slot, there, reports, job["ticket"], discards)

    def events(self, timeout_s: float) -> Sequence[Event]:
        """What happened since the last call; waits for something so long."""
        self._hear()
        return self._collected(timeout_s)

    def _collected(self, timeout_s: float) -> Sequence[Event]:
        """As `events`, though nobody has written down what was told last."""
        waiting = {running.reports: running for running in self._running.values()}
        if not waiting:
            return []
        until = time.monotonic() + timeout_s
        ready, _ = self._ray.wait(list(waiting), timeout=min(timeout_s, self._patience_s()))
        while not ready and (left_s := until - time.monotonic()) > 0:
            for block in self._stopping & self._running.keys():
                self.stop(block)
            ready, _ = self._ray.wait(list(waiting), timeout=min(left_s, self._patience_s()))
        if ready:
            ready, _ = self._ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
        return [self._event(waiting[reports]) for reports in ready]

    def stop(self, block: str) -> None:
        """End its processes, or take it out of Ray's queue.

        An interrupt that comes while the worker is in Ray's own code is lost, as seen on a busy machine; so
        it is sent again until the block has ended.
        """
        if block in self._running:
            self._stopping.add(block)
            self._ray.cancel(self._running[block].reports)

    def _patience_s(self) -> float:
        return STOP_AGAIN_S if self._stopping & self._running.keys() else math.inf

    @contextmanager
    def left(self, ticket: str, at: str) -> Iterator[Outcome | None]:
        """What is in the attempt's folder on its node; nothing of a node that has gone can be known."""
        if not self._nodes:
            self.slots()
        there, found = self._called(at), None
        if there is not None:
            asked = self._remains.options(scheduling_strategy=_only(there)).remote(ticket)
            with suppress(self._ray.exceptions.RayError):
                found = self._ray.get(asked, timeout=machine.ENDING_S + PROBE_S)
        yield None if found is None else jobs.outcome(found, at)
        if there is not None and found is not None:
            self._heard[there].append(ticket)

    def discard(self, ticket: str, at: str) -> None:
        """The next block at its node removes it."""
        if not self._nodes:
            self.slots()
        there = self._called(at)
        if there is not None:
            self._heard[there].append(ticket)

    def _called(self, name: str) -> str | None:
        """The node of that name, by Ray's id of it; None where there is none any more."""
        found = (i for i, node in self._nodes.items() if node.name == name and i not in self._dead)
        return next(found, None)

    def _hear(self) -> None:
        """What was told last has been written down."""
        for node, ticket in self._told:
            self._heard[node].append(ticket)
        self._told.clear()

    def close(self) -> None:
        """End what still runs, and leave the cluster; what was told last may not have been written down."""
        for block in self._running:
            self.stop(block)
        until = time.monotonic() + CLOSE_S
        while self._running and time.monotonic() < until:
            self._collected(1.0)
        for running in self._running.values():
            self._heard[running.node] += running.discards
        rest = [
            self._discard.options(scheduling_strategy=_only(node)).remote(tickets)
            for node, tickets in self._heard.items()
            if tickets and node in self._nodes and node not in self._dead
        ]
        if rest:
            self._ray.wait(rest, num_returns=len(rest), timeout=CLOSE_S)
        # Closed once more it has nothing to ask for: Ray would start a cluster of its own for that.
        self._heard.clear()
        self._running.clear()
        self._ray.shutdown()

    def _alive(self, node: Mapping[str, Any]) -> bool:
        """A task tells sooner than the cluster's own list that its node has gone."""
        return bool(node["Alive"]) and node["NodeID"] not in self._dead

    @staticmethod
    def _gpus(order: Order, slot: Slot, node: Node) -> int:
        """All of the machine for what is timed, so that no other work of the cluster comes beside it, and the
        one that is wanted is among them: Ray would give the first each time."""
        if slot.kind != "cuda":
            return 0
        return node.gpus if order.exclusive or node.mixed else 1

    def _ask(self, usable: Mapping[str, Any], alive: frozenset[str]) -> None:
        """Forget nodes that have gone, and ask new ones what they are; wait for the first ones only."""
        # A host that comes back has its old name, at a new node.
        for known in (self._nodes, self._probes):
            for i in known.keys() - usable.keys():
                del known[i]
        for i in usable:
            if i not in self._nodes and i not in self._probes:
                self._probes[i] = self._probe.options(scheduling_strategy=_only(i)).remote(
                    machine.facts, cpu_name
                )
        if self._probes:
            limit = 0 if self._nodes else PROBE_S
            self._ray.wait(list(self._probes.values()), num_returns=len(self._probes), timeout=limit)
        for i, probe in tuple(self._probes.items()):
            if self._ray.wait([probe], timeout=0)[0]:
                del self._probes[i]
                # A node that has gone meanwhile is none; one that fails otherwise is asked again.
                with suppress(self._ray.exceptions.RayError):
                    self._nodes[i] = self._node(i, usable[i], self._ray.get(probe), alive)

    def _node(self, i: str, node: Mapping[str, Any], facts: Mapping[str, Any], alive: frozenset[str]) -> Node:
        """By its host's name; a second one of a host that is there at the same time has a number."""
        taken = Counter(self._names[other] for other in self._names if other in alive)
        name, number = facts["machine"], 1
        while taken[name]:
            number += 1
            name = f"{facts['machine']}-{number}"
        self._names[i] = name
        resources = node["Resources"]
        return Node(name, resources.get("CPU", 0), int(resources.get("GPU", 0)), node["Labels"], facts)

    def _event(self, running: _Running) -> Event:
        order, slot = running.order, running.slot
        try:
            report = self._ray.get(next(running.reports))
        except StopIteration:
            report = {"lost": f"the Ray task ended on {slot.machine} without a word"}
        except (self._ray.exceptions.RayError, OSError) as error:
            report = {"lost": _said(error, slot)}
            if isinstance(error, self._ray.exceptions.NodeDiedError):
                self._dead.add(running.node)
        if "lost" not in report:
            running.discards.clear()
        if "began" in report:
            return Began(block=order.block, attempt=order.attempt, machine=slot.machine)
        # A task that has gone before it began has removed nothing.
        self._heard[running.node] += running.discards
        del self._running[order.block]
        self._stopping.discard(order.block)
        self._told.append((running.node, running.ticket))
        if "lost" in report:
            return Lost(block=order.block, attempt=order.attempt, machine=slot.machine, cause=report["lost"])
        outcome = jobs.outcome(report["ended"], slot.machine)
        return Finished(block=order.block, attempt=order.attempt, outcome=outcome)


def _only(node: str) -> Any:
    """At this node, by its id, and at no other."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=False)


def _facts(ask: Any, name: Any) -> dict[str, Any]:
    """What a node tells of itself; its arguments travel by value."""
    return {**ask(), "cpu": name()}


def _said(error: Exception, slot: Slot) -> str:
    """One line of what Ray says of a task's end."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{slot.machine}: {type(cause).__name__}: {lines[0][:300] if lines else 'it says nothing more'}"


def _connected(address: str) -> Any:
    """Ray, once this process is a driver of the cluster."""
    # Else a port at which something other than Ray answers is complained of once a second.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "error")
    try:
        import ray
    except ImportError as error:
        raise ExecutorError("Ray is not installed here; pip install 'perfsuite[ray]'") from error
    version = tuple(int(part) for part in ray.__version__.split(".")[:2])
    if version < OLDEST:
        raise ExecutorError(
            f"Ray {ray.__version__} is too old: 2.60 or newer; pip install -U 'perfsuite[ray]'"
        )
    _check_reachable(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except ConnectionError as error:
        # What Ray says where none is found names options that are not ours.
        where = "on this machine" if address == "auto" else f"at {address}: {str(error).splitlines()[0]}"
        raise ExecutorError(
            f"no Ray cluster {where}; start one with ray start --head "
            f"--resources='{{\"{MEASURE}\": 1}}', or name its head as ray=HOST:6379"
        ) from error
    except RuntimeError as error:
        said = " ".join(str(error).split())
        raise ExecutorError(f"the Ray cluster at {address} cannot be used: {said}") from error
    return ray


def _check_reachable(address: str) -> None:
    """Ray itself waits for a minute, and then ends the process."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        raise ExecutorError(
            f"ray={address}: name the cluster's head as HOST:PORT, such as ray=10.0.0.1:6379, and run this "
            "on a machine of the cluster; Ray's client (ray://) is not enough"
        )
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
    except OSError as error:
        raise ExecutorError(
            f"no Ray cluster at {address} ({error.strerror or error}); is its head up, and the port right?"
        ) from error
