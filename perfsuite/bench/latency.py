"""One latency, from the clock to the verdict: a session, what it is judged by, and its confirmation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from perfsuite import decision, measuring
from perfsuite.bench.hand import key_of
from perfsuite.bench.recovery import Elsewhere
from perfsuite.decision import basis as judging
from perfsuite.pipelines import models
from perfsuite.store import SHAPE_FILE, load_shape
from perfsuite.workers import WorkerError, measure_session
from perfsuite.workers.relative import with_relative
from perfsuite.workers.sessions import with_profile

if TYPE_CHECKING:
    from perfsuite.bench.hand import Hand
    from perfsuite.bench.ledger import Ledger
    from perfsuite.pipelines import Prepared
    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Session, Verdict, Workload
    from perfsuite.settings import Settings

TimeRounds = Callable[[Callable[[], object], int, Callable[[], None]], Sequence[float]]
"""Times a call so many rounds, each after a call of its own that is not timed; seconds of each."""


class Latency:
    """Measures and judges the latencies of one run. Raises `StoreError` if the ladder's shape is bad."""

    def __init__(self, settings: Settings, hand: Hand, ledger: Ledger) -> None:
        self._settings, self._hand, self._ledger = settings, hand, ledger
        self._bounds = load_shape(settings.baselines / SHAPE_FILE)
        self._confirmation = judging.Confirmation(settings.confirm)

    def measure(
        self, prepared: Prepared | Elsewhere, time_rounds: TimeRounds
    ) -> tuple[Session, Verdict, Any | None]:
        """One session, its verdict, and what its last timed call drew; None where that was elsewhere."""
        context, last = prepared.context, list[Any]()
        key = key_of(context.workload, context.variant)
        with self._hand.watched(key):
            if isinstance(prepared, Elsewhere):
                self._hand.enter(key, "measuring in a fresh process")
                session = prepared.session(self._settings.time_budget_s, relative=self._settings.relative)
            else:
                session = self._measured(prepared, time_rounds, key, last)
        verdict = judging.with_causes(self._judge(context.workload, context.variant, session), session)
        return session, verdict, last[0] if last else None

    def _measured(self, prepared: Prepared, time_rounds: TimeRounds, key: str, last: list[Any]) -> Session:
        """One session in this process; what the last timed call drew is left in `last`."""
        cuda = self._hand.device.kind == "cuda"
        plan = measuring.Plan(
            time_budget_s=self._settings.time_budget_s, hot=self._settings.profile and not cuda
        )

        def keeping(call: Callable[[], object], rounds: int, before: Callable[[], None]) -> Sequence[float]:
            def kept() -> object:
                last[:] = [call()]
                return last[0]

            return time_rounds(kept, rounds, before)

        session = measuring.measure(prepared, keeping, plan, lambda phase: self._hand.enter(key, phase))
        if self._settings.relative:
            self._hand.enter(key, "relative latency")
            session = with_relative(session, prepared, self._settings.time_budget_s)
        if cuda:
            self._hand.enter(key, "profile, in a fresh process")
            session = self._profiled(prepared.context.workload, prepared.context.variant, session)
        return session

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
        protocol = self._ledger.protocol(workload)
        if entry.protocol != protocol:
            return decision.incompatible(
                f"the baseline was measured with {entry.protocol!r}, this run with {protocol!r}",
                len(entry.sessions),
            )
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

    def _fresh_session(self, workload: Workload, variant: Variant) -> Session:
        """One session in a process of its own."""
        with self._hand.fresh_process() as worker:
            return measure_session(
                worker,
                workload.name,
                variant.name,
                self._hand.device.place,
                models.resolve(workload.model, self._settings.weights).spec,
                time_budget_s=self._settings.time_budget_s,
                relative=self._settings.relative,
            )

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
        return decision.new(f"no baseline of {device.name} for this variant")
