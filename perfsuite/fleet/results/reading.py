"""Everything that a folder of a plan says, read once for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from perfsuite.fleet.ledger.file import is_driven
from perfsuite.fleet.ledger.times import Past, expect
from perfsuite.fleet.planning.joining import absent
from perfsuite.fleet.results.folder import comparisons, merge_folder, read_folder
from perfsuite.fleet.results.kinds import labels
from perfsuite.fleet.results.spreads import gpu_spread
from perfsuite.fleet.results.squares import squares
from perfsuite.fleet.results.status import Status, status
from perfsuite.records import CellState

if TYPE_CHECKING:
    from pathlib import Path

    from perfsuite.fleet.results.folder import Folder
    from perfsuite.fleet.results.merging import Merged
    from perfsuite.fleet.results.parts import Parts
    from perfsuite.fleet.results.spreads import GpuSpread
    from perfsuite.fleet.results.squares import Square
    from perfsuite.records import Attempt, Plan


@dataclass(frozen=True)
class Reading:
    """Of one folder."""

    plan: Plan
    status: Status
    squares: tuple[Square, ...]
    runs: tuple[tuple[Path, Merged], ...]
    """Merged results, each with its file."""
    comparisons: dict[str, bytes]
    """What each A/B left, by its block."""
    gpus: tuple[GpuSpread, ...]
    attempts: tuple[Attempt, ...]

    @property
    def absent(self) -> tuple[int, ...]:
        """Numbers of parts that were not there when the others were joined."""
        return absent(self.plan)

    @property
    def unfinished(self) -> int:
        """Blocks that have neither a verdict nor been given up."""
        return sum(self.status.blocks.get(each, 0) for each in (CellState.WAITING, CellState.RUNNING))


def read(path: Path) -> Reading:
    """Read a folder, and bring its merged results up to now.

    Raises:
        StoreError: something in it is damaged, or cannot be written.
    """
    return of_folder(read_folder(path), driven=is_driven(path))


def read_parts(parts: Parts) -> Reading:
    """Read folders of parts of one plan as one, and write their merged results where they go.

    Raises:
        StoreError: something in one is damaged, or the results cannot be written.
    """
    return of_folder(parts.folder, driven=any(is_driven(part.path) for part in parts.parts))


def of_folder(folder: Folder, *, driven: bool) -> Reading:
    """What a folder says, merged; `driven`: whether a driver has it. Raises `StoreError`."""
    now = _status(folder, driven=driven)
    runs = merge_folder(folder)
    known = labels([merged.kind for _, merged in runs])
    gpus = [(gpu_spread(merged), kind) for (_, merged), kind in zip(runs, known, strict=True)]
    return Reading(
        folder.plan,
        now,
        tuple(squares(folder, now)),
        tuple(runs),
        comparisons(folder),
        tuple(replace(each, kind=kind) for each, kind in gpus if each is not None),
        tuple(folder.account.attempts),
    )


def _status(folder: Folder, *, driven: bool) -> Status:
    plan, account = folder.plan, folder.account
    past = Past({block.id: block for block in plan.blocks}, account.attempts)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return status(plan, account, now, driven=driven, expected=expect(plan.blocks, [past]))
