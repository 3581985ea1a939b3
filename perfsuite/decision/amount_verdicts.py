"""Verdicts on a session's figures of memory and start: by what is stored, else by their budgets.

What is in seconds is judged in units of fixed work too, where both sides know it. A machine that is slower
than it was slows the fixed work alike, and only its unit tells that from code that got slower. But a fixed
work that got faster, with another Python for instance, makes all else look slow: what its unit accuses must
be seen in seconds as well.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean, median
from typing import TYPE_CHECKING

from perfsuite.decision.amounts import START_IN_WORK, beside_others, by_budget, judge_amount, unsure
from perfsuite.decision.session_amounts import comparable, memories, starts
from perfsuite.decision.wording import percent
from perfsuite.records import Cause, Quantity, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfsuite.decision.amounts import Kind
    from perfsuite.decision.session_amounts import Amount
    from perfsuite.records import Session, Verdict

AGAIN = 3
"""Fresh processes that look at a suspect again, at most."""
SEEN = 0.25
"""Share of the tolerance by which seconds must have grown where fixed work says that something regressed."""
SAME = 1.0
"""Growth of the fixed work up to which a machine counts as the same one, only slower."""


def judge(
    amount: Amount,
    of: Callable[[Session], Amount | None],
    stored: Sequence[Session],
    again: Callable[[], Sequence[Session]],
) -> Verdict:
    """The verdict on one figure: by what is stored, else by its budget; a suspect by what is measured again.

    Args:
        amount: the figure.
        of: finds it in another session.
        stored: sessions of the baseline.
        again: sessions of fresh processes, asked for once where stored figures make it a suspect; none where
            the first verdict is to stand.
    """
    like, alone = (comparable(of, stored, first=first) for first in (amount.first, True))
    if not like:
        verdict = by_budget(amount.value, amount.budget, amount.rule, amount.show)
        if amount.contended:
            return beside_others(verdict)
        # A later one is no slower than a first one, of which alone there may be some: of calibration, say.
        slower = alone and verdict.status is Status.NEW and _than_first(alone, amount)
        return _fresh(slower, amount, of, alone, again()) if slower else verdict
    verdict = judge_amounts(like, [amount])
    if amount.contended:
        return beside_others(verdict)
    sessions = again() if alone and _suspect(verdict, like, amount) else ()
    fresh = _fresh(verdict, amount, of, alone, sessions)
    if amount.first or verdict.status is not Status.REGRESSED or fresh.status is not Status.OK:
        return fresh
    said = f"{fresh.detail}; so it is longer or larger only after other variants of the same process"
    return replace(fresh, status=Status.INCONCLUSIVE, detail=f"{said}: {verdict.detail}")


def _than_first(alone: Sequence[Amount], amount: Amount) -> Verdict | None:
    """The verdict on a later figure by those of first ones, where it is worse than even those."""
    verdict = judge_amounts(alone, [amount])
    if verdict.status is not Status.REGRESSED:
        return None
    return replace(verdict, detail=f"by sessions that were the first of their process: {verdict.detail}")


def _fresh(
    verdict: Verdict,
    amount: Amount,
    of: Callable[[Session], Amount | None],
    alone: Sequence[Amount],
    sessions: Sequence[Session],
) -> Verdict:
    """The verdict by what fresh processes say of a figure; that on the suspect where they say nothing of it,
    as where what was partly cold is warm for them."""
    seen = [a for session in sessions if (a := of(session)) is not None and a.first]
    if not seen:
        return _while_changing(verdict, amount.changed) if amount.unfit else verdict
    fresh = [a for a in seen if not a.unfit]
    if not fresh:
        changed = max(a.changed for a in seen)
        return beside_others(verdict) if seen[0].contended else _while_changing(verdict, changed)
    verdict = judge_amounts(alone, fresh)
    detail = f"{verdict.detail}; {len(fresh)} fresh sessions, at first {amount.show(amount.value)}"
    return replace(verdict, detail=detail)


def _suspect(verdict: Verdict, stored: Sequence[Amount], amount: Amount) -> bool:
    """Whether to measure again: slower for certain, or perhaps and by half the tolerance, which one
    session against few cannot tell."""
    if verdict.status is not Status.INCONCLUSIVE or Cause.FEW_SESSIONS in verdict.causes:
        return verdict.status is Status.REGRESSED
    assert verdict.ratio is not None
    more = amount.value - fmean(a.value for a in stored)
    return verdict.ratio >= 1 + amount.kind.tolerance / 2 and more >= amount.kind.least


def judge_amounts(stored: Sequence[Amount], fresh: Sequence[Amount]) -> Verdict:
    """Judge figures of one name, the fresh ones together.

    Raises:
        ValueError: a figure that is not positive and finite.
    """
    kind, show = fresh[0].kind, fresh[0].show
    seconds = judge_amount([a.value for a in stored], [a.value for a in fresh], kind, show)
    known = [a for a in stored if a.work_by == fresh[0].work_by]
    then, now = _in_work(known), _in_work(fresh)
    if not then or len(now) < len(fresh) or len({a.work_by for a in fresh}) > 1:
        return seconds
    worked = judge_amount(then, now, START_IN_WORK, lambda units: f"{units:.0f} units of fixed work")
    more = fmean(a.value for a in fresh) - fmean(a.value for a in stored)
    slower = fmean(a.value for a in fresh) / fmean(now) / (fmean(a.value for a in known) / fmean(then))
    return _believed(_both(seconds, worked, kind, more), seconds, slower)


def _believed(verdict: Verdict, seconds: Verdict, slower: float) -> Verdict:
    """The verdict, unless a machine clears what got slower that is hardly the same one any more: `slower`
    is by what factor its fixed work is."""
    if seconds.status is not Status.REGRESSED or verdict.status is not Status.OK or slower <= 1 + SAME:
        return verdict
    said = f"fixed work takes {slower:.1f} times as long as it did, too much for a measure"
    return replace(verdict, status=Status.INCONCLUSIVE, detail=f"{said}; {verdict.detail}")


def _in_work(amounts: Sequence[Amount]) -> list[float]:
    return [units for a in amounts if not a.unfit and (units := a.in_work) is not None]


def _both(seconds: Verdict, worked: Verdict, kind: Kind, more: float) -> Verdict:
    """One verdict: fixed work decides, and accuses only what has become longer by `more` seconds, enough for
    somebody to act."""
    assert seconds.ratio is not None
    if worked.status is Status.REGRESSED:
        if more < kind.least:
            return seconds
        if seconds.ratio >= 1 + SEEN * kind.tolerance:
            return replace(worked, detail=f"{seconds.detail}; {worked.detail}")
        said = f"{worked.detail}; in seconds it is not, so the fixed work or the machine has become faster"
        return replace(seconds, status=Status.INCONCLUSIVE, detail=f"{seconds.detail}; {said}")
    if seconds.status is Status.OK:
        return seconds
    alike = seconds.status is Status.REGRESSED and worked.status is Status.OK
    slower = (Cause.EVERYTHING_SLOWER,) if alike else ()
    causes = (*worked.causes, *slower)
    return replace(worked, causes=causes, detail=f"{worked.detail}; in seconds: {seconds.detail}")


def _while_changing(verdict: Verdict, changed: float) -> Verdict:
    """A verdict on a start during which the machine's speed changed."""
    return unsure(
        verdict, Cause.NOISY_MACHINE, f"the machine's speed changed by {percent(changed)} meanwhile"
    )


def compare_amounts(
    stored: Sequence[Session], fresh: Sequence[Session], device_kind: str
) -> tuple[Quantity, ...]:
    """Each figure that both sides have and that nothing disturbed, the new sessions judged together.

    Raises:
        ValueError: a figure that is not positive and finite.
    """
    then, now = _by_name(stored, device_kind), _by_name(fresh, device_kind)
    return tuple(
        Quantity(some[0].name, some[0].unit, median(a.value for a in some), judge_amounts(then[key], some))
        for key, some in now.items()
        if key in then
    )


def _by_name(sessions: Sequence[Session], device_kind: str) -> dict[tuple[str, bool], list[Amount]]:
    found: dict[tuple[str, bool], list[Amount]] = {}
    for session in sessions:
        for amount in (*memories(session, device_kind), *starts(session)):
            if not amount.unfit:
                found.setdefault((amount.name, amount.first), []).append(amount)
    return found
