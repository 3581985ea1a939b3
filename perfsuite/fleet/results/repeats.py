"""The verdict on a cell that was measured several times, perhaps each time on another GPU.

Each repeat has a verdict of its own, REGRESSED or IMPROVED only after fresh processes on its GPU agreed. All
sessions together are judged once more, with what GPUs differ by in the interval. A change is one where both
say so: the sessions together are the first looks of their repeats, which nobody has confirmed, and a repeat
alone may have met a slow GPU.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from perfsuite.decision import surroundings
from perfsuite.decision.basis import judge_sessions, with_causes
from perfsuite.records import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Entry, Result, Session, Verdict

_GRAVEST = (
    Status.REGRESSED, Status.INCOMPATIBLE, Status.NOT_JUDGED, Status.LESS_JUDGED, Status.INCONCLUSIVE,
    Status.NEW, Status.OK, Status.IMPROVED,
)  # fmt: skip
_CHANGES = (Status.REGRESSED, Status.IMPROVED)


def judged(results: Sequence[Result], entry: Entry | None, device_kind: str) -> Verdict:
    """The verdict on all repeats.

    Args:
        results: one a repeat, each with session and verdict.
        entry: what is stored of the variant, None where it cannot be read here: then the gravest of the
            repeats' verdicts holds.
        device_kind: ``cpu`` or ``cuda``.
    """
    own = [result.verdict for result in results if result.verdict is not None]
    sessions = [result.session for result in results if result.session is not None]
    comparable = _comparable(entry, results, sessions)
    said = ", ".join(
        f"{verdict.status}{_on(session)}" for verdict, session in zip(own, sessions, strict=True)
    )
    if comparable is None:
        gravest = min(own, key=lambda verdict: _GRAVEST.index(verdict.status))
        return replace(gravest, detail=f"{gravest.detail}; the gravest of {len(own)} repeats: {said}")
    verdict, _ = judge_sessions(comparable, sessions, device_kind)
    for session in sessions:
        verdict = with_causes(verdict, session)
    told = f"{verdict.detail}; {len(own)} repeats together, by themselves {said}"
    if verdict.status in _CHANGES and all(each.status is not verdict.status for each in own):
        told = f"{told}: none is {verdict.status} where it was measured again"
        return replace(verdict, status=Status.INCONCLUSIVE, detail=told)
    return replace(verdict, detail=told)


def _comparable(entry: Entry | None, results: Sequence[Result], sessions: Sequence[Session]) -> Entry | None:
    if entry is None or any(result.protocol != entry.protocol for result in results):
        return None
    kept: Entry | None = entry
    for session in sessions:
        kept = surroundings.alike(kept, session) if kept is not None else None
    return kept


def _on(session: Session) -> str:
    return f" on {session.gpu[:12]}" if session.gpu else ""
