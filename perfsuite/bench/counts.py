"""Counts of one run against the stored ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.pipelines import loaded, models
from perfsuite.records import Cause, CountVerdict, Status
from perfsuite.store.counts import CountsStore, minor
from perfsuite.structure.comparing import compare
from perfsuite.structure.counting import count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from perfsuite.pipelines import Prepared
    from perfsuite.records import Counts, Result
    from perfsuite.store import Change, CountsEntry
    from perfsuite.store.baselines import Mode


class CountGate:
    """Counts pipelines and judges them. Raises `StoreError` at once if the stored counts are bad."""

    def __init__(self, baselines: Path, kind: str) -> None:
        """Read what the folder `baselines` holds for devices of this kind, ``cpu`` or ``cuda``."""
        self.store = CountsStore(baselines, kind)
        self.stored = self.store.load()

    def count(self, prepared: Prepared) -> Counts:
        """Count what a pipeline does, see `perfsuite.structure.counting`."""
        return count(prepared)

    def judge(self, result: Result, counts: Counts) -> CountVerdict:
        """The verdict on `counts` of the result's workload, variant and protocol."""
        version = minor(counts.versions["torch"])
        entry = self._entry(result)
        if entry is not None and entry.protocol != result.protocol:
            return CountVerdict(
                Status.INCOMPATIBLE,
                detail=loaded.moved_files(entry.protocol, result.protocol)
                or f"counts of {entry.protocol!r} are stored, this run is of {result.protocol!r}",
                causes=(Cause.OTHER_WEIGHTS,) if models.others(result.protocol, entry.protocol) else (),
            )
        if entry is None or version not in entry.counts:
            others = f"; there are counts of torch {', '.join(sorted(entry.counts))}" if entry else ""
            return CountVerdict(
                Status.NEW, detail=f"no counts of torch {version} are stored for this variant{others}"
            )
        return compare(entry.counts[version], counts)

    def stored_versions(self, result: Result) -> dict[str, str] | None:
        """Package versions that the counts which a result was compared with were taken with."""
        entry = self._entry(result)
        if entry is None or result.counts is None:
            return None
        found = entry.counts.get(minor(result.counts.versions["torch"]))
        return dict(found.versions) if found is not None else None

    def update(self, results: Sequence[Result], mode: Mode) -> list[Change]:
        """Store what was judged of these results, see `CountsStore.update`."""
        taken = [r for r in results if r.counts is not None]
        if not taken:
            return []
        assert taken[0].counts is not None
        return self.store.update(taken, mode, minor(taken[0].counts.versions["torch"]))

    def knows(self, result: Result) -> bool:
        """Whether any counts of this workload and variant are stored."""
        return self._entry(result) is not None

    def _entry(self, result: Result) -> CountsEntry | None:
        return self.stored.get(f"{result.workload}/{result.variant}")
