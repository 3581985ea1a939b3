"""What a run ran in and came to: its environment, its night, what it did not measure."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from perfsuite.records import UNJUDGED, Environment, Outcome
from perfsuite.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from perfsuite.records import Result, Run

AHEAD = timedelta(days=1)
"""How far clocks may differ."""


def environment_of(run: Run) -> Environment:
    """Versions and surroundings by the first result that knows each; Python is no package."""
    versions: dict[str, str] = {}
    git: dict[str, str] = {}
    around: dict[str, str] = {}
    for result in run.results:
        for known, of in ((versions, _versions(result)), (around, _around(result)), (git, _git(result))):
            for name, value in of.items():
                known.setdefault(name, value)
    python = versions.pop("python", None)
    if python is not None:
        around["python"] = python
    for name in ("driver", "cuda"):
        if name in run.device.details:
            around.setdefault(name, run.device.details[name])
    installed = {name: version for name, version in versions.items() if version != "not installed"}
    text = json.dumps([installed, git, around], sort_keys=True)
    return Environment(hashlib.sha256(text.encode()).hexdigest()[:16], installed, git, around)


def _versions(result: Result) -> Mapping[str, str]:
    of = result.session or result.counts
    return of.versions if of is not None else {}


def _git(result: Result) -> Mapping[str, str]:
    return result.session.git if result.session is not None else {}


def _around(result: Result) -> dict[str, str]:
    found = dict(result.session.environment) if result.session is not None else {}
    if result.counts is not None:
        found["code_for"] = result.counts.code_for
    return found


def machine_of(run: Run) -> dict[str, str]:
    """The device as it tells of itself, as text."""
    device = run.device
    return {**device.details, "name": device.name, "count": str(device.count)}


def commit_of(run: Run) -> str | None:
    """Of the checkout, by the first session."""
    return next((r.session.commit for r in run.results if r.session is not None), None)


def missing_of(run: Run) -> tuple[str, ...]:
    """``workload/variant`` of what was to be measured and was not.

    What this device cannot run was not to be measured, unless it has a baseline or was named: then its
    verdict says so.
    """
    measured = {f"{r.workload}/{r.variant}" for r in run.results if _is_measured(r, timed=run.timed)}
    refused = [
        f"{r.workload}/{r.variant}"
        for r in run.results
        if r.verdict is not None and r.verdict.status in UNJUDGED
    ]
    return tuple(key for key in dict.fromkeys((*run.chosen, *refused)) if key not in measured)


def _is_measured(result: Result, *, timed: bool) -> bool:
    if timed:
        return result.session is not None
    return any(of is not None for of in (result.session, result.quality, result.counts))


def outcome_of(run: Run) -> Outcome:
    """Whether all was measured, some, or nothing."""
    if not any(_is_measured(r, timed=False) for r in run.results):
        return Outcome.NOTHING
    return Outcome.PARTIAL if missing_of(run) else Outcome.COMPLETE


class When(NamedTuple):
    """Of a run."""

    night: str
    date: str
    """When it began, in UTC, to the millisecond."""

    @property
    def position(self) -> str:
        """Text that is in order as runs are."""
        return f"{self.night} {self.date}"


def when(run: Run, night: str | None, now: datetime) -> When:
    """Date, and the night that the run counts for: what is wanted, else the day on which it began.

    Raises:
        StoreError: either is none, or has not come yet.
    """
    began = _began(run, now)
    return When(
        _night(night, now) if night else f"{began:%Y-%m-%d}", began.isoformat(timespec="milliseconds")
    )


def _began(run: Run, now: datetime) -> datetime:
    try:
        began = datetime.fromisoformat(run.date)
    except ValueError as error:
        raise StoreError(
            f"run {run.id}: its date {run.date!r} is not ISO 8601; run the suite again"
        ) from error
    began = began.replace(tzinfo=began.tzinfo or UTC).astimezone(UTC)
    if began > now + AHEAD:
        raise StoreError(
            f"run {run.id}: began at {began:%Y-%m-%d %H:%M} UTC, which has not come yet (now it is "
            f"{now:%Y-%m-%d %H:%M}); set the clock of the machine right, and run the suite again"
        )
    return began


def _night(wanted: str, now: datetime) -> str:
    day = as_day(wanted)
    if day > f"{now + AHEAD:%Y-%m-%d}":
        raise StoreError(f"night {day}: has not come yet")
    return day


def as_day(night: str) -> str:
    """A date in the one form in which dates are stored.

    Raises:
        StoreError: it is none.
    """
    try:
        return date.fromisoformat(night).isoformat()
    except ValueError as error:
        raise StoreError(f"night {night!r}: this is no date; write it as 2026-11-20") from error
