"""Whole sessions, each in a fresh process."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from perfsuite.measuring.session import Plan
from perfsuite.records import Hot, Profile, Session

if TYPE_CHECKING:
    from perfsuite.workers.client import Worker


def measure_session(
    worker: Worker,
    workload: str,
    variant: str,
    device: str = "auto",
    weights: str = "auto",
    plan: Plan | None = None,
    *,
    relative: bool = True,
) -> Session:
    """Measure one session in this worker, as the suite does in its own process.

    Raises `WorkerError`.
    """
    plan = plan or Plan()
    worker.ask("prepare", workload=workload, variant=variant, device=device, weights=weights)
    found = worker.ask(
        "session",
        variant=variant,
        plan=asdict(plan),
        relative_s=plan.time_budget_s if relative else 0.0,
    )
    return as_session(found)


def with_profile(
    session: Session,
    worker: Worker,
    workload: str,
    variant: str,
    device: str,
    weights: str,
    *,
    hot: bool = False,
) -> Session:
    """The session with a call profiled in this worker: where a profiler was, nothing more can be timed.

    Raises `WorkerError`.
    """
    worker.ask("prepare", workload=workload, variant=variant, device=device, weights=weights)
    from pydantic import TypeAdapter

    found = worker.ask("profile", variant=variant, hot=hot)
    profiled = TypeAdapter(Profile | None).validate_python(found["profile"])
    hottest = TypeAdapter(dict[str, Hot]).validate_python(found["hot"])
    return replace(session, profile=profiled, hot=hottest or session.hot)


def as_session(document: object) -> Session:
    """A session from the plain data that a worker answers."""
    from pydantic import TypeAdapter

    found: Session = TypeAdapter(Session).validate_json(json.dumps(document))
    return found
