"""Figures of which a session has one: peak memory, the seconds of a start, the size of a file.

The rule is that of latency (`perfsuite.decision.compare`), with a spread of each kind's own and a least
difference in its own unit, below which nobody would act. Without a baseline a budget holds, which follows
from a rule and from no stored figure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from perfsuite.decision.parameters import DecisionSettings
from perfsuite.decision.verdicts import compare
from perfsuite.records import Cause, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Kind:
    """What is known of one kind of figure before any was measured."""

    tolerance: float
    """Growth that is accepted, as a fraction."""
    sd: float
    """Between sessions of the same code, of the logarithm."""
    df: float
    """Weight of that belief."""
    least: float
    """Difference in the figure's unit below which it is no regression."""

    @property
    def settings(self) -> DecisionSettings:
        """For the rule."""
        return DecisionSettings(tolerance=self.tolerance, prior_sd=self.sd, prior_df=self.df)


PEAK = {"cpu": Kind(0.15, 0.04, 4, 32 << 20), "cuda": Kind(0.05, 0.01, 4, 16 << 20)}
"""Resident set above what was there before the build; allocated by torch."""
RESERVED = Kind(0.10, 0.03, 4, 128 << 20)
"""Taken by torch of a GPU, what it keeps for later included: in whole segments, and by how it was searched
for. The spread is believed and was not measured."""
START = Kind(0.20, 0.08, 8, 0.5)
"""Seconds of compiling, importing, building and the first call. With less tolerance a start that has not
changed could not be OK by one session; a fifth more is found by three sessions a side all the same."""
START_IN_WORK = Kind(0.20, 0.04, 6, 0.0)
"""The same in units of fixed work. Cold compilations in ten fresh processes spread by 1.9 % (sd)."""
SIZE = Kind(0.25, 0.05, 4, 1 << 20)
"""Bytes of the compiled artifact."""


def judge_amount(
    baseline: Sequence[float], values: Sequence[float], kind: Kind, show: Callable[[float], str]
) -> Verdict:
    """Judge new figures by stored ones; less than before is OK.

    Raises:
        ValueError: a figure that is not positive and finite.
    """
    verdict = compare([[b] for b in baseline], [[v] for v in values], kind.settings)
    then, now = sum(baseline) / len(baseline), sum(values) / len(values)
    said = f"{show(now)}, {show(then)} in the baseline: {verdict.detail}"
    verdict = replace(verdict, detail=said, baseline_s=None)
    if verdict.status is Status.IMPROVED:
        return replace(verdict, status=Status.OK)
    if verdict.status is Status.REGRESSED and now - then < kind.least:
        said = f"{said}; but a difference below {show(kind.least)} is none"
        return replace(verdict, status=Status.OK, detail=said)
    return verdict


def by_budget(value: float, budget: float, rule: str, show: Callable[[float], str]) -> Verdict:
    """NEW within a budget, REGRESSED beyond it; `rule` says where the budget is from."""
    said = f"{show(value)}; there is no baseline, and the budget is {show(budget)}: {rule}"
    return Verdict(Status.REGRESSED if value > budget else Status.NEW, candidate_sessions=1, detail=said)


def beside_others(verdict: Verdict) -> Verdict:
    """A verdict on a figure that others' work disturbed: whatever it would say, it is INCONCLUSIVE."""
    return unsure(verdict, Cause.OTHER_PROCESS, "other processes took cores meanwhile")


def unsure(verdict: Verdict, cause: Cause, why: str) -> Verdict:
    """A verdict on a figure that something disturbed, which accuses nobody."""
    if verdict.status is not Status.REGRESSED:
        return verdict
    return replace(
        verdict,
        status=Status.INCONCLUSIVE,
        causes=(*verdict.causes, cause),
        detail=f"{verdict.detail}; {why}",
    )
