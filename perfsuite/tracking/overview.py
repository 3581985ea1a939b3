"""Everything that a history says on one night, as it is listed and drawn."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import TYPE_CHECKING

from perfsuite.records import Overview, SeriesKind, Tracked
from perfsuite.tracking.absences import NIGHTS, absences
from perfsuite.tracking.grouping import groups, is_open, is_undecided
from perfsuite.tracking.life import sizes
from perfsuite.tracking.life.evaluate import begun, epochs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from perfsuite.records import Change, ChangeGroup, HistoryEvent, NightRun, Point, Series
    from perfsuite.tracking.rule import Rule

HEALTH_NIGHTS = 90
"""Nights whose changes tell whether the process itself is sound."""


def overview(
    night: str,
    runs: Sequence[NightRun],
    last: Mapping[Series, str],
    changes: Sequence[Change],
    *,
    tracked: Sequence[Tracked] = (),
    least: int = NIGHTS,
) -> Overview:
    """What is listed, without a look at the points.

    Args:
        night: of the evaluation.
        runs: of all devices.
        last: the last night of each series.
        changes: as saved by the last evaluation.
        tracked: the series with their points, for whoever draws them.
        least: nights without a run, or a series, after which it is said.
    """
    shown = tuple(run for run in runs if run.night <= night)
    grouped = groups(changes, list(last))
    away = absences(shown, last, night, least)
    worse, better = health(grouped, night)
    return Overview(night, shown, tuple(tracked), grouped, away, worse, better)


def health(grouped: Iterable[ChangeGroup], night: str) -> tuple[int, int]:
    """Groups of changes for the worse and for the better, of noisy series, in the last nights.

    A sound process finds both; of a broken one all findings point the same way. A group is one finding,
    however many series show it.
    """
    first = (date.fromisoformat(night) - timedelta(days=HEALTH_NIGHTS)).isoformat()
    found = set()
    for group in grouped:
        for change in group.changes:
            if change.series.kind is SeriesKind.NOISY and first < change.nomination.first_bad <= night:
                found.add((group.id, change.worse))
    worse = sum(worse for _, worse in found)
    return worse, len(found) - worse


def is_one_sided(worse: int, better: int) -> bool:
    """Whether so few changes for the better are less likely than once in a thousand."""
    every = worse + better
    return sum(math.comb(every, n) for n in range(better + 1)) / 2**every < 0.001


def exit_code(of: Overview) -> int:
    """What a nightly job ends with: 0 nothing open, 1 something open, 3 something undecided or missing."""
    if any(map(is_open, of.groups)):
        return 1
    return 3 if of.absences or any(map(is_undecided, of.groups)) else 0


def tracked(
    points: Iterable[tuple[Series, Sequence[Point]]],
    events: Sequence[HistoryEvent],
    changes: Iterable[Change],
    rule: Rule,
) -> tuple[Tracked, ...]:
    """Every series with its points, levels, epochs and changes, by name."""
    of_series: dict[Series, list[Change]] = {}
    for change in changes:
        of_series.setdefault(change.series, []).append(change)
    found = []
    for series, each in points:
        fit = sizes.judged(each)
        noisy = series.kind is SeriesKind.NOISY and fit
        levels = rule.levels(series, fit, epochs(series, events)) if noisy else ()
        own = tuple(of_series.get(series, ()))
        found.append(Tracked(series, tuple(each), levels, tuple(begun(series, events)), own))
    return tuple(sorted(found, key=lambda one: one.series))


def night_of(runs: Iterable[NightRun], today: str) -> str:
    """The night that is meant where none is named: the latest that has a run, and yesterday at the earliest.

    Today's run may be still to come; a clock that was ahead makes no night of the future.
    """
    yesterday = (date.fromisoformat(today) - timedelta(days=1)).isoformat()
    latest = max((run.night for run in runs), default=yesterday)
    return min(max(latest, yesterday), today)
