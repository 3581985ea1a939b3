"""Stored sessions on trial: which of them no later run should be held to, and why.

A suspect is measured again; what it is compared with never is. An entry that was recorded in a bad hour would
be confirmed for ever, so it is looked for beforehand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from perfsuite.decision.basis import bases
from perfsuite.decision.estimates import estimate, shift
from perfsuite.decision.modes import modes
from perfsuite.store.inventory.describing import age_days

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from perfsuite.decision.basis import Basis
    from perfsuite.records import Entry, Session
    from perfsuite.store import BaselineFile

ODD_RISK = 0.001
"""One-sided risk at which a session differs from the others of its entry; a file has some hundred of them."""
LEAST_OTHERS = 3
"""Sessions that one can be odd among."""
FORGED = 1.5
"""Factor by which ratio and seconds of one session may disagree: they are of other calls, minutes apart."""


@dataclass(frozen=True)
class Oddity:
    """One thing that speaks against what is stored."""

    key: str
    """``<workload>/<variant>``."""
    session: int | None
    """Its place in the entry, from 0; None: the entry as a whole."""
    date: str
    what: str


def check(file: BaselineFile, now: datetime) -> list[Oddity]:
    """Everything that speaks against what is stored of a device, by entry.

    Raises:
        ValueError: samples that are not positive and finite.
    """
    return [oddity for entry in file.entries.values() for oddity in _of_entry(entry, file.device.kind, now)]


def _of_entry(entry: Entry, device_kind: str, now: datetime) -> Iterator[Oddity]:
    fit = [s for s in entry.sessions if not s.unfit]
    if not fit:
        yield Oddity(entry.key, None, entry.sessions[-1].date, "no session has a weight: record again")
    for place, session in enumerate(entry.sessions):
        for what in _of_session(session, now):
            yield Oddity(entry.key, place, session.date, what)
    for basis in bases(entry, entry.sessions[-1], device_kind):
        yield from _apart(entry, basis)


def _of_session(session: Session, now: datetime) -> Iterator[str]:
    if session.unfit:
        yield f"has no weight: {session.unfit}"
    age = age_days(session.date, now)
    if age is None:
        yield f"its date is none: {session.date!r}"
    elif age < -1:
        yield "is from the future"
    relative = session.relative
    if relative is not None and relative.reference_s:
        told = median(relative.ratio) * median(relative.reference_s)
        apart = median(session.latency_s) / told
        if not 1 / FORGED <= apart <= FORGED:
            yield (
                f"its ratio to {relative.reference} means {told:.3g} s a call, "
                f"its own calls took {median(session.latency_s):.3g} s"
            )


def _apart(entry: Entry, basis: Basis) -> Iterator[Oddity]:
    """Sessions far from the others of their entry, and entries that fall in two."""
    usable = [(place, s) for place, s in enumerate(entry.sessions) if not s.unfit and basis.has(s)]
    found = [estimate(basis.samples(s), basis.settings) for _, s in usable]
    groups = modes([each.value for each in found])
    if len(groups) > 1:
        typical = " and ".join(f"{len(g)} near {math.exp(median(g)):.4g}" for g in groups)
        yield Oddity(entry.key, None, entry.sessions[-1].date, f"two modes, {basis.name}: {typical}")
        return
    for i, (place, session) in enumerate(usable):
        others = found[:i] + found[i + 1 :]
        if len(others) < LEAST_OTHERS:
            return
        moved = shift(others, [found[i]], basis.settings)
        if moved.lower(ODD_RISK) > 0 or moved.upper(ODD_RISK) < 0:
            change = (math.exp(moved.value) - 1) * 100
            yield Oddity(entry.key, place, session.date, f"{basis.name} {change:+.1f} % from the others")
