"""From what is asked to a search: along which states, with which oracle, and where the answer is stored."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from perfsuite.records import SeriesKind, State, Trial
from perfsuite.tracking.bisection.candidates import NoSuchCandidateError, between, of_runs, of_versions
from perfsuite.tracking.bisection.journal import BROKEN, Journal, Question
from perfsuite.tracking.bisection.running import bisect, culprit_of
from perfsuite.tracking.bisection.telling import link_of
from perfsuite.tracking.life.states import moved
from perfsuite.tracking.trials.judging import can_be_asked, is_timed, settings_for
from perfsuite.tracking.trials.oracles import AbOracle, CountsOracle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from perfsuite.environments import Builder, Index, WheelCache
    from perfsuite.records import Change, NightRun
    from perfsuite.store.history import History
    from perfsuite.tracking.bisection.candidates import Candidate
    from perfsuite.tracking.bisection.journal import Step
    from perfsuite.tracking.bisection.running import Named, Outcome
    from perfsuite.tracking.bisection.search import Reply
    from perfsuite.workers.ab import Comparison, Plan


@dataclass(frozen=True)
class Assignment:
    """One bisection, ready to begin."""

    question: Question
    candidates: tuple[Candidate, ...]
    package: str | None = None
    """That alone is exchanged."""
    change: Change | None = None
    """That the answer is stored with."""

    @property
    def name(self) -> str:
        """For a file."""
        asked = self.question
        if self.change is not None:
            # Of a change that returned, or whose nights are known better now, other questions are asked.
            digest = hashlib.sha256(json.dumps(asdict(asked), sort_keys=True).encode()).hexdigest()
            return f"{self.change.id}-{digest[:6]}"
        words = (asked.workload, asked.variant, asked.metric, *asked.packages[:1], asked.good, asked.bad)
        return "-".join("".join(c if c.isalnum() or c in ".+" else "_" for c in word) for word in words)


@dataclass(frozen=True)
class Means:
    """With what is compared, and where the steps are kept."""

    builder: Builder
    plan: Plan
    """Of a first comparison."""
    until: float | None = None
    """`time.monotonic` after which no step is begun."""
    told: Callable[[Step], None] = lambda step: None
    progress: Callable[[str], None] = lambda line: None
    made: dict[tuple[object, ...], Comparison] = field(default_factory=dict)
    """What was compared already, for other metrics too."""


def of_releases(question: Question, package: str, index: Index, wheels: WheelCache) -> Assignment:
    """Along the released versions of a package; pre-releases only where good or bad is one.

    Raises:
        NoSuchCandidateError: good or bad is no version, is not released, or they are in the wrong order.
        EnvironmentsError: the index does not have the package, or is away.
    """
    try:
        ends = [Version(question.good), Version(question.bad)]
    except InvalidVersion as error:
        raise NoSuchCandidateError(
            f"{error}: --good and --bad are two nights, as 2026-11-02, or two versions, as 0.40.0"
        ) from error
    every = index.released(package)
    if {Version(v) for v in every}.issuperset(ends):  # else an error names the nearest of all
        every = [v for v in every if _wanted(Version(v), ends)]
    exact = {Version(v): v for v in every}  # 0.42 is 0.42.0
    named = [exact.get(end, text) for end, text in zip(ends, (question.good, question.bad), strict=True)]
    candidates = between(of_versions(package, every, wheels.git), *named)
    return Assignment(question, tuple(candidates), package)


def _wanted(version: Version, ends: Sequence[Version]) -> bool:
    return version in ends or not version.is_prerelease or any(end.is_prerelease for end in ends)


def of_nights(
    question: Question, runs: Sequence[NightRun], wheels: WheelCache, package: str | None = None
) -> Assignment:
    """Along the nights of one device.

    Raises:
        NoSuchCandidateError: a night is not there, or both ran the same packages.
    """
    along = of_runs(runs, question.packages, wheels.git)
    candidates = between(along, question.good, question.bad)
    if package is not None and package not in question.packages:
        raise NoSuchCandidateError(f"--package {package}: under test are {', '.join(question.packages)}")
    return Assignment(question, tuple(candidates), package)


def of_change(
    change: Change, runs: Sequence[NightRun], wheels: WheelCache, packages: Sequence[str], plan: Plan
) -> Assignment:
    """Between the last good and the first bad night of a change."""
    series, nomination = change.series, change.nomination
    question = Question(
        workload=series.workload,
        variant=series.variant,
        metric=series.metric,
        device=series.device,
        weights=plan.weights,
        good=nomination.last_good,
        bad=nomination.first_bad,
        packages=tuple(packages),
        time_s=plan.time_s,
    )
    return replace(of_nights(question, runs, wheels), change=change)


def wanting(changes: Sequence[Change], device: str) -> list[Change]:
    """Confirmed changes for the worse of a device, exact ones first: they take one run a step."""
    found = [
        change
        for change in changes
        if change.series.device == device
        and change.worse
        and change.state in (State.CONFIRMED, State.BISECTING)
        and can_be_asked(change.series)
    ]
    return sorted(found, key=lambda c: (c.series.kind is not SeriesKind.EXACT, c.nomination.first_bad, c.id))


def run(assignment: Assignment, means: Means, log: Path, *, resume: bool) -> Outcome:
    """Search, writing each step to the log.

    Raises:
        BrokenError: good or bad cannot be measured.
        OracleError: nothing can be compared here.
        UnavailableError: the index is away, or there is no space.
        StoreError: the log cannot be read or written, or is of another question.
    """
    asked = assignment.question
    plan = replace(means.plan, workload=asked.workload, variant=asked.variant, weights=asked.weights)
    ab = None
    if is_timed(asked.metric):
        ab = AbOracle(means.builder, plan, metric=asked.metric, progress=means.progress, made=means.made)
        if assignment.change is not None:
            ab.settings = settings_for(assignment.change.nomination.ratio)
    oracle = ab or CountsOracle(means.builder, plan, asked.metric)
    journal = Journal(log, asked, oracle, means.until, means.told)
    journal.begin(resume=resume)

    def known(whole: Reply) -> None:
        if ab is not None and whole.ratio is not None:
            ab.settings = settings_for(whole.ratio)

    found = bisect(assignment.candidates, asked.packages, journal, assignment.package, known=known)
    if found.complete:
        journal.conclude({"reproduced": found.reproduced, "culprit": culprit_of(found, link)})
    return found


def link(named: Named) -> str | None:
    """The page of the commits between, where one package did it."""
    return link_of(named, named.packages[0]) if len(named.packages) == 1 else None


def trial_of(change: Change, step: Step) -> Trial:
    """A step as evidence of its change."""
    verdict = "NOT_JUDGED" if step.answer == BROKEN else step.answer
    return Trial(
        change.id, "bisect", step.base_versions, step.head_versions, verdict, step.ratio, step.interval,
        step.cost_s, step.date, step.detail,
    )  # fmt: skip


def store(history: History, change: Change, outcome: Outcome, night: str) -> Change:
    """The change with what was found, or as it is where that is to go on."""
    if outcome.found and outcome.complete:
        changed = moved(replace(change, culprit=culprit_of(outcome, link)), State.FOUND, night)
    elif outcome.complete:
        changed = moved(change, State.CONFIRMED, night)
    else:
        changed = moved(change, State.BISECTING, night)
    # What a person said of it while this ran holds.
    history.save_changes([changed], [change])
    return changed
