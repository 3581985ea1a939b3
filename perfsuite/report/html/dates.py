"""Dates and ages for people."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from perfsuite.report.html.gather import moment

if TYPE_CHECKING:
    from datetime import datetime

_UNITS = (("year", 365 * 86400), ("month", 30 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60))


def day(date: str) -> str:
    """``2026-11-24 14:03 UTC`` of an ISO 8601 date; any other text as it is."""
    found = moment(date)
    return date if found is None else stamp(found)


def stamp(date: datetime) -> str:
    """To the minute, in UTC."""
    return f"{date.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def age(span: timedelta) -> str:
    """The largest unit that is there twice, else the next: ``3 days``, ``45 hours`` is ``45 hours``."""
    seconds = span.total_seconds()
    for name, size in _UNITS:
        count = int(seconds // size)
        if count >= 2 or (name == "minute" and count >= 1):
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "less than a minute"
