"""The states of a change, and what moves it from one to the next.

Nominated by history; confirmed, shown to be the machine's, or left unconfirmed by an A/B; found by bisection;
acknowledged, accepted, ignored or called fixed by a person; recovered by itself; open again on its return.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from perfsuite.records import OPEN, UNDECIDED, Change, SeriesKind, State, Status
from perfsuite.tracking.life.until import Until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfsuite.records import Decision, Nomination, Series, Trial

DECISIONS = (State.ACKNOWLEDGED, State.ACCEPTED, State.IGNORED, State.FIXED, State.CONFIRMED)
"""States that a person may choose; the last opens a change again."""
WATCHED = (*UNDECIDED, *OPEN, State.ACKNOWLEDGED, State.IGNORED, State.FIXED)
"""States that end by themselves when the level is back."""
CLOSED = (State.RECOVERED, State.FIXED, State.IGNORED, State.ACCEPTED)
"""States that a change can come back from."""
HELD = (State.ACCEPTED, State.DRIFTED)
"""States whose new level is the one that later nights are compared with."""
FIXED_NIGHTS = 5
"""Nights that the device measured on, after which the level of a change that is called fixed must be back."""


@dataclass(frozen=True)
class Sight:
    """What the history says tonight of a change that is known."""

    nomination: Nomination | None = None
    """The same step, as the rule sees it tonight; None where it sees none."""
    back: bool | None = False
    """Whether the level is back; None where that cannot be told."""
    vanished: bool = False
    """Whether, with more nights, there is no step at all."""
    nights: tuple[str, ...] = ()
    """On which the device measured."""


def born(
    id: str, series: Series, nomination: Nomination, worse: bool, night: str, epochs: Sequence[str] = ()
) -> Change:
    """A change that nobody knew."""
    state = _entry(series, nomination, epochs)
    return Change(id, series, nomination, state, worse, nominated=night, since=night)


def _entry(series: Series, nomination: Nomination, epochs: Sequence[str]) -> State:
    """What is exact needs no A/B, unless a new driver or machine came on the same night."""
    explained = any(nomination.last_good < epoch <= nomination.first_bad for epoch in epochs)
    exact = series.kind is SeriesKind.EXACT and not explained
    return State.CONFIRMED if exact else State.NOMINATED


def advance(
    change: Change, night: str, sight: Sight, versions: Mapping[str, str], epochs: Sequence[str] = ()
) -> Change:
    """The change after a night.

    Args:
        change: as it was, with all its trials.
        night: that is evaluated.
        sight: what the history says of it.
        versions: of the latest run on the device, package to version.
        epochs: first nights of the epochs of its series.
    """
    change = tried(_sharpened(change, sight.nomination), night)
    gone = sight.back or (sight.vanished and change.state in UNDECIDED)
    if change.state in WATCHED and gone:
        return moved(change, State.RECOVERED, night)
    if change.state is State.RECOVERED and sight.nomination is not None and sight.back is False:
        return returned(change, night, sight.nomination, epochs)
    if change.state is State.IGNORED and _is_over(change, night, versions):
        return reopened(change, night)
    if change.state is State.FIXED and sight.back is False:
        without = [each for each in sight.nights if each > change.since]
        if len(without) >= FIXED_NIGHTS:
            return reopened(change, night)
    return change


def _sharpened(change: Change, seen: Nomination | None) -> Change:
    """With tonight's view of its step, while that can still help; what was tried or decided on stays."""
    if seen is None or seen == change.nomination:
        return change
    known = change.nomination
    within = known.last_good <= seen.last_good and seen.first_bad <= known.first_bad
    if change.state in UNDECIDED or (change.state is State.CONFIRMED and within):
        return replace(change, nomination=seen)
    return change


def tried(change: Change, night: str) -> Change:
    """The change after its last A/B, unless something later was said of it."""
    trials = [t for t in change.trials if t.purpose == "confirm" and counts(t, change)]
    if not trials or change.state not in (*UNDECIDED, State.DRIFTED):
        return change
    return moved(change, _outcome(max(trials, key=lambda t: t.date), change), night)


def was_confirmed(change: Change) -> bool:
    """Whether an A/B has shown this occurrence of it; what is exact shows itself."""
    trials = (t for t in change.trials if t.purpose == "confirm" and counts(t, change))
    return change.series.kind is SeriesKind.EXACT or any(
        _outcome(t, change) is State.CONFIRMED for t in trials
    )


def counts(trial: Trial, change: Change) -> bool:
    """An A/B of an earlier occurrence says nothing of the return."""
    return trial.date[:10] >= change.nominated


def _outcome(trial: Trial, change: Change) -> State:
    """An A/B that finds nothing, or the contrary, leaves only the machine to have moved."""
    wanted, contrary = Status.REGRESSED, Status.IMPROVED
    if not change.worse:
        wanted, contrary = contrary, wanted
    if trial.verdict == wanted:
        return State.CONFIRMED
    return State.DRIFTED if trial.verdict in (Status.OK, contrary) else State.UNCONFIRMED


def _is_over(change: Change, night: str, versions: Mapping[str, str]) -> bool:
    """Whether an ignored change is to be looked at again."""
    said = [d for d in change.decisions if d.state is State.IGNORED and d.until is not None]
    if not said:
        return False
    until = max(said, key=lambda d: d.date).until
    return until is not None and Until.of(until).is_over(night, versions)


def decided(change: Change, decision: Decision, night: str) -> Change:
    """The change after what a person said of it."""
    change = replace(change, decisions=(*change.decisions, decision))
    if decision.state is State.CONFIRMED and change.state in CLOSED:
        change = replace(change, times_reopened=change.times_reopened + 1)
    return moved(change, decision.state, night)


def reopened(change: Change, night: str) -> Change:
    """The change open again, under its own id: confirmed if it ever was."""
    again = replace(change, times_reopened=change.times_reopened + 1)
    return moved(again, State.CONFIRMED if was_confirmed(change) else State.NOMINATED, night)


def returned(change: Change, night: str, nomination: Nomination, epochs: Sequence[str] = ()) -> Change:
    """The change as a new step of a noisy series, which wants an A/B of its own."""
    # What nobody was told of does not open again.
    times = change.times_reopened + was_confirmed(change)
    again = replace(change, nomination=nomination, nominated=night, culprit={}, times_reopened=times)
    return moved(again, _entry(change.series, nomination, epochs), night)


def moved(change: Change, state: State, night: str) -> Change:
    """The change in a state, since tonight if it was in another."""
    return change if change.state is state else replace(change, state=state, since=night)
