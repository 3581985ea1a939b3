"""``perfsuite bisect``."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfsuite.cli import completing
from perfsuite.cli.app import Comparison, app, to_stderr
from perfsuite.cli.tracking import options
from perfsuite.cli.tracking.database import DEFAULT, Db, opened
from perfsuite.records import OPEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from perfsuite.environments import Index, WheelCache
    from perfsuite.records import Change, NightRun
    from perfsuite.store.history import History
    from perfsuite.tracking.bisecting import Assignment, Means
    from perfsuite.tracking.bisection.journal import Question, Step
    from perfsuite.tracking.bisection.running import Outcome

LOGS = Path(".perfsuite/bisect")


@app.command(cls=Comparison)
def bisect(
    variant: Annotated[str | None, typer.Option(autocompletion=completing.variants)] = None,
    good: Annotated[str | None, typer.Option(help="the last good night, or version of --package")] = None,
    bad: Annotated[str | None, typer.Option(help="the first bad one")] = None,
    package: Annotated[
        str | None, typer.Option(help="exchange it alone; default: the one that carries it is found out")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option(help="id of a change, in place of --variant, --good and --bad")
    ] = None,
    confirmed: Annotated[
        bool, typer.Option("--confirmed", help="all confirmed changes of this device")
    ] = False,
    db: Db = DEFAULT,
    workload: Annotated[
        str, typer.Option(help="see: perfsuite list", autocompletion=completing.workloads)
    ] = "shapes",
    metric: Annotated[
        str, typer.Option(help="as perfsuite track list names it; a count takes one run a step")
    ] = "latency",
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or cuda:N", autocompletion=completing.places)
    ] = "auto",
    weights: Annotated[str, typer.Option(help="auto, hub, random, a folder or a file")] = "auto",
    time_s: Annotated[float, typer.Option("--time", min=1, help="seconds of one A/B, the first time")] = 60.0,
    limit: Annotated[float | None, typer.Option(min=0, help="minutes after which no step is begun")] = None,
    log: Annotated[Path | None, typer.Option(help=f"file of the steps; default: one below {LOGS}")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the steps of the log")] = False,
    explain: Annotated[bool, typer.Option(help="measure both sides of what was found, and compare")] = True,
    under_test: options.UnderTest = None,
    wheels: options.Wheels = None,
    wheels_limit: options.WheelsLimit = options.DEFAULT_LIMIT_GIB,
    index_url: options.IndexUrl = None,
    extra_index_url: options.ExtraIndexUrl = None,
    find_links: options.FindLinks = None,
    no_index: options.NoIndex = False,
) -> None:
    """Name package and nights, or versions, between which it got slower.

    Each middle is compared with both ends: by an A/B in lock step, or what is
    counted by one run.

    Exit code 0: named; 1: good and bad do not differ;
    2: not settled, or the time ran out; 3: wrong options, or it could not be
    compared.
    """
    with _told_with_3():
        asked = _Asked(
            variant, good, bad, package, tuple(change or ()), confirmed, workload, metric, device, weights,
            time_s, db, tuple(under_test or ()), limit, log, resume, explain,
        )  # fmt: skip
        asked.check()
        index = options.index_of(index_url, extra_index_url, find_links, no_index)
        code = _bisect(asked, options.wheels_of(wheels, wheels_limit), index)
    raise typer.Exit(code)


@dataclass(frozen=True)
class _Asked:
    """The options."""

    variant: str | None
    good: str | None
    bad: str | None
    package: str | None
    changes: tuple[str, ...]
    confirmed: bool
    workload: str
    metric: str
    device: str
    weights: str
    time_s: float
    db: str
    under_test: tuple[str, ...]
    limit: float | None
    log: Path | None
    resume: bool
    explain: bool

    def check(self) -> None:
        """Raise `ValueError` for options that do not go together."""
        from perfsuite.pipelines import variants, workloads

        of_history = bool(self.changes) or self.confirmed
        if of_history and (self.variant or self.good or self.bad):
            raise ValueError("--change and --confirmed name all: leave --variant, --good and --bad out")
        if self.log is not None and self.log.suffix == ".txt":
            raise ValueError(f"--log {self.log}: the text beside the log has that name; take another suffix")
        if self.confirmed and self.log is not None:
            raise ValueError(f"--confirmed has a log for each change, below {LOGS}: leave --log out")
        if not of_history:
            missing = [f"--{name}" for name in ("variant", "good", "bad") if not getattr(self, name)]
            if missing:
                raise ValueError(f"{', '.join(missing)}: wanted, or --change, or --confirmed")
            if not self.of_nights and self.package is None:
                raise ValueError(
                    f"--good {self.good} --bad {self.bad}: name two nights, as 2026-11-02, or the --package "
                    "whose released versions they are"
                )
            variants.get(str(self.variant))
            workloads.get(self.workload)

    @property
    def of_nights(self) -> bool:
        """Whether good and bad are dates."""
        return all(re.fullmatch(r"\d{4}-\d\d-\d\d", end or "") for end in (self.good, self.bad))

    @property
    def packages(self) -> tuple[str, ...]:
        """Under test."""
        if self.package is not None and not self.of_nights:
            return options.packages_of([self.package])
        return options.packages_of(list(self.under_test))

    def question(self, device: str) -> Question:
        """Of one bisection by hand."""
        from perfsuite.pipelines import variants, workloads
        from perfsuite.tracking.bisection.journal import Question

        return Question(
            workloads.get(self.workload).name, variants.get(str(self.variant)).name, self.metric, device,
            self.weights, str(self.good), str(self.bad), self.packages, self.time_s,
        )  # fmt: skip


@contextmanager
def _told_with_3() -> Iterator[None]:
    """What cannot be compared, in one line; the code that no outcome has."""
    from perfsuite.device import NoDeviceError
    from perfsuite.environments import EnvironmentsError
    from perfsuite.store import StoreError
    from perfsuite.tracking.bisection.search import BrokenError
    from perfsuite.tracking.trials.oracles import OracleError

    try:
        yield
    # Sides out of step are a RuntimeError; a traceback would exit with 1: no difference.
    except (
        StoreError, EnvironmentsError, NoDeviceError, BrokenError, OracleError, ValueError, RuntimeError,
        OSError,
    ) as error:  # fmt: skip
        typer.echo(f"perfsuite: {error}", err=True)
        raise typer.Exit(3) from error


def _bisect(asked: _Asked, wheels: WheelCache, index: Index) -> int:
    """All that is asked, one after the other; the exit code."""
    import tempfile

    from perfsuite.device import fingerprint
    from perfsuite.environments import Builder
    from perfsuite.tracking.bisecting import Means, of_nights, of_releases
    from perfsuite.workers.ab import Plan

    until = None if asked.limit is None else time.monotonic() + 60 * asked.limit
    plan = Plan(device=asked.device, weights=asked.weights, time_s=asked.time_s)
    with tempfile.TemporaryDirectory(prefix="perfsuite-bisect-") as name:
        means = Means(Builder(Path(name), wheels, index, to_stderr), plan, until, progress=to_stderr)
        by_hand = not (asked.changes or asked.confirmed)
        if by_hand and not asked.of_nights:
            question = asked.question(fingerprint(asked.device).slug)
            found = of_releases(question, question.packages[0], index, wheels)
            return _code(_searched(found, asked, means))
        history = opened(asked.db)
        device = options.device_in(history, asked.device)
        if not by_hand:
            return _changes(asked, history, device, wheels, means)
        assignment = of_nights(asked.question(device), history.runs(device), wheels, asked.package)
        return _code(_searched(assignment, asked, means))


def _changes(asked: _Asked, history: History, device: str, wheels: WheelCache, means: Means) -> int:
    """Each change in turn; its trials and its culprit are stored."""
    from perfsuite.tracking.bisecting import wanting
    from perfsuite.tracking.bisection.candidates import NoSuchCandidateError
    from perfsuite.tracking.bisection.search import BrokenError
    from perfsuite.tracking.trials.oracles import OracleError

    runs, codes = history.runs(device), [0]
    chosen = options.changes_named(history, device, asked.changes)
    for each in chosen:
        if each.state not in OPEN:
            raise ValueError(
                f"--change {each.id}: is {each.state}; what is searched is confirmed first: perfsuite track "
                f"confirm --change {each.id}, or perfsuite track decide {each.id} confirmed"
            )
    if asked.confirmed:
        chosen = wanting(history.changes(), device)
    if not chosen:
        typer.echo("no confirmed change of this device wants a bisection")
    for change in chosen:
        try:
            found = _of_change(change, asked, history, runs, wheels, means)
        # Of one change; others can be asked all the same.
        except (NoSuchCandidateError, BrokenError, OracleError) as error:
            typer.echo(f"perfsuite: {change.id}, {change.series.name}: {error}", err=True)
            codes.append(2)
        else:
            codes.append(_code(found))
    return max(codes)


def _of_change(
    change: Change,
    asked: _Asked,
    history: History,
    runs: Sequence[NightRun],
    wheels: WheelCache,
    means: Means,
) -> Outcome:
    """Search, and store what was found."""
    from perfsuite.tracking.bisecting import of_change, store, trial_of

    def told(step: Step) -> None:
        history.add_trial(trial_of(change, step))

    def keep(found: Outcome) -> None:
        store(history, change, found, min(max(run.night for run in runs), now[:10]))

    now = datetime.now(UTC).isoformat()
    assignment = of_change(change, runs, wheels, asked.packages, means.plan)
    return _searched(assignment, asked, replace(means, told=told), keep)


def _searched(
    assignment: Assignment, asked: _Asked, means: Means, keep: Callable[[Outcome], None] = lambda found: None
) -> Outcome:
    """One search, told step by step; the text of all of it lies beside the log.

    `keep` has the answer before it is explained: what fails then loses nothing.
    """
    from perfsuite.store.files import write_atomic
    from perfsuite.tracking.bisecting import run
    from perfsuite.tracking.bisection import telling

    log = asked.log or LOGS / f"{assignment.name}.jsonl"
    resume = asked.resume or (assignment.change is not None and log.exists())
    lines = [telling.asked(assignment.question)]
    typer.echo(lines[0])

    def told(step: Step) -> None:
        means.told(step)
        lines.append(telling.step(step))
        typer.echo(lines[-1])
        write_atomic(log.with_suffix(".txt"), ("\n".join(lines) + "\n").encode())

    found = run(assignment, replace(means, told=told), log, resume=resume)
    keep(found)
    said = telling.outcome(found)
    late = found.out_of_time or (means.until is not None and time.monotonic() >= means.until)
    if found.found and asked.explain and not late:
        said += _explained(assignment, found, means)
    typer.echo("\n".join(said))
    write_atomic(log.with_suffix(".txt"), ("\n".join([*lines, *said]) + "\n").encode())
    return found


def _code(found: Outcome) -> int:
    from perfsuite.tracking.bisection.search import Answer

    if found.found and not found.out_of_time:
        return 0
    return 1 if found.whole is not None and found.whole.answer is Answer.OK else 2


def _explained(assignment: Assignment, found: Outcome, means: Means) -> list[str]:
    """What differs between both sides of the largest culprit, measured now."""
    from perfsuite.bench.explanation import explain as find
    from perfsuite.report.explain import text
    from perfsuite.tracking.trials.evidence import side_of
    from perfsuite.tracking.trials.oracles import OracleError

    culprit = max(found.named, key=lambda named: named.culprit.reply.ratio or 1.0).culprit
    plan = replace(means.plan, workload=assignment.question.workload, variant=assignment.question.variant)
    try:
        sides = [side_of(means.builder, each, plan) for each in (culprit.good, culprit.bad)]
    except OracleError as error:
        return [f"What differs could not be measured: {error}"]
    return ["", *text(find(sides[0], sides[1], f"{plan.workload}/{plan.variant}")).splitlines()]
