"""What nothing uses any more: entries of names that no longer exist, and sessions that a rule names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from perfsuite.pipelines import variants, workloads
from perfsuite.pipelines.promises import ContradictionError
from perfsuite.pipelines.variants import UnknownNameError
from perfsuite.pipelines.workloads import SizeError
from perfsuite.store.inventory.describing import age_days

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from perfsuite.records import Entry, Session
    from perfsuite.store import BaselineFile, Baselines


@dataclass(frozen=True)
class Rule:
    """Which sessions go, besides those of unknown names; by default none.

    Raises `ValueError` for a value outside its range.
    """

    keep: int | None = None
    """The newest of each entry that stay; None: all."""
    older_than_days: float | None = None
    not_torch: str | None = None
    """Only sessions of this torch stay: ``2.13`` is all of 2.13, ``2.13.0`` also ``2.13.0+cpu``."""

    def __post_init__(self) -> None:
        if self.keep is not None and self.keep < 1:
            raise ValueError(f"--keep {self.keep}: wanted 1 or more; delete the file to forget a device")
        if self.older_than_days is not None and not 0 <= self.older_than_days < 1e6:
            raise ValueError(f"--older-than {self.older_than_days:g}: wanted days, 0 or more")
        if self.not_torch is not None and not self.not_torch.strip():
            raise ValueError("--not-torch: wanted a version")


@dataclass(frozen=True)
class Pruned:
    """Sessions of one entry that go."""

    key: str
    sessions: int
    left: int
    reason: str


def prune(store: Baselines, slug: str, rule: Rule, now: datetime, *, write: bool) -> list[Pruned]:
    """Say what goes from a device's file, and with `write` let it go, under the store's lock.

    Raises:
        StoreError: the file is bad or cannot be written; it is untouched then.
    """
    found: list[Pruned] = []

    def change(stored: BaselineFile) -> Mapping[str, Entry]:
        found.clear()
        kept = {}
        for key, entry in stored.entries.items():
            sessions, gone = _kept(entry, rule, now)
            found.extend(gone)
            if sessions:
                kept[key] = replace(entry, sessions=sessions)
        return kept

    if write:
        store.rewrite(slug, change)
    elif (stored := store.load(slug)) is not None:
        change(stored)
    return found


def _kept(entry: Entry, rule: Rule, now: datetime) -> tuple[tuple[Session, ...], list[Pruned]]:
    unknown = _unknown(entry)
    if unknown is not None:
        return (), [Pruned(entry.key, len(entry.sessions), 0, unknown)]
    left, gone = entry.sessions, []
    for reason, stays in _rules(rule, now):
        kept = tuple(s for s in left if stays(s))
        if len(kept) < len(left):
            gone.append(Pruned(entry.key, len(left) - len(kept), len(kept), reason))
        left = kept
    if rule.keep is not None and len(left) > rule.keep:
        gone.append(Pruned(entry.key, len(left) - rule.keep, rule.keep, f"more than the newest {rule.keep}"))
        left = left[-rule.keep :]
    return left, gone


def _rules(rule: Rule, now: datetime) -> list[tuple[str, Callable[[Session], bool]]]:
    rules: list[tuple[str, Callable[[Session], bool]]] = []
    if rule.not_torch is not None:
        wanted = rule.not_torch.strip()
        rules.append((f"not of torch {wanted}", lambda s: _is_of(s.versions.get("torch", ""), wanted)))
    if rule.older_than_days is not None:
        most = rule.older_than_days
        # A date that cannot be read says nothing of age, so it stays.
        rules.append(
            (f"older than {most:g} days", lambda s: (age_days(s.date, now) or 0.0) <= most)
        )  # fmt: skip
    return rules


def _is_of(version: str, wanted: str) -> bool:
    return version == wanted or version.startswith((f"{wanted}.", f"{wanted}+"))


def _unknown(entry: Entry) -> str | None:
    """Why nothing would ever look this entry up; None if something does."""
    try:
        workload, variant = workloads.get(entry.workload), variants.get(entry.variant)
    except (UnknownNameError, ContradictionError, SizeError) as error:
        return str(error).partition(": known")[0]
    if (workload.name, variant.name) != (entry.workload, entry.variant):
        return f"it is spelled {workload.name}/{variant.name} now"
    return None
