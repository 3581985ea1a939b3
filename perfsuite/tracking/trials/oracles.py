"""Who is slower, two environments asked: an A/B in lock step, or counts, which need one run each."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from perfsuite.decision.paired import PairedSettings
from perfsuite.environments import EnvironmentsError, UnavailableError
from perfsuite.environments.building import same
from perfsuite.records import Counts, Result, Status
from perfsuite.store.history.metrics import families, figures
from perfsuite.structure.comparing import MEASURES
from perfsuite.tracking.bisection.search import Answer, BrokenError, Reply
from perfsuite.tracking.trials.counting import COMMANDS
from perfsuite.tracking.trials.judging import is_size, of_metric
from perfsuite.workers import Server, WorkerError
from perfsuite.workers.ab import SIDES, run_ab
from perfsuite.workers.client import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.environments import Builder, Built
    from perfsuite.tracking.bisection.candidates import Candidate
    from perfsuite.workers.ab import Comparison, Plan

MOST_TIMES = 4
"""How many times the seconds of a first comparison a later one takes, at most."""


SIZE_TOLERANCE = MEASURES["peak_bytes"].fraction


class OracleError(Exception):
    """No comparison here says anything, whatever the versions: no such variant, no such device."""


@dataclass
class AbOracle:
    """What is timed, by `perfsuite ab`."""

    builder: Builder
    plan: Plan
    settings: PairedSettings = field(default_factory=PairedSettings)
    metric: str = "latency"
    progress: Callable[[str], None] = lambda line: None
    last: Comparison | None = None
    """The latest comparison, with all its figures."""
    made: dict[tuple[object, ...], Comparison] = field(default_factory=dict)
    """Comparisons of this search and of others: several metrics of one variant are read from one."""

    def __call__(self, base: Candidate, head: Candidate, effort: int) -> Reply:
        """See `Oracle`. Raises `UnavailableError` and `OracleError` for what is nobody's fault."""
        plan = self.plan
        key = (plan.workload, plan.variant, base.identity, head.identity, effort, self.settings)
        found = self.made.get(key) or self._compare(base, head, effort)
        self.last = self.made[key] = found
        verdict = of_metric(found, self.metric, self.settings)
        if verdict is None or verdict.status not in _ANSWERS:
            raise OracleError(f"{self.metric} cannot be judged by an A/B of {found.design}")
        return Reply(_ANSWERS[verdict.status], verdict.ratio, verdict.interval, verdict.detail)

    def _compare(self, base: Candidate, head: Candidate, effort: int) -> Comparison:
        pythons = {side: built(self.builder, c) for side, c in zip(SIDES, (base, head), strict=True)}
        times = min(2**effort, MOST_TIMES)
        plan = replace(self.plan, time_s=self.plan.time_s * times, seed=effort)
        with (
            tempfile.TemporaryDirectory(prefix="perfsuite-oracle-") as folder,
            Server(pythons["base"].python) as one,
            Server(pythons["head"].python) as other,
        ):
            try:
                _started(one, other)
                found = run_ab({"base": one, "head": other}, plan, Path(folder), self.settings, self.progress)
            except RefusedError as error:
                raise OracleError(str(error)) from error
            except WorkerError as error:
                raise BrokenError(_at_fault(str(error), pythons, base, head), _short(error)) from error
            except (RuntimeError, ValueError) as error:
                # Of these two alone: pieces that run in another order cannot take turns.
                raise BrokenError(None, str(error)) from error
        for side, candidate in zip(SIDES, (base, head), strict=True):
            _check_ran(candidate, found.facts[side].versions)
        return found


_ANSWERS = {
    Status.OK: Answer.OK,
    Status.IMPROVED: Answer.OK,
    Status.REGRESSED: Answer.REGRESSED,
    Status.INCONCLUSIVE: Answer.INCONCLUSIVE,
}


@dataclass
class CountsOracle:
    """One exact metric: any difference is one. Each environment is counted once."""

    builder: Builder
    plan: Plan
    metric: str
    """As in the history: ``operators: aten.clone in BasicTransformerBlock``."""
    counted: dict[tuple[tuple[str, str], ...], int] = field(default_factory=dict)

    def __call__(self, base: Candidate, head: Candidate, effort: int) -> Reply:
        """See `Oracle`."""
        before, after = self._count(base), self._count(head)
        same = abs(after - before) <= (SIZE_TOLERANCE * before if is_size(self.metric) else 0)
        answer = Answer.OK if same else Answer.REGRESSED
        ratio = after / before if before else None
        return Reply(answer, ratio, None, f"{before} before, {after} after")

    def _count(self, candidate: Candidate) -> int:
        key = candidate.identity
        if key not in self.counted:
            counts = counts_of(built(self.builder, candidate), self.plan, candidate)
            result = Result(self.plan.workload, self.plan.variant, "", counts=counts)
            family, _, _ = self.metric.partition(":")
            known = {each.name: each.counts for each in families(result)}
            sizes = {each.metric: round(each.value or 0) for each in figures(result, "")}
            if family not in known and self.metric not in sizes:
                said = "; ".join(counts.absent.values()) or f"counted were {', '.join((*known, *sizes))}"
                raise OracleError(f"{self.metric} of {self.plan.variant} cannot be counted here: {said}")
            found = known[family].get(self.metric, 0) if family in known else sizes[self.metric]
            self.counted[key] = found
        return self.counted[key]


def _started(*servers: Server) -> None:
    """Until all have imported torch, side by side: on a busy machine that would eat the time of the pairs."""
    for server in servers:
        server.launch()
    for server in servers:
        server.worker().close()


def built(builder: Builder, candidate: Candidate) -> Built:
    """Its environment. Raises `BrokenError`, or `UnavailableError` where it is not the version's fault."""
    try:
        return builder.build(candidate.versions, candidate.git)
    except UnavailableError:
        raise
    except EnvironmentsError as error:
        raise BrokenError(candidate, str(error)) from error


def counts_of(environment: Built, plan: Plan, candidate: Candidate) -> Counts:
    """All counts of the plan's variant there. Raises `BrokenError` and `OracleError`."""
    from pydantic import TypeAdapter

    with Server(environment.python, commands=COMMANDS) as server:
        try:
            worker = server.worker(plan.reply_limit_s)
            worker.ask(
                "prepare",
                workload=plan.workload,
                variant=plan.variant,
                device=plan.device,
                weights=plan.weights,
            )
            _check_ran(candidate, worker.hello["versions"])
            return TypeAdapter(Counts).validate_python(worker.ask("counts", variant=plan.variant))
        except RefusedError as error:
            raise OracleError(str(error)) from error
        except WorkerError as error:
            raise BrokenError(candidate, _short(error)) from error


def _check_ran(candidate: Candidate, versions: dict[str, str]) -> None:
    """The process that measured must have had what the candidate names."""
    for package, version in candidate.versions.items():
        ran = versions.get(package)
        if ran is not None and not same(ran, version):
            raise BrokenError(candidate, f"{package} {version} was to be measured, and the process had {ran}")


def _at_fault(said: str, pythons: dict[str, Built], base: Candidate, head: Candidate) -> Candidate | None:
    """The side whose interpreter an error names."""
    named = [side for side in SIDES if said.startswith(f"{pythons[side].python}:")]
    return {"base": base, "head": head}[named[0]] if len(named) == 1 else None


def _short(error: WorkerError) -> str:
    """First and last line: what was done, and what came of it."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if len(lines) == 1 else f"{lines[0]} … {lines[-1].strip()}"
