"""From files to what the page is made of: runs, and the baselines that they were compared with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from perfsuite.store import Baselines, StoreError, read_results, results_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from perfsuite.records import Entry, Result, Run, Session
    from perfsuite.store import BaselineFile


@dataclass(frozen=True)
class Source:
    """One results file."""

    path: Path
    run: Run
    stored: BaselineFile | None
    notes: tuple[str, ...] = ()
    """What a reader must know about the file itself."""

    def entry(self, result: Result) -> Entry | None:
        """What is stored of the result's variant under the same protocol."""
        found = self.stored.entries.get(f"{result.workload}/{result.variant}") if self.stored else None
        return found if found is not None and found.protocol == result.protocol else None

    def before(self, result: Result) -> list[Session]:
        """The stored sessions that were there when the run was: not itself, and none that is newer."""
        entry = self.entry(result)
        if entry is None:
            return []
        now = moment(result.session.date if result.session else self.run.date)
        own = result.session.id if result.session else None
        return [s for s in entry.sessions if s.id != own and not _newer(moment(s.date), now)]

    def recorded(self, result: Result) -> bool:
        """Whether the result's own session is among the stored ones."""
        entry = self.entry(result)
        return (
            entry is not None
            and result.session is not None
            and result.session.id in {session.id for session in entry.sessions}
        )


def _newer(date: datetime | None, now: datetime | None) -> bool:
    return date is not None and now is not None and date > now


def moment(date: str) -> datetime | None:
    """An ISO 8601 date of a record; None where it is none. Without a zone it counts as UTC."""
    try:
        found = datetime.fromisoformat(date)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def gather(paths: Sequence[Path], baselines: Path) -> list[Source]:
    """Read results files and the baselines of their devices; the oldest run first.

    Raises:
        StoreError: if a results file is not there or damaged, or written by a newer perfsuite.
    """
    sources = [_source(path, baselines) for path in results_files(paths)]
    return sorted(sources, key=lambda source: source.run.date)


def _source(path: Path, baselines: Path) -> Source:
    run = read_results(path)
    notes = []
    done = {f"{r.workload}/{r.variant}" for r in run.results if r.session or r.quality}
    missing = [key for key in run.chosen if key not in done]
    if missing:
        named = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
        notes.append(
            f"Incomplete: {len(missing)} of {len(run.chosen)} chosen variants have no result, because the "
            f"run was interrupted or they failed before anything was measured: {named}."
        )
    if run.cut_off:
        named = ", ".join(run.cut_off[:8])
        notes.append(f"Measured and not judged: {named}: the run ended in between, or is not over.")
    stored = None
    try:
        stored = Baselines(baselines).of(run.device)
    except (StoreError, ValueError) as error:
        notes.append(f"Baselines are not shown: {error}")
    return Source(path, run, stored, tuple(notes))
