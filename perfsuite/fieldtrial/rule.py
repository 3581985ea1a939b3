"""The product's own rules on one whole run, with sessions that are given and not measured."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from perfsuite import decision
from perfsuite.decision import amount_verdicts, session_amounts
from perfsuite.decision.basis import judge, with_causes
from perfsuite.decision.confirmation import Confirmation
from perfsuite.decision.growth import growths
from perfsuite.records import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from perfsuite.decision.session_amounts import Amount
    from perfsuite.records import Entry, Session, Verdict

    Rule = Callable[
        [Mapping[str, Entry], Mapping[str, Session], Callable[[str], Session], str, int],
        Mapping[str, Verdict],
    ]
    """As `judge_run`."""


def judge_run(
    baselines: Mapping[str, Entry],
    candidates: Mapping[str, Session],
    fresh: Callable[[str], Session],
    device_kind: str,
    confirm: int,
) -> dict[str, Verdict]:
    """Verdicts by variant, as one run of the suite finds them: suspects are confirmed, in its order.

    Args:
        baselines: what is stored, by variant.
        candidates: what the run measured, by variant, in the order of the ladder.
        fresh: a session of a variant from another process, as often as it is asked for.
        device_kind: ``cpu`` or ``cuda``.
        confirm: fresh sessions a suspect.
    """
    confirmation = Confirmation(confirm)
    found = {}
    for variant, session in candidates.items():
        entry = baselines.get(variant)
        if entry is None:
            found[variant] = decision.new("no baseline for this variant")
            continue
        verdict, basis = judge(entry, session, device_kind)
        if confirmation.wanted(entry, session, verdict, basis):
            verdict = confirmation.run(
                entry, session, verdict, device_kind, _of(fresh, variant), lambda line: None
            )
        found[variant] = with_causes(verdict, session)
    return found


def judge_memory(
    baselines: Mapping[str, Entry],
    candidates: Mapping[str, Session],
    fresh: Callable[[str], Session],
    device_kind: str,
    confirm: int,
) -> dict[str, Verdict]:
    """The worst verdict on memory by variant: growth over calls, the peak, and on a GPU what torch reserved;
    arguments as `judge_run`.

    What a session held counts as exact: kept sessions do not tell, and where it was not the gate allows more.
    """
    found = {}
    for variant, session in candidates.items():
        grown = growths(session.memory, exact=True) if session.memory is not None else []
        names = [amount.name for amount in session_amounts.memories(session, device_kind)]
        parts = [partial(session_amounts.named_memory, name, device_kind) for name in names]
        verdicts = [
            *(quantity.verdict for quantity in grown),
            *_amounts(parts, baselines.get(variant), session, _of(fresh, variant), confirm),
        ]
        if verdicts:
            found[variant] = min(verdicts, key=_severity)
    return found


def judge_start(
    baselines: Mapping[str, Entry],
    candidates: Mapping[str, Session],
    fresh: Callable[[str], Session],
    device_kind: str,
    confirm: int,
) -> dict[str, Verdict]:
    """The worst verdict on a start by variant: import, build, first call, compiling; arguments as
    `judge_run`."""
    found = {}
    for variant, session in candidates.items():
        parts = [partial(session_amounts.named, amount.name) for amount in session_amounts.starts(session)]
        verdicts = list(_amounts(parts, baselines.get(variant), session, _of(fresh, variant), confirm))
        if verdicts:
            found[variant] = min(verdicts, key=_severity)
    return found


RULES: Mapping[str, Rule] = {"latency": judge_run, "memory": judge_memory, "start": judge_start}
"""By what is gated, as the tests of the suite are called."""
_WORST_FIRST = (Status.REGRESSED, Status.INCONCLUSIVE, Status.IMPROVED, Status.OK, Status.NEW)


def _severity(verdict: Verdict) -> int:
    return _WORST_FIRST.index(verdict.status)


def _amounts(
    parts: Sequence[Callable[[Session], Amount | None]], entry: Entry | None, session: Session,
    fresh: Callable[[], Session], confirm: int,
) -> Iterator[Verdict]:  # fmt: skip
    stored = entry.sessions if entry is not None else ()

    def again() -> list[Session]:
        return [fresh() for _ in range(min(amount_verdicts.AGAIN, confirm))]

    for of in parts:
        amount = of(session)
        if amount is not None:
            yield amount_verdicts.judge(amount, of, stored, again)


def _of(fresh: Callable[[str], Session], variant: str) -> Callable[[], Session]:
    return lambda: fresh(variant)
