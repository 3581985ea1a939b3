"""What an engine does for a plan: it tells places, starts one block at one of them, and says how it ended.

It decides nothing: which block runs where and when, what is tried again, and what a result means is the
driver's business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from perfsuite.records import DeviceClass, PlannedEnvironment, Slot


class ExecutorError(RuntimeError):
    """An engine that is not there, or cannot do what is asked; the message has the remedy."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """All that a machine needs to run one block once."""

    block: str
    attempt: int
    exclusive: bool
    """Nothing else of the plan runs on the machine meanwhile."""
    environments: tuple[PlannedEnvironment, ...]
    """Made on the machine where it lacks them; the first one's interpreter runs the command."""
    arguments: tuple[str, ...]
    """Of that interpreter. ``{out}`` stands for a folder of the attempt's own, which is what comes back;
    ``{python:NAME}`` for the interpreter of the environment of that name."""
    device: DeviceClass
    limit_s: float
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of the child's environment, beside those of the allow-list."""
    avoid: tuple[str, ...] = ()
    """Machines that it must not go to; for an engine that finds one itself."""
    ticket: str = ""
    """By which what the attempt leaves is found again; letters and digits that no other has."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a child process ended, as its machine tells it."""

    machine: str
    exit_code: int | None
    """None where it was ended at its limit; negative for a signal."""
    seconds: float
    """Of the child, by a clock that does not jump."""
    files: Mapping[str, bytes]
    """What it left, by relative name; ``output.txt`` is what it said."""
    said: str
    """Its last lines."""
    clock: str
    """The machine's time at the end, ISO 8601, UTC."""
    free_bytes: int
    """Left on the disk that it wrote to."""
    boot: str = ""
    """The system's name for this start of its machine, which no other has; empty where it is not known."""
    uuid: str = ""
    """The device that it had, which some engines choose when they start a block; empty: that of its slot."""
    stopped_by: str = ""
    """The signal by which somebody had the block ended; empty where nobody had."""
    infrastructure: str = ""
    """Why it is the machine's fault and not the block's, such as a full disk or a lost GPU; empty else."""


@dataclass(frozen=True, kw_only=True)
class Began:
    """The child runs, on this machine: an engine with a queue of its own starts it when it can."""

    block: str
    attempt: int
    machine: str


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The child has ended."""

    block: str
    attempt: int
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class Lost:
    """The machine or the worker has gone, and the attempt with it."""

    block: str
    attempt: int
    machine: str
    """Empty where an engine with a queue of its own had found none yet, or has not told which."""
    cause: str


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The engine has not taken it, so that nothing was begun."""

    block: str
    attempt: int
    cause: str
    final: bool
    """Whether it would refuse again, as an option that it does not know."""


Event = Began | Finished | Lost | Refused


class Executor(Protocol):
    """An engine."""

    knows_machines: bool
    """Whether a slot is at a machine that is known before a block runs there. The slots of a queue are not:
    whatever is asked of each machine once cannot be asked of them."""

    def slots(self) -> Sequence[Slot]:
        """The places that there are now; machines come and go. Raises `ExecutorError`."""
        ...

    def start(self, order: Order, slot: Slot) -> None:
        """Begin it there; returns at once. Raises `ExecutorError`."""
        ...

    def events(self, timeout_s: float) -> Sequence[Event]:
        """What happened since the last call; waits for something so long. Each attempt ends in exactly one
        `Finished`, `Lost` or `Refused`. What the last call told of has been written down by now, and its
        machine need not keep it any more."""
        ...

    def stop(self, block: str) -> None:
        """End all processes of a block; it then ends as `Finished` or `Lost`."""
        ...

    def left(self, ticket: str, at: str) -> AbstractContextManager[Outcome | None]:
        """What an attempt left of whose end nobody was told: its machine's worker was lost, or a driver
        before this one was killed. Waits for whoever still ends it there. It is kept unless the context ends
        without an error. None where nothing of it can be found. Raises `ExecutorError`.

        Args:
            ticket: the attempt's.
            at: name of its machine, or of its place in a queue.
        """
        ...

    def discard(self, ticket: str, at: str) -> None:
        """Remove what an attempt left whose end a driver before this one has written down: it may have been
        killed before it let go of that. Does nothing where there is none. Raises `ExecutorError`.

        Args:
            ticket: the attempt's.
            at: name of its machine.
        """
        ...

    def close(self) -> None:
        """End what still runs, and let go of the engine; what it leaves is there for `left`."""
        ...
