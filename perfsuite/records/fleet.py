"""One plan over many machines: what is to run where, what ran, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from annotated_types import Ge, Gt, MinLen

from perfsuite.records.units import Bytes


class Work(StrEnum):
    """What a block does."""

    DOCTOR = "doctor"
    """Is the machine fit to measure; the first block of each machine, made by the driver, not by a plan."""
    COMPILE = "compile"
    """Code for the latency blocks of one environment, workload and device class, ahead of their time."""
    LATENCY = "latency"
    """Rungs of one workload beside their float32 twin, memory and start included."""
    AB = "ab"
    """Two environments, base and head, in turns."""
    STRUCTURE = "structure"
    COUNTS = "counts"
    QUALITY = "quality"

    @property
    def exclusive(self) -> bool:
        """Whether nothing else may run on the machine meanwhile: all that is timed."""
        return self in (Work.LATENCY, Work.AB)


@dataclass(frozen=True, kw_only=True)
class DeviceClass:
    """Devices that a plan takes for equal."""

    name: str
    kind: str
    """``cpu`` or ``cuda``."""
    model: str = "*"
    """Shell pattern of `Device.name`, such as ``NVIDIA H100*``."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Which a Ray node must have."""
    slurm: Mapping[str, str | int] = field(default_factory=dict)
    """Options of a Slurm job, such as ``partition`` and ``gres``, as submitit names them."""


@dataclass(frozen=True, kw_only=True)
class PlannedEnvironment:
    """An interpreter that every machine of the plan has, or exact versions to make one of."""

    name: str
    python: str | None = None
    """Path of an interpreter; None where it is made of `packages`."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Package to exact version."""
    lock: str = ""
    """Hash of what is installed: of the packages named, or of what the interpreter has where it was asked."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One square of the matrix: what is known once and never measured twice."""

    key: str
    """Hash of work, variant, workload, weights, the environments' locks, perfsuite's version, device class
    and repeat."""
    variant: str
    repeat: Annotated[int, Ge(0)]


@dataclass(frozen=True, kw_only=True)
class Block:
    """What runs on one machine in one go, since its parts are compared with each other."""

    id: str
    """Hash of its cells' keys."""
    work: Work
    workload: str
    environments: Annotated[tuple[str, ...], MinLen(1)]
    """One; base and head of an A/B."""
    device: str
    """Name of its class."""
    cells: Annotated[tuple[Cell, ...], MinLen(1)]
    needs: tuple[str, ...] = ()
    """Ids of blocks whose end it waits for: its compilation. A failed one does not stop it."""
    limit_s: Annotated[float, Gt(0)] = 3600.0
    """After which all its processes are ended."""
    twin: str = ""
    """Variant that runs first to be compared with, and is no cell of this block; empty where one of its
    cells is that, or nothing is timed."""

    @property
    def variants(self) -> tuple[str, ...]:
        """In order, each once."""
        return tuple(dict.fromkeys(cell.variant for cell in self.cells))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All blocks, in the order in which they are offered to machines."""

    id: str
    """Hash of the rest."""
    name: str
    perfsuite: str
    """Version that made it; no other runs it."""
    seed: int
    tests: str
    """Folder with the suite's tests on every machine; empty for those that the package brings."""
    environments: Mapping[str, PlannedEnvironment]
    devices: Mapping[str, DeviceClass]
    blocks: Annotated[tuple[Block, ...], MinLen(1)]
    weights: str = "auto"
    baselines: str = ""
    """Folder that blocks are judged against, on every machine; empty for none: all is NEW."""
    compile_cache: str = ""
    """Folder of compiled code that all machines share; empty where each block compiles for itself."""
    plugins: tuple[str, ...] = ()
    """Files that register what is not the suite's own, on every machine."""
    options: tuple[str, ...] = ()
    """Further ones of pytest, for all blocks but A/Bs."""
    ab_options: tuple[str, ...] = ()
    """Further ones of ``perfsuite ab``."""
    shard: str = ""
    """``2/4`` where it is one part of a plan, ``1, 3 of 4`` where it is several joined; empty else."""
    whole: str = ""
    """Of a part: hash of the matrix and of how it is parted, the same on every machine; empty else."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A place for one block at a time: a device of a machine."""

    id: str
    machine: str
    """Host name, or what the engine calls the node."""
    kind: str
    model: str
    """As `Device.name`; empty where the engine does not tell."""
    uuid: str = ""
    """Of the GPU, or ``cpu``; given to the child, which sees no other."""
    cores: Annotated[int, Ge(1)] = 1
    """The device's share of the machine."""
    labels: Mapping[str, str] = field(default_factory=dict)


class Ending(StrEnum):
    """How an attempt ended."""

    PASSED = "passed"
    FAILED = "failed"
    """Its verdicts are bad; like one that passed it is never tried again."""
    ERROR = "error"
    """It ran and could not do its work: usage, an exception, a crash of its own."""
    TIMEOUT = "timeout"
    LOST = "lost"
    """The machine, the worker or the device, not the block: tried again elsewhere."""
    STOPPED = "stopped"
    """By whoever runs the plan."""
    REFUSED = "refused"
    """The engine did not take it, so that nothing was begun."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try of one block, as the ledger keeps it."""

    block: str
    number: Annotated[int, Ge(1)]
    machine: str
    slot: str
    uuid: str
    began: str
    """ISO 8601, UTC, by the driver's clock."""
    ended: str
    seconds: Annotated[float, Ge(0)]
    """Of the child process, by the machine's own clock."""
    placed_s: Annotated[float, Ge(0)]
    """From the driver's order to the word that it ended, beyond `seconds`: what placing costs."""
    ending: Ending
    exit_code: int | None = None
    cause: str = ""
    """One line; empty where it passed."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Name to SHA-256; they lie by their hash."""
    clock_ahead_s: float | None = None
    """By how much the machine's clock is ahead of the driver's, at least; 0 where they may agree."""
    free_bytes: Bytes | None = None
    """Left on the disk of the machine that it wrote to."""
    boot: str = ""
    """The system's name for that start of the machine, which no other has; empty where it told none."""


class CellState(StrEnum):
    """What is known of a cell."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    """There is a verdict, good or bad: it stands in the results."""
    BROKEN = "broken"
    """Its block failed three times, or on all machines that it suits."""
    UNPLACED = "unplaced"
    """No machine has such a device, or all that have were drained."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a run found out about one machine."""

    name: str
    fit: bool | None
    """For what is timed; None before the doctor answered."""
    reason: str = ""
    drained: bool = False
    blocks: Annotated[int, Ge(0)] = 0
    """That ended there."""
    busy_s: Annotated[float, Ge(0)] = 0.0
    clock_ahead_s: float | None = None
    """Against the driver's."""
    free_bytes: Bytes | None = None
    """Of the disk that results go to."""
