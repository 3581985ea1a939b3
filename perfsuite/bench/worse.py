"""What may get worse besides latency: memory and start, judged from the session that timed the calls."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from perfsuite.bench.hand import key_of
from perfsuite.decision import amount_verdicts, session_amounts
from perfsuite.decision.growth import growths
from perfsuite.decision.once_more import judge_once_more
from perfsuite.decision.surroundings import alike, named_first
from perfsuite.device.held import is_exact
from perfsuite.measuring import Plan
from perfsuite.pipelines import models
from perfsuite.records import CodeSource, Quantity
from perfsuite.workers import Server, WorkerError, measure_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from perfsuite.bench.hand import Hand
    from perfsuite.bench.ledger import Ledger
    from perfsuite.bench.once_more import OnceMore
    from perfsuite.decision.session_amounts import Amount
    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Entry, Session, Workload
    from perfsuite.settings import Settings

AGAIN_BUDGET_S = 1.0
"""Of their timed rounds, which are not what is asked."""


class _Case(NamedTuple):
    """One figure of one session, and how to find it in others."""

    workload: Workload
    variant: Variant
    session: Session
    amount: Amount
    of: Callable[[Session], Amount | None]


class Worse:
    """Judges memory and start of one run's sessions."""

    def __init__(self, settings: Settings, hand: Hand, ledger: Ledger, once_more: OnceMore) -> None:
        self._settings, self._hand, self._ledger = settings, hand, ledger
        self._once_more = once_more
        self._again_of: dict[tuple[str, bool], list[Session]] = {}
        """Of fresh processes, by variant and by whether they compiled anew: all suspects of it share them."""

    def memory(self, workload: Workload, variant: Variant, session: Session) -> tuple[Quantity, ...]:
        """Growth over calls, and peak memory; on a GPU also what torch reserved of it."""
        kind = self._hand.device.kind
        found = growths(session.memory, exact=is_exact()) if session.memory is not None else []
        for amount in session_amounts.memories(session, kind, workload):
            of = partial(session_amounts.named_memory, amount.name, kind)
            found.append(self._judged(_Case(workload, variant, session, amount, of)))
        return tuple(found)

    def start(self, workload: Workload, variant: Variant, session: Session) -> tuple[Quantity, ...]:
        """Import, build, first call and compiling; of each part the figure of that name in what is stored.

        Of a session that was asked for what later processes compile, see `OnceMore.ask`."""
        found = [
            self._judged(
                _Case(workload, variant, session, amount, partial(session_amounts.named, amount.name))
            )
            for amount in session_amounts.starts(session)
        ]
        entry = self._comparable(workload, variant, session)
        stored = entry.sessions if entry is not None else ()
        once_more = judge_once_more(session, stored, self._once_more.asked(workload, variant))
        return (*found, once_more) if once_more is not None else tuple(found)

    def _judged(self, case: _Case) -> Quantity:
        """The figure with its verdict."""
        amount, entry = case.amount, self._comparable(case.workload, case.variant, case.session)
        sessions = entry.sessions if entry is not None else ()
        failure: list[str] = []
        verdict = amount_verdicts.judge(amount, case.of, sessions, lambda: self._again(case, failure))
        if failure:
            verdict = replace(verdict, detail=f"{verdict.detail}; could not be measured again: {failure[0]}")
        if entry is not None:
            verdict = named_first(verdict, sessions, case.session)
        held_by_budget = not session_amounts.comparable(case.of, sessions, first=amount.first)
        budget = amount.budget if held_by_budget else None
        return Quantity(amount.name, amount.unit, amount.value, verdict, budget)

    def _comparable(self, workload: Workload, variant: Variant, session: Session) -> Entry | None:
        entry = self._ledger.entry(workload.name, variant.name)
        if entry is None or entry.protocol != self._ledger.protocol(workload, variant):
            return None
        return alike(entry, session)

    def _again(self, case: _Case, failure: list[str]) -> list[Session]:
        """Sessions of fresh processes for a suspect; none where the first verdict has to do, with the reason
        if one failed."""
        wanted, compilation = min(amount_verdicts.AGAIN, self._settings.confirm), case.session.compilation
        # An artifact is this run's own, and no fresh process loads it.
        if compilation and compilation.source is CodeSource.ARTIFACT:
            return []
        cold = case.amount.name.endswith(f", {CodeSource.COLD}")
        sessions = self._again_of.setdefault((key_of(case.workload, case.variant), cold), [])
        for number in range(len(sessions) + 1, wanted + 1):
            said = f"suspect ({case.amount.name}): fresh process {number} of {wanted}"
            self._hand.enter(key_of(case.workload, case.variant), said)
            try:
                sessions.append(self._fresh(case, cold=cold))
            except WorkerError as error:
                failure.append(str(error).splitlines()[0])
                return []
        return sessions

    def _fresh(self, case: _Case, *, cold: bool) -> Session:
        """One session of a process that imports and builds itself, and compiles if the suspect had to."""
        with _server(cold=cold) as server:
            return measure_session(
                server.worker(),
                case.workload.name,
                case.variant.name,
                self._hand.device.place,
                models.resolve(case.workload.model, self._settings.weights).spec,
                Plan(time_budget_s=AGAIN_BUDGET_S, brief=True),
                relative=False,
            )


@contextlib.contextmanager
def _server(*, cold: bool) -> Iterator[Server]:
    """A server of its own, so that imports are fresh; with `cold` its caches of compiled code are empty."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="perfsuite-cold-")) if cold else None
        environment = {} if folder is None else {"TORCHINDUCTOR_CACHE_DIR": folder}
        yield stack.enter_context(Server(environment=environment))
