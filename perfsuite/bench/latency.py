"""One latency, from the clock to the verdict: a session, what it is judged by, and its confirmation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from perfsuite import decision, measuring
from perfsuite.bench.hand import key_of
from perfsuite.bench.recovery import Elsewhere
from perfsuite.bench.surroundings import Surroundings
from perfsuite.decision import basis as judging
from perfsuite.decision import surroundings
from perfsuite.decision.confirmation import Confirmation
from perfsuite.measuring.session import time_calls
from perfsuite.pipelines import loaded, models
from perfsuite.records import Status
from perfsuite.store import SHAPE_FILE, load_shape
from perfsuite.workers import WorkerError, measure_session
from perfsuite.workers.relative import with_relative
from perfsuite.workers.sessions import with_profile

if TYPE_CHECKING:
    from perfsuite.bench.hand import Hand
    from perfsuite.bench.ledger import Ledger
    from perfsuite.bench.once_more import OnceMore
    from perfsuite.pipelines import Prepared
    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Result, Session, Verdict, Workload
    from perfsuite.settings import Settings

TimeRounds = Callable[[Callable[[], object], int, Callable[[], None]], Sequence[float]]
"""Times a call so many rounds, each after a call of its own that is not timed; seconds of each."""


WAIT_S, WAIT_OF_RUN_S = 20.0, 60.0
"""For a quiet moment, at most: before one session, and in a run."""


FIRST_SESSIONS = 3
"""That a baseline begins with, so that the next run can say OK; each of a process of its own."""
MOST_UNFIT = 2
"""Fresh sessions without a weight: with these the machine is too busy to begin a baseline now."""
FIRST_BUDGET_S = 2.0
"""Of the timed rounds of each but the first session: processes differ by more than rounds do."""


_NOT_RECORDED = (Status.REGRESSED, Status.INCOMPATIBLE)
"""By the ladder's shape it may be the one without a baseline, beside another machine's file the other."""


class Latency:
    """Measures and judges the latencies of one run. Raises `StoreError` if the ladder's shape is bad."""

    def __init__(self, settings: Settings, hand: Hand, ledger: Ledger, once_more: OnceMore) -> None:
        self._settings, self._hand, self._ledger = settings, hand, ledger
        self._once_more = once_more
        self._bounds = load_shape(settings.baselines / SHAPE_FILE)
        self._surroundings = Surroundings(ledger)
        self._confirmation = Confirmation(settings.confirm)
        # A GPU's host has cores to spare.
        self._patience_s = WAIT_OF_RUN_S if hand.device.kind == "cpu" and settings.load == "wait" else 0.0

    def measure(
        self, prepared: Prepared | Elsewhere, time_rounds: TimeRounds
    ) -> tuple[Session, Verdict, Any | None]:
        """One session, its verdict, and what its last timed call drew; None where that was elsewhere."""
        context, last = prepared.context, list[Any]()
        key = key_of(context.workload, context.variant)
        with self._hand.watched(key):
            if isinstance(prepared, Elsewhere):
                self._hand.enter(key, "measuring in a fresh process")
                session = prepared.session(self._plan(), relative=self._settings.relative)
                self._waited(session)
            else:
                session = self._measured(prepared, time_rounds, key, last)
            # A profile, or fresh processes, take minutes: what was measured outlives them.
            self._ledger.record(replace(self._blank(prepared), session=session))
            if self._hand.device.kind == "cuda" and not isinstance(prepared, Elsewhere):
                self._hand.enter(key, "profile, in a fresh process")
                session = self._profiled(context.workload, context.variant, session)
        verdict = judging.with_causes(self._judge(context.workload, context.variant, session), session)
        verdict = self._surroundings.named_first(verdict, context, session)
        if self._begins(context.workload, context.variant, verdict):
            self._begin_baseline(context.workload, context.variant, session)
        return session, verdict, last[0] if last else None

    def session(self, prepared: Prepared | Elsewhere) -> Session:
        """One session that is not judged, and not measured in turns with anything."""
        key = key_of(prepared.context.workload, prepared.context.variant)
        with self._hand.watched(key):
            if isinstance(prepared, Elsewhere):
                self._hand.enter(key, "measuring in a fresh process")
                return prepared.session(self._plan(), relative=False)
            progress = partial(self._hand.enter, key)
            return measuring.measure(prepared, time_calls, self._plan(), progress)

    def _blank(self, prepared: Prepared | Elsewhere) -> Result:
        context = prepared.context
        return self._ledger.blank(context.workload, context.variant, prepared.evidence)

    def _begins(self, workload: Workload, variant: Variant, verdict: Verdict) -> bool:
        """Whether the baseline of a variant begins with this session, which had this verdict: there is none,
        or none with a weight, or it is to be replaced."""
        if not self._settings.confirm or self._ledger.none_begins(workload.name, variant.name):
            return False
        if self._settings.update == "reset":
            return True
        entry = self._ledger.entry(workload.name, variant.name)
        lacking = entry is None or all(stored.unfit for stored in entry.sessions)
        return self._settings.update == "new" and lacking and verdict.status not in _NOT_RECORDED

    def _begin_baseline(self, workload: Workload, variant: Variant, first: Session) -> None:
        """Measure what else a new baseline needs, each session in a fresh process."""
        key, budget_s = key_of(workload, variant), min(FIRST_BUDGET_S, self._settings.time_budget_s)
        wanted, unfit, number = FIRST_SESSIONS - (not first.unfit), 0, 0
        while wanted > 0:
            number += 1
            self._hand.enter(key, f"fresh session {number} of the new baseline")
            try:
                session = self._fresh_session(workload, variant, budget_s)
            except WorkerError as error:
                self._fewer(key, str(error).splitlines()[0])
                return
            self._ledger.add_session(workload, variant, session)
            wanted, unfit = wanted - (not session.unfit), unfit + bool(session.unfit)
            if unfit == MOST_UNFIT:
                self._fewer(key, session.unfit)
                return

    def _fewer(self, key: str, why: str) -> None:
        self._ledger.closing_lines.append(f"{key}: the baseline begins with fewer sessions: {why}")

    def _measured(self, prepared: Prepared, time_rounds: TimeRounds, key: str, last: list[Any]) -> Session:
        """One session in this process; what the last timed call drew is left in `last`."""
        cuda = self._hand.device.kind == "cuda"
        plan = replace(self._plan(), hot=self._settings.profile and not cuda)

        def keeping(call: Callable[[], object], rounds: int, before: Callable[[], None]) -> Sequence[float]:
            def kept() -> object:
                last[:] = [call()]
                return last[0]

            return time_rounds(kept, rounds, before)

        session = measuring.measure(prepared, keeping, plan, lambda phase: self._hand.enter(key, phase))
        self._waited(session)
        if self._settings.relative:
            self._hand.enter(key, "relative latency")
            session = with_relative(
                session, prepared, self._settings.time_budget_s, as_it_comes=plan.as_it_comes
            )
        return session

    def _plan(self) -> measuring.Plan:
        """How a session is measured, with what patience is left."""
        return measuring.Plan(
            time_budget_s=self._settings.time_budget_s,
            wait_s=min(WAIT_S, self._patience_s),
            as_it_comes=self._settings.load == "measure",
        )

    def _waited(self, session: Session) -> None:
        """Patience is spent by what a session really waited."""
        waited_s = session.conditions.get("waited_s", 0.0)
        assert isinstance(waited_s, float)
        self._patience_s = max(0.0, self._patience_s - waited_s)

    def _profiled(self, workload: Workload, variant: Variant, session: Session) -> Session:
        """The session with a call's profile, or with the condition that says why there is none."""
        try:
            with self._hand.fresh_process() as worker:
                return with_profile(
                    session,
                    worker,
                    workload.name,
                    variant.name,
                    self._hand.device.place,
                    models.resolve(workload.model, self._settings.weights).spec,
                    hot=self._settings.profile,
                )
        except WorkerError as error:
            return replace(session, conditions={**session.conditions, "profile": str(error).splitlines()[0]})

    def _judge(self, workload: Workload, variant: Variant, session: Session) -> Verdict:
        """The verdict on one session: by its baseline, else by the ladder's shape, else NEW.

        A suspect is measured again in fresh processes first.
        """
        entry = self._ledger.entry(workload.name, variant.name)
        if not entry:
            return self._judge_shape(workload, variant, session)
        protocol = self._ledger.protocol(workload, variant)
        if entry.protocol != protocol:
            return decision.incompatible(
                loaded.moved_files(entry.protocol, protocol)
                or f"the baseline was measured with {entry.protocol!r}, this run with {protocol!r}",
                len(entry.sessions),
                other_weights=models.others(protocol, entry.protocol),
            )
        if (refused := self._surroundings.refuse(entry, session)) is not None:
            return refused
        entry = surroundings.alike(entry, session) or entry
        kind = self._hand.device.kind
        verdict, basis = judging.judge(entry, session, kind)
        if not self._confirmation.wanted(entry, session, verdict, basis):
            return verdict
        key = key_of(workload, variant)
        try:
            return self._confirmation.run(
                entry,
                session,
                verdict,
                kind,
                lambda: self._fresh_session(workload, variant),
                lambda line: self._hand.progress(key, line),
            )
        except WorkerError as error:
            said = str(error).splitlines()[0]
            return replace(verdict, detail=f"{verdict.detail}; could not be measured again: {said}")

    def _fresh_session(self, workload: Workload, variant: Variant, budget_s: float | None = None) -> Session:
        """One session in a process of its own, of what a verdict reads."""
        plan = replace(self._plan(), brief=True)
        with self._hand.fresh_process() as worker:
            session = measure_session(
                worker,
                workload.name,
                variant.name,
                self._hand.device.place,
                models.resolve(workload.model, self._settings.weights).spec,
                plan if budget_s is None else replace(plan, time_budget_s=budget_s),
                relative=self._settings.relative,
            )
        self._waited(session)
        self._once_more.saw(workload, variant, session)
        return session

    def _judge_shape(self, workload: Workload, variant: Variant, session: Session) -> Verdict:
        device = self._hand.device
        for bound in self._bounds:
            if (bound.device_kind, bound.workload, bound.variant) != (
                device.kind, workload.name, variant.name,
            ):  # fmt: skip
                continue
            other = self._ledger.result(workload.name, bound.over)
            if other is not None and other.session is not None:
                verdict = decision.shape(session.latency_s, other.session.latency_s, bound.least_speedup)
                return replace(verdict, detail=f"over {bound.over}: {verdict.detail}")
        return self._surroundings.new(workload, variant, session)
