"""One stored entry in figures: how many sessions, how they scatter, how old they are, what a gate finds."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from perfsuite.decision.spread import spread
from perfsuite.pipelines.variants import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from perfsuite.decision.spread import Spread
    from perfsuite.records import Device, Entry, Session
    from perfsuite.store import BaselineFile, Baselines

DAY_S = 86400.0


@dataclass(frozen=True)
class Described:
    """What is stored of one variant of one workload."""

    workload: str
    protocol: str
    spread: Spread
    """Sessions, median, spread between and within them, modes, and what a gate of one session finds."""
    relative: float | None
    """Latency in units of the reference variant's: the median over the sessions of their medians."""
    reference: str | None
    peak_memory_bytes: int
    """Median."""
    compile_s: float | None
    """Median of the sessions in which it was measured."""
    oldest: str
    newest: str
    """Dates of sessions, as stored."""
    age_days: float | None
    """Of the newest session; None if its date cannot be read."""
    versions: tuple[tuple[dict[str, str], int], ...]
    """Each set of versions, and how many sessions have it."""

    @property
    def variant(self) -> str:
        return self.spread.variant


@dataclass(frozen=True)
class DeviceBaselines:
    """What is stored of one device."""

    device: Device
    path: Path
    entries: tuple[Described, ...]


def age_days(date: str, now: datetime) -> float | None:
    """Days from a stored date to ``now``; None if it is no date. Without a zone it counts as UTC."""
    try:
        then = datetime.fromisoformat(date)
    except ValueError:
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return (now - then).total_seconds() / DAY_S


def describe(entry: Entry, device_kind: str, now: datetime) -> Described:
    """Describe one entry. Raises `ValueError` for samples that are not positive and finite."""
    sessions = entry.sessions
    related = [s.relative for s in sessions if s.relative is not None]
    compiled = [s.compile_s for s in sessions if s.compile_s is not None]
    return Described(
        entry.workload,
        entry.protocol,
        spread(entry, device_kind),
        statistics.median(statistics.median(each.ratio) for each in related) if related else None,
        related[-1].reference if related else None,
        int(statistics.median(s.peak_memory_bytes for s in sessions)),
        statistics.median(compiled) if compiled else None,
        min(s.date for s in sessions),
        max(s.date for s in sessions),
        age_days(max(s.date for s in sessions), now),
        _versions(sessions),
    )


def _versions(sessions: Sequence[Session]) -> tuple[tuple[dict[str, str], int], ...]:
    counts = Counter(tuple(sorted(s.versions.items())) for s in sessions)
    return tuple((dict(versions), count) for versions, count in counts.most_common())


def find(store: Baselines, slug: str) -> BaselineFile:
    """What is stored of a device.

    Raises:
        UnknownNameError: there is no such file; the message names the nearest.
        StoreError: the file is bad.
    """
    known = store.slugs()
    found = store.load(slug) if slug in known else None
    if found is None:
        raise UnknownNameError("device", slug, known or [f"none in {store.directory}"])
    return found


def load_all(
    store: Baselines,
    now: datetime,
    slugs: Sequence[str],
    workloads: Sequence[str] = (),
    variants: Sequence[str] = (),
) -> list[DeviceBaselines]:
    """The devices named, each with its entries of these workloads and variants, all where none is named.

    Raises:
        UnknownNameError: no such device.
        StoreError: a file is bad.
    """
    devices = []
    for slug in slugs:
        file = find(store, slug)
        entries = tuple(
            describe(entry, file.device.kind, now)
            for entry in file.entries.values()
            if (not workloads or entry.workload in workloads) and (not variants or entry.variant in variants)
        )
        devices.append(DeviceBaselines(file.device, store.path(slug), entries))
    return devices
