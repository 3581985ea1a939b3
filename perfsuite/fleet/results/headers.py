"""Under which header each cell stands: one for each kind of devices of a class."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from perfsuite.fleet.results.kinds import labels
from perfsuite.records import CellState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.fleet.results.merging import Merged
    from perfsuite.fleet.results.squares import Square

UNKNOWN = "device not known"
"""Of cells of which no machine has told what it has: most have not been measured."""


class Headers:
    """What stands under the header of each cell."""

    def __init__(self, runs: Sequence[Merged]) -> None:
        self._blocks: dict[str, str] = {}
        self._places: dict[tuple[str, ...], set[str]] = defaultdict(set)
        self._known: dict[str, set[str]] = defaultdict(set)
        self.labels = labels([merged.kind for merged in runs])
        """Of each run."""
        for merged, label in zip(runs, self.labels, strict=True):
            self._known[merged.device].add(label)
            self._blocks |= dict.fromkeys(merged.blocks, label)
            for machine, uuid in merged.places:
                self._places[merged.device, machine, uuid].add(label)
                self._places[merged.device, machine].add(label)

    def of(self, square: Square) -> str:
        """Of a cell: that of its results, else of its machine's, and where all are alike of theirs."""
        block, known = square.block, self._known[square.block.device]
        if len(known) < 2:
            return next(iter(known), "")
        if block.id in self._blocks:
            return self._blocks[block.id]
        last = square.attempts[-1] if square.attempts else None
        if last is None or square.state is not CellState.DONE:
            return UNKNOWN
        for place in ((block.device, last.machine, last.uuid), (block.device, last.machine)):
            found = self._places.get(place, set())
            if len(found) == 1:
                return next(iter(found))
        return UNKNOWN
