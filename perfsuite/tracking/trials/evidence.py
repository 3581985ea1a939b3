"""What one environment does, measured and counted now: to explain a difference by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from perfsuite.device import fingerprint
from perfsuite.measuring import Plan as SessionPlan
from perfsuite.store.sides import Evidence, Side
from perfsuite.tracking.bisection.search import BrokenError
from perfsuite.tracking.trials.oracles import OracleError, built, counts_of
from perfsuite.workers import Server, WorkerError, measure_session

if TYPE_CHECKING:
    from perfsuite.environments import Builder
    from perfsuite.tracking.bisection.candidates import Candidate
    from perfsuite.workers.ab import Plan

SESSION_S = 6.0
PROTOCOL = "as both sides were measured now"


def side_of(builder: Builder, candidate: Candidate, plan: Plan) -> Side:
    """One session and the counts of the plan's variant in an environment.

    Raises:
        OracleError: it cannot be measured.
        UnavailableError: the index is away, or there is no space.
    """
    try:
        environment = built(builder, candidate)
        counts = counts_of(environment, plan, candidate)
        with Server(environment.python) as server:
            session = measure_session(
                server.worker(plan.reply_limit_s),
                plan.workload,
                plan.variant,
                plan.device,
                plan.weights,
                SessionPlan(time_budget_s=SESSION_S),
                relative=False,
            )
    except (BrokenError, WorkerError) as error:
        raise OracleError(str(error).splitlines()[0]) from error
    label = ", ".join(f"{p} {v}" for p, v in candidate.versions.items())
    # An environment has versions of more than is under test; those that both have in common say nothing.
    session = replace(session, versions={**session.versions, **candidate.versions})
    evidence = Evidence(plan.workload, plan.variant, PROTOCOL, (session,), counts)
    return Side(Path(label), fingerprint(plan.device), {evidence.key: evidence})
