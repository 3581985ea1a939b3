"""What a driver says when a block has ended, and what it has learnt of the machine, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.records import Ending

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from perfsuite.records import Attempt, Block

CLOCK_S = 2.0
"""Clocks further apart are spoken of."""


class Notices:
    """Lines for whoever watches."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told: set[tuple[str, str]] = set()

    def ended(self, block: Block, attempt: Attempt, progress: str) -> None:
        """An attempt, and whether its machine's clock is that of others."""
        took = f" after {attempt.seconds:.0f} s" if attempt.seconds else ""
        why = f": {attempt.cause}" if attempt.cause else ""
        self._tell(f"[{progress}] {attempt.machine}: {name(block)} {attempt.ending}{took}{why}")
        ahead_s = attempt.clock_ahead_s
        if ahead_s is not None and abs(ahead_s) > CLOCK_S:
            which = "ahead of" if ahead_s > 0 else "behind"
            self._once(
                attempt.machine,
                "clock",
                f"its clock is {abs(ahead_s):.0f} s {which} this machine's; the ledger keeps this one's",
            )

    def taken_over(self, block: Block, attempt: Attempt) -> None:
        """What became of a block that a driver before this one had begun when it was killed."""
        if attempt.ending is Ending.STOPPED:
            self._tell(f"{attempt.machine}: {name(block)} is run again: {attempt.cause}")
            return
        why = f": {attempt.cause}" if attempt.cause else ""
        self._tell(f"{attempt.machine}: {name(block)} {attempt.ending} before its driver was killed{why}")

    def machines(self, drained: Mapping[str, str], fitness: Mapping[str, tuple[bool, str]]) -> None:
        """Those that take less than they could."""
        for machine, reason in drained.items():
            self._once(machine, "drained", f"drained, it takes no more blocks: {reason}")
        for machine, (fit, reason) in fitness.items():
            if not fit:
                self._once(machine, "unfit", f"unfit for what is timed, it takes other blocks only: {reason}")

    def devices(self, dead: Mapping[str, Attempt]) -> None:
        """Slots that take nothing more, with the last that was lost there."""
        for slot, attempt in dead.items():
            self._once(slot, "dead", f"it takes no more blocks, since two were lost there: {attempt.cause}")

    def _once(self, machine: str, what: str, line: str) -> None:
        if (machine, what) not in self._told:
            self._told.add((machine, what))
            self._tell(f"{machine}: {line}")


def name(block: Block) -> str:
    """As a person knows it, and as the ledger does."""
    return f"{block.work} {block.workload} {', '.join(block.variants)} ({block.id[:12]})"
