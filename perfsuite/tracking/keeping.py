"""Which wheels are kept: those of the latest night, and what open changes need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.environments import EnvironmentsError, UnavailableError
from perfsuite.records import OPEN, UNDECIDED, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfsuite.environments import Index, WheelCache
    from perfsuite.records import Change, NightRun

HELD = (*OPEN, *UNDECIDED, State.ACKNOWLEDGED, State.IGNORED)
"""States of changes that may still be compared or searched."""


def keep_latest(
    wheels: WheelCache,
    index: Index,
    runs: Sequence[NightRun],
    packages: Sequence[str],
    progress: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Keep the wheels of each device's latest run; what could not be had, with the reason.

    Raises:
        UnavailableError: the index is away, or there is no space.
        StoreError: the manifest is bad or cannot be written.
    """
    latest = {run.device: run for run in sorted(runs, key=lambda r: (r.night, r.date))}
    wanted = {pair: None for run in latest.values() for pair in versions_of(run, packages)}
    missing = []
    for package, version in wanted:
        try:
            wheels.take(package, version, index)
            progress(f"kept {package}=={version}")
        except UnavailableError:
            raise
        except EnvironmentsError as error:
            missing.append(str(error))
    return missing


def versions_of(run: NightRun, packages: Sequence[str]) -> list[tuple[str, str]]:
    """Packages under test that a run had, with their versions."""
    known = run.environment.versions
    return [(p, known[p]) for p in packages if known.get(p, "not installed") != "not installed"]


def pinned(
    changes: Sequence[Change], runs: Sequence[NightRun], packages: Sequence[str]
) -> set[tuple[str, str]]:
    """All versions that ran from the last good to the first bad night of an open change."""
    spans = [
        (change.series.device, change.nomination.last_good, change.nomination.first_bad)
        for change in changes
        if change.state in HELD
    ]
    return {
        pair
        for run in runs
        if any(run.device == device and good <= run.night <= bad for device, good, bad in spans)
        for pair in versions_of(run, packages)
    }
