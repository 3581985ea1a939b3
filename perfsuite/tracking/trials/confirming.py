"""What history nominated, decided by an A/B: the last good night's environment against the first bad one's.

Both run on this machine, now and in turns, so that what the machine did between the nights cancels out.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from perfsuite.environments import UNDER_TEST
from perfsuite.records import UNDECIDED, SeriesKind, Status, Trial
from perfsuite.tracking.bisection.candidates import of_runs
from perfsuite.tracking.bisection.search import Answer, BrokenError
from perfsuite.tracking.life.states import counts, tried
from perfsuite.tracking.trials.judging import is_size, is_timed, of_metric, settings_for
from perfsuite.tracking.trials.oracles import AbOracle, CountsOracle, OracleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from perfsuite.decision.paired import PairedSettings
    from perfsuite.environments import Builder
    from perfsuite.records import Change, NightRun, Verdict
    from perfsuite.store.history import History
    from perfsuite.tracking.bisection.candidates import Candidate
    from perfsuite.workers.ab import Plan

MOST_TRIALS = 5
"""A change that so many comparisons could not settle is left to a person."""
TRIES = 2
"""Comparisons in a row, each with twice the time of the one before."""


@dataclass(frozen=True)
class Means:
    """With what is compared."""

    builder: Builder
    plan: Plan
    """Of a first comparison; workload and variant are the change's."""
    packages: tuple[str, ...] = UNDER_TEST
    until: float | None = None
    """`time.monotonic` after which no comparison is begun."""
    progress: Callable[[str], None] = lambda line: None
    git: Callable[[str, str], str | None] = lambda package, version: None
    """The commit of a package's version, where a kept wheel tells it."""


@dataclass(frozen=True)
class Confirmed:
    """What came of one change."""

    change: Change
    trial: Trial


def waiting(changes: Sequence[Change], runs: Sequence[NightRun], device: str) -> list[Change]:
    """Changes of a device for the worse that want an A/B.

    One that could not be settled is tried again once there is a newer night, and not without end.
    """
    latest = max((run.date for run in runs), default="")
    return [
        change
        for change in changes
        if change.series.device == device and change.worse and change.state in UNDECIDED
        if not (tries := _tries(change)) or (tries[-1] < latest and len(tries) < MOST_TRIALS)
    ]


def _tries(change: Change) -> list[str]:
    """When this occurrence of it was asked an A/B; a bisection, or an occurrence before, is none."""
    return sorted(t.date for t in change.trials if t.purpose == "confirm" and counts(t, change))


def confirm(
    history: History, changes: Sequence[Change], runs: Sequence[NightRun], means: Means
) -> list[Confirmed]:
    """Decide each change; trials and states are stored as they come.

    Changes of one variant between the same two environments share an A/B.

    Raises:
        UnavailableError: the index is away, or there is no space; what was decided before is stored.
        HistoryError: the history cannot be written.
    """
    night = _tonight(runs)
    ends = _ends(runs, means)
    asked: dict[tuple[object, ...], _Compared] = {}
    found = []
    share = len({_question(change) for change in changes})
    for change in changes:
        if means.until is not None and time.monotonic() >= means.until:
            means.progress("the time is over; what is left is decided another night")
            break
        trial = _decide(change, ends, means, asked, share)
        history.add_trial(trial)
        changed = tried(replace(change, trials=(*change.trials, trial)), night)
        if history.save_changes([changed], [change]):
            means.progress(f"{change.series.name}: somebody decided on it meanwhile, and that holds")
            continue
        means.progress(f"{change.series.name}: {changed.state}: {trial.detail}")
        found.append(Confirmed(changed, trial))
    return found


def _tonight(runs: Sequence[NightRun]) -> str:
    """The latest night; a clock that was ahead makes none of the future."""
    today = datetime.now(UTC).date().isoformat()
    return min(max((run.night for run in runs), default=today), today)


def _question(change: Change) -> tuple[str, ...]:
    nomination, series = change.nomination, change.series
    exact = series.metric if series.kind is SeriesKind.EXACT else ""
    return series.workload, series.variant, exact, nomination.last_good, nomination.first_bad


def _ends(runs: Sequence[NightRun], means: Means) -> Mapping[str, tuple[Candidate, NightRun]]:
    """Night to what it ran."""
    by_night = {run.night: run for run in sorted(runs, key=lambda r: r.date)}
    return {night: (of_runs([run], means.packages, means.git)[0], run) for night, run in by_night.items()}


@dataclass(frozen=True)
class _Compared:
    """An A/B that several metrics are read from."""

    oracle: AbOracle
    cost_s: float


def _decide(
    change: Change,
    ends: Mapping[str, tuple[Candidate, NightRun]],
    means: Means,
    asked: dict[tuple[object, ...], _Compared],
    share: int,
) -> Trial:
    nomination, series = change.nomination, change.series
    missing = [night for night in (nomination.last_good, nomination.first_bad) if night not in ends]
    if missing:
        return _trial(
            change, {}, {}, Status.NOT_JUDGED, f"the history has no run of {', '.join(missing)} any more"
        )
    (good, good_run), (bad, bad_run) = ends[nomination.last_good], ends[nomination.first_bad]
    ends_of = (change, good.versions, bad.versions)
    if good.identity == bad.identity:
        return _same(change, good, bad, good_run, bad_run, _others(good_run, bad_run, means))
    began = time.monotonic()
    try:
        if series.kind is SeriesKind.EXACT or is_size(series.metric):
            return _unless(_others(good_run, bad_run, means), _exact(change, good, bad, means, began))
        if not is_timed(series.metric):
            return _trial(*ends_of, Status.NOT_JUDGED, f"an A/B does not measure {series.metric}")
        return _unless(_others(good_run, bad_run, means), _noisy(change, good, bad, means, asked, share))
    except (BrokenError, OracleError) as error:
        return _trial(*ends_of, Status.NOT_JUDGED, str(error), cost_s=time.monotonic() - began)


def _same(
    change: Change, good: Candidate, bad: Candidate, one: NightRun, two: NightRun, others: Sequence[str]
) -> Trial:
    """Nothing to compare: both nights ran the same."""
    detail = "both nights ran the same packages, so none of them did it"
    moved = [
        f"{name} {one.environment.surroundings.get(name, 'not set')} -> "
        f"{two.environment.surroundings.get(name, 'not set')}"
        for name in sorted({*one.environment.surroundings, *two.environment.surroundings})
        if one.environment.surroundings.get(name) != two.environment.surroundings.get(name)
    ]
    if moved:
        detail = f"{detail}; around them changed: {', '.join(moved)}; perfsuite track event tells of it"
    if one.commit != two.commit:
        detail = f"{detail}; the suite's own checkout went from {one.commit} to {two.commit}"
    return _unless(others, _trial(change, good.versions, bad.versions, Status.OK, detail))


def _others(one: NightRun, two: NightRun, means: Means) -> list[str]:
    """What changed between the nights and no A/B exchanges: each with its versions."""
    then, now = one.environment.versions, two.environment.versions
    return [
        f"{name} {then.get(name, 'none')} -> {now.get(name, 'none')}"
        for name in sorted({*then, *now} - set(means.packages))
        if then.get(name) != now.get(name)
    ]


def _unless(others: Sequence[str], trial: Trial) -> Trial:
    """That the exchanged packages make no difference says nothing where others changed as well."""
    if trial.verdict != Status.OK or not others:
        return trial
    said = f"others changed too, which no A/B exchanges: {', '.join(others)}; see --packages"
    return replace(trial, verdict=str(Status.NOT_JUDGED), detail=f"{trial.detail}; but {said}")


def _exact(change: Change, good: Candidate, bad: Candidate, means: Means, began: float) -> Trial:
    oracle = CountsOracle(means.builder, _plan(change, means), change.series.metric)
    reply = oracle(good, bad, 0)
    worse = Status.REGRESSED if change.worse else Status.IMPROVED
    status = Status.OK if reply.answer is Answer.OK else worse
    cost_s = time.monotonic() - began
    detail = f"counted in both environments: {reply.detail}"
    return _trial(change, good.versions, bad.versions, status, detail, reply.ratio, cost_s=cost_s)


def _noisy(
    change: Change,
    good: Candidate,
    bad: Candidate,
    means: Means,
    asked: dict[tuple[object, ...], _Compared],
    share: int,
) -> Trial:
    """By an A/B, with more time while it cannot tell."""
    key = (change.series.workload, change.series.variant, good.identity, bad.identity)
    settings = settings_for(change.nomination.ratio, share)
    ends_of = (change, good.versions, bad.versions)
    trial = None
    if key in asked:
        trial = _read(ends_of, asked[key], settings)
        if trial.verdict != Status.INCONCLUSIVE:
            return trial
    for effort in range(TRIES):
        oracle = AbOracle(means.builder, _plan(change, means), settings, progress=means.progress)
        began = time.monotonic()
        oracle(good, bad, effort)
        asked[key] = _Compared(oracle, time.monotonic() - began)
        trial = _read(ends_of, asked[key], settings)
        if trial.verdict != Status.INCONCLUSIVE:
            break
    assert trial is not None
    return trial


def _read(
    ends_of: tuple[Change, Mapping[str, str], Mapping[str, str]],
    compared: _Compared,
    settings: PairedSettings,
) -> Trial:
    found = compared.oracle.last
    assert found is not None
    metric = ends_of[0].series.metric
    verdict: Verdict | None = of_metric(found, metric, settings)
    if verdict is None:
        return _trial(*ends_of, Status.NOT_JUDGED, f"{metric} was not measured in an A/B of {found.design}")
    looked_for = abs(ends_of[0].nomination.ratio - 1)
    if verdict.status is Status.OK and looked_for <= (verdict.tolerance or 0.0):
        detail = f"{looked_for:.1%} is less than the {verdict.tolerance:.0%} that an A/B tells of {metric}"
        return _trial(*ends_of, Status.NOT_JUDGED, detail, verdict.ratio, verdict.interval, compared.cost_s)
    return _trial(*ends_of, verdict.status, verdict.detail, verdict.ratio, verdict.interval, compared.cost_s)


def _plan(change: Change, means: Means) -> Plan:
    return replace(means.plan, workload=change.series.workload, variant=change.series.variant)


def _trial(
    change: Change,
    base: Mapping[str, str],
    head: Mapping[str, str],
    status: Status,
    detail: str,
    ratio: float | None = None,
    interval: tuple[float, float] | None = None,
    cost_s: float = 0.0,
) -> Trial:
    date = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Trial(
        change.id, "confirm", dict(base), dict(head), str(status), ratio, interval, cost_s, date, detail
    )
