"""A worker that counts: what `workers` cannot do, for the counters stand above it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from perfsuite.structure.counting import count
from perfsuite.workers.commands import Commands

COMMANDS = "perfsuite.tracking.trials.counting:CountingCommands"


class CountingCommands(Commands):
    """Those of a worker, and the counts of what it has built."""

    def do_counts(self, variant: str) -> dict[str, Any]:
        """All counts of a prepared pipeline."""
        return asdict(count(self._open[variant]))
