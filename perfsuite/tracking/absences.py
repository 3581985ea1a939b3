"""What is not there: nights without a run, runs that measured nothing, series that stopped."""

from __future__ import annotations

import re
import statistics
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

from perfsuite.records import Absence, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from perfsuite.records import NightRun, Series

NIGHTS = 2
"""Nights without, by the device's own cadence, after which it is said."""
LEAST_NIGHTS = 3
"""Nights that a cadence can be told from."""
RECENT = 30
"""Nights that tell it."""
FORGOTTEN = 60
"""Nights without, after which a series or a device is history."""
NO_RUN = "no run"
RAN_NOTHING = "ran nothing"


def absences(
    runs: Sequence[NightRun], last: Mapping[Series, str], night: str, least: int = NIGHTS
) -> tuple[Absence, ...]:
    """All absences on a night, those of whole devices first.

    Args:
        runs: all, of every device.
        last: the last night of each series.
        night: of the evaluation; later runs take no part.
        least: nights without, after which it is said.
    """
    found: list[Absence] = []
    devices: dict[str, list[NightRun]] = {}
    for run in runs:
        if run.night <= night:
            devices.setdefault(run.device, []).append(run)
    for device, own in sorted(devices.items()):
        found += _of_device(device, own, night, least)
    for device, own in sorted(devices.items()):
        nights = _nights(run for run in own if run.outcome is not Outcome.NOTHING)
        series = {each: when for each, when in last.items() if each.device == device}
        found += _of_series(device, series, nights, least)
    return tuple(found)


def _nights(runs: Iterable[NightRun]) -> list[str]:
    return sorted({run.night for run in runs})


def _of_device(device: str, runs: Sequence[NightRun], night: str, least: int) -> list[Absence]:
    every = _nights(runs)
    if not every:
        return []
    found = []
    without = _Cadence.of(every).nights_without(every[-1], night)
    if least <= without <= FORGOTTEN:
        found.append(Absence(device, NO_RUN, every[-1], without))
    worked = _nights(run for run in runs if run.outcome is not Outcome.NOTHING)
    idle = [each for each in every if not worked or each > worked[-1]]
    if least <= len(idle) <= FORGOTTEN:
        found.append(Absence(device, RAN_NOTHING, worked[-1] if worked else "never", len(idle)))
    return found


@dataclass(frozen=True)
class _Cadence:
    """How many days lie between two nights of a device."""

    usual: float
    longest: float
    """Of the pauses that are usual too, such as weekends."""
    known: bool = True

    @classmethod
    def of(cls, nights: Sequence[str]) -> _Cadence:
        gaps = sorted(_days(a, b) for a, b in pairwise(nights[-RECENT:]))
        if len(nights) < LEAST_NIGHTS:
            return cls(1, 1, known=False)
        return cls(statistics.median(gaps), gaps[int(0.9 * (len(gaps) - 1))])

    def nights_without(self, last: str, night: str) -> int:
        """Nights of the cadence since the last; 0 within a usual pause."""
        days = _days(last, night)
        return int(days / self.usual) if self.known and days > self.longest else 0


def _days(first: str, second: str) -> int:
    return (date.fromisoformat(second) - date.fromisoformat(first)).days


def _of_series(device: str, last: Mapping[Series, str], nights: Sequence[str], least: int) -> list[Absence]:
    """Series that nights went on without: one line where a whole variant stopped."""
    without = {series: len(nights) - bisect_right(nights, when) for series, when in last.items()}
    variants: dict[tuple[str, str], list[Series]] = {}
    for series in sorted(last):
        variants.setdefault((series.workload, series.variant), []).append(series)
    found = []
    for (workload, variant), own in variants.items():
        stopped = [s for s in own if least <= without[s] <= FORGOTTEN and not _replaced(s, own, last)]
        latest = min((without[s] for s in own), default=0)
        if len(stopped) > 1 and latest >= least:
            newest = max(stopped, key=last.__getitem__)
            what = f"{variant}, {workload} on {device}"
            found.append(Absence(device, what, last[newest], without[newest]))
        else:
            found += [Absence(device, s.name, last[s], without[s]) for s in stopped]
    return found


def _replaced(series: Series, of_variant: Sequence[Series], last: Mapping[Series, str]) -> bool:
    """Whether another protocol took its place, or another figure of the same subject.

    A compilation is cold or warm, and of an operator that is gone there is no count.
    """
    subject = _subject(series.metric)
    return any(_subject(other.metric) == subject and last[other] > last[series] for other in of_variant)


def _subject(metric: str) -> str:
    return re.split("[,:]", metric)[0]
