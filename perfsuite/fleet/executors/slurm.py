"""A Slurm cluster: each block is a job, blocks that want the same are one array of jobs.

Slurm has a queue of its own and finds the machines, so the slots here are places in that queue. What is timed
asks for a whole node. Blocks are supervised as everywhere; what they leave, and how they ended, comes back by
a folder that all nodes share.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from perfsuite.fleet.executors import jobs, machine
from perfsuite.fleet.executors.interface import Began, ExecutorError, Finished, Lost, Refused
from perfsuite.records import Slot
from perfsuite.store.files import held, make_folder, write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from perfsuite.fleet.executors.interface import Event, Order, Outcome

FOLDER = Path(".perfsuite/slurm")
"""Below the folder that the driver runs in, which all nodes must see under the same path."""
PLACES = 64
"""Blocks of each kind of device that are handed to Slurm at once."""
SPARE_S = 900.0
"""Of a job beyond all that its supervisor may wait for: for what a block has to write at its end."""
LOOK_S = 0.5
SLOW_S = 60.0
"""In which a shared file system shows what another machine has written."""


@dataclass
class _Running:
    order: Order
    slot: Slot
    folder: Path
    job: Any = None
    """Slurm's, once it is submitted."""
    node: str = ""
    """Where it has begun."""
    over_s: float | None = None
    """When Slurm first said that it has ended, though its answer is not there."""


class SlurmExecutor:
    """Hands blocks to Slurm's queue by submitit."""

    knows_machines = False

    def __init__(self, folder: Path = FOLDER, places: int = PLACES) -> None:
        """Ends what a driver that has died left in the queue; what its blocks have written stays for `left`.
        Raises `ExecutorError`, `StoreError`."""
        self._submitit = _imported()
        self._slots = tuple(
            Slot(id=f"slurm/{kind}-{n}", machine=f"slurm/{kind}-{n}", kind=kind, model="")
            for kind in ("cuda", "cpu")
            for n in range(places)
        )
        self._folder = folder.absolute() / uuid4().hex[:12]
        for other in folder.absolute().glob("*/"):
            _end_orphans(other)
        self._ended_s = time.monotonic() + jobs.GRACE_S + SLOW_S
        """When all of it has ended, and can be seen here."""
        self._lock = held(self._folder / "driver")
        self._script = self._folder / "supervisor.py"
        write_atomic(self._script, jobs.script().encode())
        self._running: dict[str, _Running] = {}
        self._ahead: list[Event] = []
        self._due_s: dict[str, float] = {}
        """By ticket, when what was stopped has ended, and can be seen here."""
        self._told: list[Path] = []
        """Folders of attempts whose ends were told."""

    def slots(self) -> Sequence[Slot]:
        """Places in the queue; no class of devices is told from another before a block has run."""
        return self._slots

    def start(self, order: Order, slot: Slot) -> None:
        """Put it among those that are submitted together with the next look at events. Raises
        `ExecutorError`."""
        if order.block in self._running:
            raise ExecutorError(f"block {order.block} runs already")
        job = jobs.job(order, slot, chosen=True) | {"leases": machine.leases_folder(), "cores": 0}
        folder = self._folder / job["ticket"]
        make_folder(folder)
        job["folder"] = str(folder)
        write_atomic(folder / "job.json", json.dumps(job).encode())
        self._running[order.block] = _Running(order, slot, folder)

    def events(self, timeout_s: float) -> Sequence[Event]:
        """What happened since the last call; waits for something so long."""
        for folder in self._told:
            shutil.rmtree(folder, ignore_errors=True)
        self._told.clear()
        self._submit()
        until = time.monotonic() + timeout_s
        while True:
            found, self._ahead = self._ahead, []
            found += [event for running in tuple(self._running.values()) for event in self._look(running)]
            left = until - time.monotonic()
            if found or left <= 0 or not self._running:
                return found
            time.sleep(min(LOOK_S, left))

    def stop(self, block: str) -> None:
        """Take it out of Slurm's hands. One that runs may write what it has, and says how it ended."""
        running = self._running.get(block)
        if running is None:
            return
        if running.job is not None and _read(running.folder / "began.json") is not None:
            running.job.cancel(check=False)
            self._due_s[running.folder.name] = time.monotonic() + jobs.GRACE_S + SLOW_S
            return
        del self._running[block]
        self._ahead.append(_lost(running, "cancelled"))
        _cancel(running)

    @contextmanager
    def left(self, ticket: str, at: str) -> Iterator[Outcome | None]:
        """What is in the attempt's folder, whichever driver in this folder has made it."""
        folder = next(self._folder.parent.glob(f"*/{ticket}"), None)
        if folder is None or _read(folder / "began.json") is None:
            yield None
            return
        # Of its own it has heard for long enough, but for what it has just stopped.
        until_s = self._due_s.get(ticket, 0.0) if folder.parent == self._folder else self._ended_s
        while _read(folder / "ended.json") is None and time.monotonic() < until_s:
            time.sleep(LOOK_S)
        node = str(_read(folder / "began.json"))
        yield jobs.outcome(machine.told(folder), node)
        shutil.rmtree(folder, ignore_errors=True)
        _end_orphans(folder.parent)

    def discard(self, ticket: str, at: str) -> None:
        """The attempt's folder, whichever driver in this folder has made it."""
        for folder in self._folder.parent.glob(f"*/{ticket}"):
            shutil.rmtree(folder, ignore_errors=True)
            _end_orphans(folder.parent)

    def close(self) -> None:
        """Cancel what is left."""
        for running in self._running.values():
            _cancel(running)
        self._running.clear()
        if self._lock is not None:
            self._lock.release()
        _end_orphans(self._folder)

    def _submit(self) -> None:
        """All that wait, those that want the same as one array."""
        groups = defaultdict(list)
        for running in self._running.values():
            if running.job is None:
                groups[json.dumps(_wanted(running.order), sort_keys=True)].append(running)
        for wanted, group in groups.items():
            try:
                submitted = self._submitted(json.loads(wanted), group)
            except (ValueError, TypeError, RuntimeError, OSError) as error:
                for running in group:
                    self._forget(running)
                    self._ahead.append(_refused(running.order, error))
                continue
            for running, job in zip(group, submitted, strict=True):
                running.job = job
                write_atomic(running.folder / "slurm-id", str(job.job_id).encode())

    def _submitted(self, wanted: dict[str, Any], group: list[_Running]) -> list[Any]:
        executor = self._submitit.SlurmExecutor(folder=self._folder / "submitit", max_num_timeout=0)
        executor.update_parameters(**wanted)
        commands = [
            self._submitit.helpers.CommandFunction(
                [sys.executable, "-I", str(self._script), str(running.folder / "job.json")], verbose=False
            )
            for running in group
        ]
        found: list[Any] = executor.submit_array(commands)
        return found

    def _look(self, running: _Running) -> list[Event]:
        order = running.order
        found: list[Event] = []
        told = _read(running.folder / "began.json")
        if told is not None and not running.node:
            running.node = str(told)
            found.append(Began(block=order.block, attempt=order.attempt, machine=running.node))
        ended = _read(running.folder / "ended.json")
        if ended is not None:
            # Here the machine's own name is the one that counts.
            outcome = jobs.outcome(machine.told(running.folder), ended["machine"])
            self._forget(running)
            return [*found, Finished(block=order.block, attempt=order.attempt, outcome=outcome)]
        if running.job is not None and self._is_lost(running):
            self._forget(running)
            return [*found, _lost(running, f"Slurm says {running.job.state} of job {running.job.job_id}")]
        return found

    def _is_lost(self, running: _Running) -> bool:
        """Whether Slurm has had no job of it for longer than a file needs to be seen."""
        if not running.job.done():
            return False
        running.over_s = running.over_s or time.monotonic()
        return time.monotonic() - running.over_s > SLOW_S

    def _forget(self, running: _Running) -> None:
        del self._running[running.order.block]
        self._told.append(running.folder)


def parameters(order: Order) -> dict[str, Any]:
    """Of a job, as submitit names them; those of the device class come last."""
    wanted: dict[str, Any] = {
        "job_name": "perfsuite",
        "nodes": 1,
        "ntasks_per_node": 1,
        "time": math.ceil(_longest_s(order) / 60),
        # Not Slurm but the driver tries again, and writes it down.
        "additional_parameters": {"no-requeue": True},
        # A step of its own might get one core.
        "use_srun": False,
    }
    if order.exclusive:
        wanted["exclusive"] = True
    if order.avoid:
        wanted["exclude"] = ",".join(order.avoid)
    if order.device.kind == "cuda" and not {"gres", "gpus_per_node", "gpus_per_task"} & set(
        order.device.slurm
    ):
        wanted["gpus_per_node"] = 1
    return {**wanted, **order.device.slurm}


def _longest_s(order: Order) -> float:
    """After which a job has ended: it may wait for the machine's lease, then make environments, then run."""
    made = sum(each.python is None for each in order.environments)
    return jobs.LEASE_LIMIT_S + made * jobs.MAKING_LIMIT_S + order.limit_s + SPARE_S


def _wanted(order: Order) -> dict[str, Any]:
    """As `parameters`, without machines that Slurm does not know: it refuses their names, and those of
    another engine's sitting may be such."""
    avoid = tuple(sorted(_nodes().intersection(order.avoid))) if order.avoid else ()
    return parameters(replace(order, avoid=avoid))


def _nodes() -> set[str]:
    """Names of the cluster's."""
    asked = ["sinfo", "--noheader", "--Node", "--format=%N"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return set()
    return set(done.stdout.split())


def _imported() -> Any:
    try:
        import submitit
    except ImportError as error:
        raise ExecutorError("submitit is not installed here; pip install 'perfsuite[slurm]'") from error
    missing = [name for name in ("sbatch", "srun", "sacct", "scancel", "sinfo") if shutil.which(name) is None]
    if missing:
        raise ExecutorError(
            f"{', '.join(missing)}: no such command here; run this on a machine that submits to Slurm"
        )
    return submitit


def _read(path: Path) -> Any:
    """What the supervisor answered; None before it did."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None


def _lost(running: _Running, cause: str) -> Lost:
    order = running.order
    return Lost(block=order.block, attempt=order.attempt, machine=running.node, cause=cause)


def _refused(order: Order, error: Exception) -> Refused:
    said = " ".join(str(error).split())[:500]
    # What sbatch says is a RuntimeError of submitit's, and may be of this minute: a limit, or no answer.
    return Refused(
        block=order.block, attempt=order.attempt, final=isinstance(error, ValueError | TypeError),
        cause=f"Slurm takes no job for device class {order.device.name}: {said}",
    )  # fmt: skip


def _cancel(running: _Running) -> None:
    if running.job is not None:
        running.job.cancel(check=False)
    # What Slurm has not begun finds no job any more.
    if _read(running.folder / "began.json") is None:
        shutil.rmtree(running.folder, ignore_errors=True)


def _end_orphans(folder: Path) -> None:
    """Cancel the jobs of a driver that has died: they would run beside those that take their place.

    What a block that had begun left is for the driver that goes on with its plan, and may be another's.
    """
    lock = held(folder / "driver")
    if lock is None:
        return
    submitted = list(folder.glob("*/slurm-id"))
    if submitted:
        subprocess.run(["scancel", *(file.read_text() for file in submitted)], check=False, timeout=60)
    for file in submitted:
        file.unlink()
    begun = [file.parent for file in folder.glob("*/began.json")]
    for attempt in {file.parent for file in folder.glob("*/job.json")}.difference(begun):
        shutil.rmtree(attempt, ignore_errors=True)
    if not begun:
        shutil.rmtree(folder, ignore_errors=True)
    lock.release()
