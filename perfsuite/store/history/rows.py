"""Rows to records and back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from perfsuite.records import (
    Change,
    Decision,
    Environment,
    HistoryEvent,
    NightRun,
    Nomination,
    Outcome,
    Point,
    Series,
    SeriesKind,
    Shape,
    State,
    Trial,
)
from perfsuite.store.history.tables import IDENTITY

if TYPE_CHECKING:
    from sqlalchemy import Row


def run_of(row: Row[Any]) -> NightRun:
    """From a run beside the name of its device and its environment."""
    environment = Environment(row.environment, row.versions, row.git, row.surroundings)
    return NightRun(
        row.id, row.night, row.date, row.device_name, environment, Outcome(row.outcome), row.commit,
        tuple(row.missing),
    )  # fmt: skip


def series_of(row: Row[Any]) -> Series:
    """From a series beside the name of its device."""
    return Series(
        row.device_name, row.workload, row.protocol, row.variant, row.metric, row.unit, SeriesKind(row.kind),
        row.higher_is_better,
    )  # fmt: skip


def identity_of(series: Series) -> dict[str, Any]:
    """What tells it from others of its device, by column."""
    return {name: getattr(series, name) for name in IDENTITY}


def point_of(
    night: str, run: str, value: float | None, error: float | None, samples: int, excluded: str
) -> Point:
    """From a point, column by column: there are many."""
    return Point(night, run, math.nan if value is None else value, error, samples, excluded)


def count_of(night: str, run: str, value: float) -> Point:
    """From what the rows of a count say of one run."""
    return Point(night, run, value)


def event_of(row: Row[Any]) -> HistoryEvent:
    """From an event beside the name of its device."""
    return HistoryEvent(row.device_name, row.night, row.kind, row.text, row.workload)


def change_of(
    row: Row[Any], series: Series, trials: tuple[Trial, ...], decisions: tuple[Decision, ...]
) -> Change:
    """From a change and what belongs to it."""
    nomination = Nomination(
        Shape(row.shape), row.last_good, row.first_bad, row.before, row.after, _pair(row.interval),
        row.statistic, row.rule,
    )  # fmt: skip
    return Change(
        row.id, series, nomination, State(row.state), row.worse, row.nominated, row.since, row.culprit,
        trials, decisions, row.times_reopened,
    )  # fmt: skip


def values_of_change(change: Change) -> dict[str, Any]:
    """Of a change without what belongs to it, by column."""
    of = change.nomination
    return {
        "id": change.id, "shape": of.shape.value, "last_good": of.last_good, "first_bad": of.first_bad,
        "before": of.before, "after": of.after, "interval": of.interval, "statistic": of.statistic,
        "rule": of.rule, "state": change.state.value, "worse": change.worse, "nominated": change.nominated,
        "since": change.since, "culprit": dict(change.culprit), "times_reopened": change.times_reopened,
    }  # fmt: skip


def trial_of(row: Row[Any]) -> Trial:
    """From a trial."""
    return Trial(
        row.change, row.purpose, row.base, row.head, row.verdict, row.ratio, _pair(row.interval), row.cost_s,
        row.date, row.detail,
    )  # fmt: skip


def values_of_trial(trial: Trial) -> dict[str, Any]:
    """By column."""
    return {
        "change": trial.change, "purpose": trial.purpose, "base": dict(trial.base), "head": dict(trial.head),
        "verdict": trial.verdict, "ratio": trial.ratio, "interval": trial.interval, "cost_s": trial.cost_s,
        "date": trial.date, "detail": trial.detail,
    }  # fmt: skip


def decision_of(row: Row[Any]) -> Decision:
    """From a decision."""
    return Decision(row.change, State(row.state), row.who, row.date, row.reason, row.until)


def values_of_decision(decision: Decision) -> dict[str, Any]:
    """By column."""
    return {
        "change": decision.change, "state": decision.state.value, "who": decision.who, "date": decision.date,
        "reason": decision.reason, "until": decision.until,
    }  # fmt: skip


def _pair(interval: Any) -> tuple[float, float] | None:
    return None if interval is None else (interval[0], interval[1])


def values_of_environment(environment: Environment) -> dict[str, Any]:
    """By column."""
    return {
        "id": environment.id, "versions": dict(environment.versions), "git": dict(environment.git),
        "surroundings": dict(environment.surroundings),
    }  # fmt: skip
