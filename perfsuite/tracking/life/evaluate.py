"""The evaluation of one night: what is known and what the history says, to the changes as they are now.

A second evaluation of the same night changes nothing: what moved a change the first time no longer holds, or
holds of the same state.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from perfsuite.records import Outcome, SeriesKind, State
from perfsuite.tracking.life import sizes, states
from perfsuite.tracking.life.matching import covers, matched, returns
from perfsuite.tracking.life.states import Sight

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from perfsuite.records import Change, HistoryEvent, Level, NightRun, Nomination, Point, Series
    from perfsuite.tracking.rule import Rule


@dataclass(frozen=True)
class Evidence:
    """What an evaluation is made from."""

    points: Iterable[tuple[Series, Sequence[Point]]]
    events: Sequence[HistoryEvent] = ()
    changes: Sequence[Change] = ()
    """As they were saved, with their trials and decisions."""
    runs: Sequence[NightRun] = ()
    """Of all devices, in the order of their nights."""


def evaluate(evidence: Evidence, night: str, rule: Rule) -> tuple[Change, ...]:
    """Every change, as it is after `night`; points of later nights take no part."""
    of_series: dict[Series, list[Change]] = {}
    for change in evidence.changes:
        of_series.setdefault(change.series, []).append(change)
    ran = _by_device(evidence.runs, night)
    taken = {change.id for change in evidence.changes}
    found: list[Change] = []
    # A series that has no point keeps what is known of it.
    points = itertools.chain(evidence.points, ((series, ()) for series in of_series))
    done: set[Series] = set()
    for series, each in points:
        if series in done:
            continue
        done.add(series)
        fit = [p for p in sizes.judged(each) if p.night <= night]
        runs = ran.get(series.device, [])
        evening = _Evening(series, fit, epochs(series, evidence.events), night, runs, rule, taken)
        found += evening.evaluate(of_series.get(series, []))
    return tuple(found)


def _by_device(runs: Iterable[NightRun], night: str) -> dict[str, list[NightRun]]:
    """The runs until the night that measured anything."""
    found: dict[str, list[NightRun]] = {}
    for run in runs:
        if run.night <= night and run.outcome is not Outcome.NOTHING:
            found.setdefault(run.device, []).append(run)
    return found


def epochs(series: Series, events: Sequence[HistoryEvent]) -> list[str]:
    """The first nights of the epochs that known events began, for this series."""
    return sorted({event.night for event in begun(series, events)})


def begun(series: Series, events: Sequence[HistoryEvent]) -> list[HistoryEvent]:
    """The events that hold for the series."""
    own = (None, series.workload, f"{series.workload}/{series.variant}")
    return [e for e in events if e.device == series.device and e.workload in own]


@dataclass
class _Evening:
    """One series on one night."""

    series: Series
    points: Sequence[Point]
    epochs: Sequence[str]
    night: str
    runs: Sequence[NightRun]
    rule: Rule
    taken: set[str]
    """Ids of all series: one that was renamed takes its ids along."""
    _levels: tuple[Level, ...] | None = None

    def evaluate(self, known: Sequence[Change]) -> list[Change]:
        if not self.points:
            return [self._advance(change, None) for change in known]
        accepted = [change.nomination.first_bad for change in known if change.state in states.HELD]
        nominations = self.rule.nominations(self.series, self.points, self.epochs, accepted)
        nights = sorted({p.night for p in self.points})
        pairs, rest = matched(known, nominations, nights)
        current = [self._advance(change, pairs.get(change.id)) for change in known]
        for nomination in rest:
            self._take(nomination, current)
        return current

    def _take(self, nomination: Nomination, current: list[Change]) -> None:
        """A step that is none of the known: the return of one, or new; over already, it is no news."""
        known = (covers(change, nomination) or self._is_view(nomination, change) for change in current)
        if self._is_back(nomination) or any(known):
            return
        for i, change in enumerate(current):
            if returns(change, nomination):
                current[i] = states.returned(change, self.night, nomination, self.epochs)
                return
        worse = sizes.is_worse(self.series, nomination)
        id = change_id(self.series, nomination, self.taken)
        self.taken.add(id)
        current.append(states.born(id, self.series, nomination, worse, self.night, self.epochs))

    def _is_view(self, nomination: Nomination, change: Change) -> bool:
        """Whether it is a known step in another view, of a night when a pause before it is not seen."""
        if self.series.kind is SeriesKind.EXACT or change.state not in states.WATCHED:
            return False
        same_way = sizes.is_up(nomination) == sizes.is_up(change.nomination)
        return same_way and any(
            level.first == nomination.first_bad and sizes.spans(level, change.nomination)
            for level in self._segments()
        )

    def _advance(self, change: Change, nomination: Nomination | None) -> Change:
        versions = self.runs[-1].environment.versions if self.runs else {}
        return states.advance(change, self.night, self._sight(change, nomination), versions, self.epochs)

    def _sight(self, change: Change, nomination: Nomination | None) -> Sight:
        if change.state not in (*states.WATCHED, State.RECOVERED) or not self.points:
            return Sight(nomination, back=None)
        vanished = (
            nomination is None
            and self.series.kind is SeriesKind.NOISY
            and sizes.has_vanished(change.nomination, self._segments())
        )
        nights = tuple(sorted({run.night for run in self.runs}))
        return Sight(nomination, self._is_back(nomination or change.nomination), vanished, nights)

    def _is_back(self, nomination: Nomination) -> bool | None:
        if self.series.kind is SeriesKind.EXACT:
            return sizes.exact_is_back(nomination, self.points)
        return sizes.noisy_is_back(nomination, self._segments(), self.points, self.epochs)

    def _segments(self) -> tuple[Level, ...]:
        if self._levels is None:
            self._levels = self.rule.levels(self.series, self.points, self.epochs)
        return self._levels


def change_id(series: Series, nomination: Nomination, taken: set[str]) -> str:
    """Ten hexadecimal digits of the series and the first bad night as first nominated.

    A step that was nominated there first, and has since been seen on another night, keeps the id.
    """
    words = [*map(str, astuple(series)), nomination.first_bad, "up" if sizes.is_up(nomination) else "down"]
    while True:
        id = hashlib.sha256("\n".join(words).encode()).hexdigest()[:10]
        if id not in taken:
            return id
        words.append("again")
