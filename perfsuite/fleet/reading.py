"""Everything that a folder of a plan says, read once for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.fleet.folder import comparisons, merge_folder, read_folder
from perfsuite.fleet.ledger import is_driven
from perfsuite.fleet.spreads import gpu_spread
from perfsuite.fleet.squares import squares

if TYPE_CHECKING:
    from pathlib import Path

    from perfsuite.fleet.merging import Merged
    from perfsuite.fleet.spreads import GpuSpread
    from perfsuite.fleet.squares import Square
    from perfsuite.records import Attempt, Block, Plan


@dataclass(frozen=True)
class Reading:
    """Of one folder."""

    plan: Plan
    squares: tuple[Square, ...]
    runs: tuple[tuple[Path, Merged], ...]
    """Merged results, each with its file."""
    comparisons: dict[str, bytes]
    """What each A/B left, by its block."""
    gpus: tuple[GpuSpread, ...]
    attempts: tuple[Attempt, ...]
    judged: frozenset[tuple[str, int]]
    """Block and number of the attempts with a verdict."""
    open_blocks: tuple[Block, ...]
    """That have neither a verdict nor been given up."""


def read(path: Path) -> Reading:
    """Read a folder, and bring its merged results up to now.

    Raises:
        StoreError: something in it is damaged, or cannot be written.
    """
    folder = read_folder(path)
    runs = merge_folder(folder)
    gpus = (gpu_spread(merged) for _, merged in runs)
    return Reading(
        folder.plan,
        tuple(squares(folder, driven=is_driven(path))),
        tuple(runs),
        comparisons(folder),
        tuple(each for each in gpus if each is not None),
        tuple(folder.account.attempts),
        frozenset((a.block, a.number) for a in folder.judged.values()),
        tuple(folder.open_blocks),
    )
