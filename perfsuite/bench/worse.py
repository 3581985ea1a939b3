"""What may get worse besides latency: memory and start, judged from the session that timed the calls."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from perfsuite.bench.hand import key_of
from perfsuite.decision import session_amounts
from perfsuite.decision.amounts import beside_others, by_budget, judge_amount
from perfsuite.decision.growth import ALLOWED_BYTES, ALLOWED_RESIDENT_BYTES, judge_growth, slope
from perfsuite.decision.surroundings import alike, named_first
from perfsuite.device.held import is_exact
from perfsuite.measuring import Plan
from perfsuite.pipelines import models
from perfsuite.records import CodeSource, Quantity, Status, Verdict
from perfsuite.workers import Server, WorkerError, measure_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from perfsuite.bench.hand import Hand
    from perfsuite.bench.ledger import Ledger
    from perfsuite.decision.session_amounts import Amount
    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Entry, Memory, Session, Workload
    from perfsuite.settings import Settings

AGAIN = 3
"""Fresh processes that look at a suspect again, at most."""
AGAIN_BUDGET_S = 1.0
"""Of their timed rounds, which are not what is asked."""


class _Case(NamedTuple):
    """One figure of one session, and how to find it in others."""

    workload: Workload
    variant: Variant
    session: Session
    amount: Amount
    of: Callable[[Session], Amount | None]

    def values(self, sessions: Sequence[Session], *, first: bool) -> list[float]:
        """The figures of those sessions that have it, that others did not disturb, and whose pipeline was,
        or was not, the first of its process."""
        found = [amount for session in sessions if (amount := self.of(session)) is not None]
        return [amount.value for amount in found if not amount.contended and amount.first is first]


class Worse:
    """Judges memory and start of one run's sessions."""

    def __init__(self, settings: Settings, hand: Hand, ledger: Ledger) -> None:
        self._settings, self._hand, self._ledger = settings, hand, ledger

    def memory(self, workload: Workload, variant: Variant, session: Session) -> tuple[Quantity, ...]:
        """Peak memory and growth over calls."""
        kind = self._hand.device.kind
        found = _growth(session.memory) if session.memory is not None else []
        peak = session_amounts.peak(session, kind, workload)
        if peak is not None:
            case = _Case(workload, variant, session, peak, lambda s: session_amounts.peak(s, kind, workload))
            found.append(self._judged(case))
        return tuple(found)

    def start(self, workload: Workload, variant: Variant, session: Session) -> tuple[Quantity, ...]:
        """Import, build, first call and compiling; of each part the figure of that name in what is stored."""
        return tuple(
            self._judged(_Case(workload, variant, session, amount, partial(_named, amount.name)))
            for amount in session_amounts.starts(session)
        )

    def _judged(self, case: _Case) -> Quantity:
        """The figure with its verdict: by what is stored, else by its budget."""
        amount, entry = case.amount, self._comparable(case)
        sessions = entry.sessions if entry is not None else ()
        stored = case.values(sessions, first=amount.first)
        if not stored:
            verdict = by_budget(amount.value, amount.budget, amount.rule, amount.show)
        else:
            verdict = judge_amount(stored, [amount.value], amount.kind, amount.show)
        if amount.contended:
            verdict = beside_others(verdict)
        elif stored and verdict.status is Status.REGRESSED:
            verdict = self._again(case, sessions, verdict)
        if entry is not None:
            verdict = named_first(verdict, sessions, case.session)
        return Quantity(amount.name, amount.unit, amount.value, verdict, None if stored else amount.budget)

    def _comparable(self, case: _Case) -> Entry | None:
        entry = self._ledger.entry(case.workload.name, case.variant.name)
        if entry is None or entry.protocol != self._ledger.protocol(case.workload):
            return None
        return alike(entry, case.session)

    def _again(self, case: _Case, sessions: Sequence[Session], first: Verdict) -> Verdict:
        """What fresh processes say to a suspect, alone, against what is stored of such; the first verdict
        where either cannot be had."""
        amount, wanted = case.amount, min(AGAIN, self._settings.confirm)
        compilation = case.session.compilation
        stored = case.values(sessions, first=True)
        # An artifact is this run's own, and no fresh process loads it.
        if not wanted or not stored or (compilation and compilation.source is CodeSource.ARTIFACT):
            return first
        fresh: list[float] = []
        for number in range(1, wanted + 1):
            said = f"suspect ({amount.name}): fresh process {number} of {wanted}"
            self._hand.enter(key_of(case.workload, case.variant), said)
            try:
                fresh += case.values([self._fresh(case)], first=True)
            except WorkerError as error:
                why = str(error).splitlines()[0]
                return replace(first, detail=f"{first.detail}; could not be measured again: {why}")
        if not fresh:
            return beside_others(first)
        verdict = judge_amount(stored, fresh, amount.kind, amount.show)
        detail = f"{verdict.detail}; {len(fresh)} fresh sessions, at first {amount.show(amount.value)}"
        return replace(verdict, detail=detail)

    def _fresh(self, case: _Case) -> Session:
        """One session of a process that imports and builds itself, and compiles if the suspect had to."""
        with _server(cold=case.amount.name == f"compile, {CodeSource.COLD}") as server:
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


def _named(name: str, session: Session) -> Amount | None:
    return next((a for a in session_amounts.starts(session) if a.name == name), None)


def _growth(memory: Memory) -> list[Quantity]:
    """Of each kind of memory that was looked at."""
    exact = is_exact()
    held = ALLOWED_BYTES if exact else ALLOWED_RESIDENT_BYTES
    found = [_grown("growth", memory.held_bytes, memory.collected_bytes, held)]
    if exact:
        found.append(_grown("resident growth", memory.resident_bytes, None, ALLOWED_RESIDENT_BYTES))
    if memory.device_bytes:
        kept = memory.device_collected_bytes
        found.append(_grown("device growth", memory.device_bytes, kept, ALLOWED_BYTES))
    return found


def _grown(name: str, held: Sequence[int], collected: int | None, allowed: float) -> Quantity:
    found = slope(held)
    return Quantity(
        name, "bytes a call", found.value if found else 0.0, judge_growth(held, collected, allowed)
    )
