"""What became of one attempt, from what its engine told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from perfsuite.records import Attempt, Ending

if TYPE_CHECKING:
    from collections.abc import Mapping

    from perfsuite.fleet.executors.interface import Outcome
    from perfsuite.fleet.ledger.account import Begun
    from perfsuite.records import Block, Slot


def utc_now() -> str:
    """The driver's clock, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Running:
    """An attempt that has begun."""

    block: Block
    slot: Slot
    begun: Begun
    since_s: float
    """By the driver's clock that does not jump."""
    fixed: bool = True
    """Whether its slot is at a machine; False where its engine's queue finds one."""

    @property
    def key(self) -> tuple[str, int]:
        """As events name it."""
        return self.begun.block, self.begun.number

    def machine(self, told: str) -> str:
        """Its machine's name: that of its place, or of the one that an engine's queue has found."""
        return self.slot.machine if self.fixed or not told else told

    def finished(
        self, outcome: Outcome, ending: Ending, cause: str, files: Mapping[str, str], now_s: float
    ) -> Attempt:
        """It has ended, as its machine tells."""
        return Attempt(
            block=self.begun.block, number=self.begun.number, machine=self.machine(outcome.machine),
            slot=self.begun.slot, uuid=outcome.uuid or self.begun.uuid, began=self.begun.began,
            ended=utc_now(), seconds=outcome.seconds,
            placed_s=max(0.0, now_s - self.since_s - outcome.seconds),
            ending=ending, exit_code=outcome.exit_code, cause=one_line(cause), files=files,
            clock_ahead_s=clock_ahead_s(outcome, self.begun.began, datetime.now(UTC)),
            free_bytes=outcome.free_bytes, boot=outcome.boot,
        )  # fmt: skip

    def without_outcome(self, ending: Ending, cause: str, now_s: float, told: str = "") -> Attempt:
        """It has ended, and its machine tells nothing."""
        return Attempt(
            block=self.begun.block, number=self.begun.number, machine=self.machine(told),
            slot=self.begun.slot, uuid=self.begun.uuid, began=self.begun.began, ended=utc_now(), seconds=0.0,
            placed_s=max(0.0, now_s - self.since_s), ending=ending, cause=one_line(cause),
        )  # fmt: skip


def abandoned(begun: Begun, cause: str) -> Attempt:
    """What a driver that was killed had begun, and what came to no verdict."""
    return Attempt(
        block=begun.block, number=begun.number, machine=begun.machine, slot=begun.slot, uuid=begun.uuid,
        began=begun.began, ended=utc_now(), seconds=0.0, placed_s=0.0, ending=Ending.STOPPED, cause=cause,
    )  # fmt: skip


def taken_over(
    begun: Begun, outcome: Outcome, ending: Ending, cause: str, files: Mapping[str, str]
) -> Attempt:
    """What a driver that was killed had begun, and what had its verdict by then."""
    return Attempt(
        block=begun.block, number=begun.number, machine=outcome.machine, slot=begun.slot,
        uuid=outcome.uuid or begun.uuid, began=begun.began, ended=utc_now(), seconds=outcome.seconds,
        placed_s=0.0, ending=ending, exit_code=outcome.exit_code, cause=one_line(cause), files=files,
        clock_ahead_s=clock_ahead_s(outcome, begun.began, datetime.now(UTC)),
        free_bytes=outcome.free_bytes, boot=outcome.boot,
    )  # fmt: skip


def one_line(text: str) -> str:
    """The last line that says something."""
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return said[-1] if said else ""


def clock_ahead_s(outcome: Outcome, began: str, heard: datetime) -> float | None:
    """How far a machine's clock is ahead of the driver's, at least; negative for one that is behind.

    The child ended after it had begun and before the driver heard of it: between the two the clocks may
    agree. None where the machine's time cannot be read.
    """
    try:
        told = datetime.fromisoformat(outcome.clock)
    except ValueError:
        return None
    if told.tzinfo is None:
        return None
    most = told.timestamp() - datetime.fromisoformat(began).timestamp() - outcome.seconds
    least = told.timestamp() - heard.timestamp()
    return least if least > 0 else min(most, 0.0)
