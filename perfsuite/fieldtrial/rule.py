"""The product's own rule on one whole run, with sessions that are given and not measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite import decision
from perfsuite.decision.basis import judge, with_causes
from perfsuite.decision.confirmation import Confirmation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from perfsuite.records import Entry, Session, Verdict


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


def _of(fresh: Callable[[str], Session], variant: str) -> Callable[[], Session]:
    return lambda: fresh(variant)
