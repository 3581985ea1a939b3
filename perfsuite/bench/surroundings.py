"""Whether this machine is the one that the baselines are of: what is refused, and what is named first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from perfsuite import decision
from perfsuite.decision import surroundings
from perfsuite.device.state import variables
from perfsuite.records import Cause

if TYPE_CHECKING:
    from perfsuite.bench.ledger import Ledger
    from perfsuite.pipelines.technique import Context, Variant
    from perfsuite.records import Entry, Session, Verdict, Workload

_TELLING = ("OMP_", "GOMP_", "KMP_", "MKL_", "ATEN_", "ONEDNN_", "DNNL_")
"""Beginnings of variables that change threads or instructions."""


class Surroundings:
    """Looks at one run's sessions beside what is stored."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def refuse(self, entry: Entry, session: Session) -> Verdict | None:
        """INCOMPATIBLE, where no stored session may be compared with this one; else None."""
        if surroundings.alike(entry, session) is not None:
            return None
        differs = surroundings.strange(entry.sessions[-1], session)
        return _refused(f"not the machine of the baseline: {differs}", len(entry.sessions))

    def new(self, workload: Workload, variant: Variant, session: Session) -> Verdict:
        """Of a variant without baseline: NEW, or INCOMPATIBLE where the same processor has one with other
        instructions or threads."""
        device = self._ledger.device
        kin = self._ledger.elsewhere(workload.name, variant.name)
        if kin is None:
            return decision.new(f"no baseline of {device.name} for this variant")
        then = {**kin.device.details, "threads": str(kin.device.count)}
        now = {**device.details, "threads": str(device.count)}
        differs = surroundings.apart(then, now) or f"{kin.device.slug} -> {device.slug}"
        return _refused(
            f"there is a baseline of {device.name}, but of another machine ({kin.device.slug}): "
            f"{differs}; this one is kept apart from it with --perf-update=reset"
        )

    def named_first(self, verdict: Verdict, context: Context, session: Session) -> Verdict:
        """The verdict, a bad one with what moved around the session before all else."""
        entry = self._ledger.entry(context.workload.name, context.variant.name)
        return surroundings.named_first(verdict, entry.sessions if entry else (), session)


def _refused(why: str, stored: int = 0) -> Verdict:
    return replace(decision.incompatible(f"{why}{_variables()}", stored), causes=(Cause.ENVIRONMENT,))


def _variables() -> str:
    """What is set here that may be the reason, in words."""
    told = [f"{name}={value}" for name, value in variables().items() if name.startswith(_TELLING)]
    return f"; set here: {', '.join(told)}" if told else ""
