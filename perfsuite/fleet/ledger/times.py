"""What blocks are expected to take, from what those like them took: here, and in folders beside."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from perfsuite.fleet.ledger.file import FILE, read_account
from perfsuite.fleet.ledger.retrying import JUDGED
from perfsuite.fleet.planning.files import PLAN, read_plan
from perfsuite.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from perfsuite.records import Attempt, Block


MOST = 20
"""Folders that are read, the newest."""


class Sure(StrEnum):
    """How surely a time is known."""

    ABOUT = "about"
    """Of the same block, or one with the same work, workload, variants and device class."""
    PERHAPS = "perhaps"
    """Of others like it, by the number of variants."""
    AT_MOST = "at most"
    """Nothing like it has been run: its limit."""


@dataclass(frozen=True)
class Expectation:
    """Of one block."""

    seconds: float
    sure: Sure


@dataclass(frozen=True)
class Past:
    """One plan that was run, wholly or in part."""

    blocks: Mapping[str, Block]
    """By id."""
    attempts: Sequence[Attempt]


def expect(blocks: Iterable[Block], pasts: Iterable[Past]) -> dict[str, Expectation]:
    """By block id; the median of those most alike that had a verdict, never beyond the block's limit."""
    took = [
        (past.blocks[attempt.block], attempt.seconds)
        for past in pasts
        for attempt in past.attempts
        # Of one whose supervisor was killed only the verdict is known.
        if attempt.ending in JUDGED and attempt.seconds and attempt.block in past.blocks
    ]
    levels = [_Level(take, share, sure, took) for take, share, sure in _LEVELS]
    return {block.id: _expect(block, levels) for block in blocks}


def seconds_of(expected: Mapping[str, Expectation]) -> dict[str, float]:
    """Only the times."""
    return {block: expectation.seconds for block, expectation in expected.items()}


def read_past(folder: Path) -> Past:
    """What a plan's blocks took. Raises `StoreError` where none was run, or it cannot be read."""
    account = read_account(folder)
    if account is None:
        raise StoreError(f"{folder / FILE}: there is no ledger; name a folder in which a plan was run")
    plan = read_plan(folder / PLAN)
    return Past({block.id: block for block in plan.blocks}, account.attempts)


def pasts_beside(folder: Path, tell: Callable[[str], None]) -> list[Past]:
    """Of the newest folders in the same place, or below this one, which may be the place of all; those that
    cannot be read are named."""
    own = folder.resolve()
    ledgers = [path for place in (own.parent, own) for path in place.glob(f"*/{FILE}") if path.parent != own]
    newest = sorted(ledgers, key=lambda path: path.stat().st_mtime, reverse=True)[:MOST]
    found = []
    for path in newest:
        try:
            found.append(read_past(path.parent))
        except StoreError as error:
            tell(f"past times left out: {error}")
    return found


def _expect(block: Block, levels: Iterable[_Level]) -> Expectation:
    for level in levels:
        seconds = level.of(block)
        if seconds is not None:
            return Expectation(min(seconds, block.limit_s), level.sure)
    return Expectation(block.limit_s, Sure.AT_MOST)


class _Level:
    """Times of blocks that are alike in something."""

    def __init__(
        self,
        take: Callable[[Block], object],
        share: Callable[[Block], int],
        sure: Sure,
        took: Iterable[tuple[Block, float]],
    ) -> None:
        self.sure, self._take, self._share = sure, take, share
        found: defaultdict[object, list[float]] = defaultdict(list)
        for block, seconds in took:
            found[take(block)].append(seconds / share(block))
        self._middle = {alike: statistics.median(times) for alike, times in found.items()}

    def of(self, block: Block) -> float | None:
        """What a block takes by this level; None where it knows none."""
        middle = self._middle.get(self._take(block))
        return None if middle is None else middle * self._share(block)


def _whole(block: Block) -> int:
    return 1


def _variants(block: Block) -> int:
    return len(block.variants)


_LEVELS: tuple[tuple[Callable[[Block], object], Callable[[Block], int], Sure], ...] = (
    (lambda b: b.id, _whole, Sure.ABOUT),
    (lambda b: (b.work, b.workload, b.device, b.variants), _whole, Sure.ABOUT),
    (lambda b: (b.work, b.workload, b.device), _variants, Sure.PERHAPS),
    (lambda b: (b.work, b.workload), _variants, Sure.PERHAPS),
    (lambda b: b.work, _variants, Sure.PERHAPS),
)
"""From what is most alike; a time stands for the block, or for each of its variants."""
