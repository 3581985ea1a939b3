"""Evaluations and decisions on a stored history; what is decided is in the other files of this room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.tracking.decisions import decision, fresh, read
from perfsuite.tracking.life import states
from perfsuite.tracking.life.evaluate import Evidence, evaluate
from perfsuite.tracking.overview import overview, tracked
from perfsuite.tracking.rule import Standard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from perfsuite.records import Change, Overview, Series, Tracked
    from perfsuite.store.history import History
    from perfsuite.tracking.rule import Rule


def nominate(
    history: History, night: str, decisions: Path | None, now: str, rule: Rule | None = None
) -> tuple[list[Change], tuple[Change, ...]]:
    """Evaluate a night and save what moved; the changes before and after.

    Args:
        history: to read and write.
        night: ISO date; later nights take no part.
        decisions: file to take over what is new in it.
        now: date and time of decisions that have none.
        rule: that judges the series; None: the one that counts.

    Raises:
        StoreError: the history or the file cannot be read; nothing was saved.
        ValueError: a later night was evaluated before.
    """
    before = history.changes()
    _check_order(before, night)
    points, events, runs = list(history.all_points()), history.events(), history.runs()
    rule = rule or Standard(runs)
    after = evaluate(Evidence(points, events, before, runs), night, rule)
    said = read(decisions, after, now) if decisions is not None else ()
    new = fresh(said, [each for change in after for each in change.decisions], now)
    if new:
        by_id = {change.id: change for change in after}
        for each in new:
            by_id[each.change] = states.decided(by_id[each.change], each, night)
        after = evaluate(Evidence(points, events, tuple(by_id.values()), runs), night, rule)
    known = {change.id: change for change in before}
    # Only what moved: another command may have said something of the others meanwhile.
    history.save_changes([change for change in after if known.get(change.id) != change], before, new)
    return before, after


def _check_order(changes: list[Change], night: str) -> None:
    # Of what a person decided, the night is that of the latest run, whether it was evaluated or not.
    nights = [change.nominated if change.state in states.DECISIONS else change.since for change in changes]
    latest = max(nights, default="")
    if night < latest:
        raise ValueError(
            f"--night {night}: changes were evaluated until {latest} already; name that night or a later one"
        )


def decide(
    history: History, ids: Sequence[str], state: str, who: str, now: str, reason: str, until: str | None
) -> list[Change]:
    """Say one thing of some changes, and save it; the changes after it.

    Raises:
        ValueError: it makes no sense; nothing was saved.
        StoreError: it cannot be saved.
    """
    changes = {each.id: each for each in history.changes()}
    said = [decision(changes, id, state, who, now, reason, until) for id in ids]
    latest = min(max((run.night for run in history.runs()), default=now[:10]), now[:10])
    done = [states.decided(changes[each.change], each, latest) for each in said]
    history.save_changes(done, decisions=said)
    return done


def one_tracked(history: History, series: Series) -> Tracked:
    """One series with all that is known of it."""
    changes = [change for change in history.changes() if change.series == series]
    points, events = history.points(series), history.events(series.device)
    return tracked([(series, points)], events, changes, Standard(history.runs(series.device)))[0]


def full_overview(history: History, night: str) -> Overview:
    """Everything that a history says on a night, with all points and levels, to be drawn."""
    runs, changes = history.runs(), history.changes()
    until = ((series, [p for p in points if p.night <= night]) for series, points in history.all_points())
    events = [event for event in history.events() if event.night <= night]
    drawn = tracked((each for each in until if each[1]), events, changes, Standard(runs))
    return overview(night, runs, history.last_nights(night), changes, tracked=drawn)
