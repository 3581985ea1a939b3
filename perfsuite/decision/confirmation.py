"""Fresh processes for what one session cannot settle."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from perfsuite.decision.basis import judge_sessions
from perfsuite.decision.estimates import could_settle
from perfsuite.decision.several import Spending, is_suspect
from perfsuite.decision.wording import signed_change
from perfsuite.records import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.decision.basis import Basis
    from perfsuite.records import Entry, Session, Verdict

    Measure = Callable[[], Session]
    """Measures one session in a fresh process; raises `perfsuite.workers.WorkerError`."""


class Confirmation:
    """Stage two over one run: what one session cannot settle is measured again in fresh processes.

    A suspect is judged by them alone, at levels that keep the whole run's risk. What is merely too uncertain
    to be OK is asked for more sessions only where so few can settle it.
    """

    def __init__(self, count: int) -> None:
        """`count`: fresh sessions a verdict, at most; with 0 nothing is confirmed."""
        self._count = count
        self._spending = Spending()

    def wanted(self, entry: Entry, session: Session, verdict: Verdict, basis: Basis) -> bool:
        """Whether this verdict on a session calls for fresh processes."""
        if self._count == 0 or verdict.status in (Status.OK, Status.NEW, Status.INCOMPATIBLE):
            return False
        if is_suspect(verdict) or verdict.status is Status.IMPROVED:
            return True
        if session.unfit:
            return any(not s.unfit for s in entry.sessions)
        if basis.reference is None or not basis.has(session):
            return False
        return could_settle(
            basis.baseline, [basis.samples(session)], self._count, basis.settings, basis.sides([session])
        )

    def run(
        self,
        entry: Entry,
        first: Session,
        verdict: Verdict,
        device_kind: str,
        measure: Measure,
        progress: Callable[[str], None],
    ) -> Verdict:
        """Measure fresh sessions, until all together are OK or there are enough, and judge by the fresh ones.

        Raises:
            WorkerError: a fresh process failed; nothing is confirmed then.
        """
        fresh: list[Session] = []
        for number in range(1, self._count + 1):
            standing = f"{_kind(verdict)} ({verdict.status}, {signed_change(verdict.ratio)})"
            progress(f"{standing}: fresh process {number} of {self._count}")
            fresh.append(measure())
            judged, _ = judge_sessions(entry, [first, *fresh], device_kind)
            if judged.status is Status.OK:
                break
        else:
            # Only who gets here can fail, and costs of the run's risk.
            judged, _ = judge_sessions(entry, fresh, device_kind, self._spending.level)
            if judged.p_value is not None and is_suspect(verdict):
                self._spending.spend(min(max(judged.p_value, 0.0), 1.0))
        progress(
            f"{_kind(verdict)}: {judged.status} after {len(fresh)} fresh process{'es' * (len(fresh) > 1)}"
        )
        at_first = f"at first {verdict.status}, {signed_change(verdict.ratio)}"
        return replace(judged, detail=f"{judged.detail}; {_outcome(verdict, judged, len(fresh))}; {at_first}")


def _kind(verdict: Verdict) -> str:
    return "suspect" if is_suspect(verdict) or verdict.status is Status.IMPROVED else "unsettled"


def _outcome(verdict: Verdict, judged: Verdict, count: int) -> str:
    """What fresh sessions made of a verdict."""
    sessions = f"{count} fresh session{'s' if count > 1 else ''}"
    if judged.status in (Status.REGRESSED, Status.IMPROVED):
        return f"confirmed by {sessions}"
    return f"not confirmed by {sessions}" if _kind(verdict) == "suspect" else f"with {sessions}"
