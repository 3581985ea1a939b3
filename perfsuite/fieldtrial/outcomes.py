"""Verdicts of a trial, counted, with intervals, beside what is wanted of them."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from perfsuite.records import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

REFUSED = "refused"
"""The run ended as it should, without a verdict on this rung: it said that it cannot judge."""
FAILED = "failed"
"""The run broke: neither passed nor failed its tests, or took too long."""
CONFIDENCE = 0.95
WRONG = (Status.REGRESSED.value, Status.IMPROVED.value)
"""What is wrong to say of unchanged code."""


@dataclass(frozen=True)
class Judged:
    """What one check said of one rung."""

    regime: str
    slower: int
    """Percent of more work that the check's slowed rungs did."""
    run: str
    """The check; its rungs share it."""
    variant: str
    slowed: bool
    """Whether this rung did more work; False also for the others of a slowed check."""
    outcome: str
    """A `Status`, `REFUSED` or `FAILED`."""
    minimum_detectable_effect: float | None = None
    seconds: float | None = None
    """Of the whole check; None where it was replayed."""

    @property
    def work(self) -> str:
        """The row of the table that this belongs to."""
        if self.slowed:
            return f"+{self.slower} %"
        return "unchanged" if self.slower == 0 else "beside slowed"


class Share(NamedTuple):
    """A count out of so many, as a fraction, with its interval."""

    hits: int
    of: int
    lower: float
    upper: float

    @property
    def value(self) -> float:
        """The fraction; 0 of nothing."""
        return self.hits / self.of if self.of else 0.0


def share(hits: int, of: int, confidence: float = CONFIDENCE) -> Share:
    """A share with its exact interval (Clopper and Pearson, Biometrika 26, 1934)."""
    from scipy.special import betaincinv

    risk = (1 - confidence) / 2
    lower = float(betaincinv(hits, of - hits + 1, risk)) if hits else 0.0
    upper = float(betaincinv(hits + 1, of - hits, 1 - risk)) if hits < of else 1.0
    return Share(hits, of, lower, upper)


@dataclass(frozen=True)
class Target:
    """What is wanted of a cell: a share of certain outcomes."""

    outcomes: tuple[str, ...]
    least: float | None
    """None: not one of these outcomes."""

    def met(self, cell: Cell) -> bool:
        """By the share that was found; its interval is another matter."""
        found = cell.share(*self.outcomes)
        return found.hits == 0 if self.least is None else found.value >= self.least


@dataclass(frozen=True)
class Cell:
    """All verdicts of one regime on one amount of work."""

    regime: str
    work: str
    counts: Counter[str]
    runs: int
    wrong_runs: Share
    """Runs in which any rung was REGRESSED or IMPROVED: the rungs of a run resemble each other."""
    least_found: float | None
    """Median of the minimum detectable effects."""
    seconds: float | None
    """Median of a check."""

    @property
    def verdicts(self) -> int:
        """How many there are, refusals and failures included."""
        return self.counts.total()

    def share(self, *outcomes: str) -> Share:
        """That of these outcomes."""
        return share(sum(self.counts[each] for each in outcomes), self.verdicts)

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is wanted of it; nothing where its figures are only to be stated."""
        return targets(self.regime, self.work)

    @property
    def met(self) -> bool | None:
        """Whether all targets are met; None without any."""
        return all(target.met(self) for target in self.targets) if self.targets else None


_NEVER = Target(WRONG, None)
_OK, _FOUND = (Status.OK.value,), (Status.REGRESSED.value,)
_TARGETS = {
    ("quiet", "unchanged"): (_NEVER, Target(_OK, 0.6)),
    ("quiet", "+10 %"): (Target(_FOUND, 0.6),),
    ("quiet", "+30 %"): (Target(_FOUND, 0.95),),
    ("quiet", "+100 %"): (Target(_FOUND, 1.0),),
    ("burst", "unchanged"): (_NEVER, Target(_OK, 0.3)),
    ("burst", "+30 %"): (Target(_FOUND, 0.7),),
    ("burst", "+100 %"): (Target(_FOUND, 0.95),),
    ("busy", "unchanged"): (_NEVER,),
    # A run that says at its beginning that it cannot judge is as good.
    ("busy", "+100 %"): (Target((*_FOUND, REFUSED), 0.8),),
}


def targets(regime: str, work: str) -> tuple[Target, ...]:
    """What is wanted of the verdicts of a regime on an amount of work."""
    if work == "beside slowed":
        return (_NEVER,)
    return _TARGETS.get((regime.partition("-")[0], work), ())


def cells(judged: Iterable[Judged]) -> list[Cell]:
    """Count them: one cell a regime and work, in the order in which they come."""
    groups: dict[tuple[str, str], list[Judged]] = {}
    for each in judged:
        groups.setdefault((each.regime, each.work), []).append(each)
    return [_cell(regime, work, group) for (regime, work), group in groups.items()]


def _cell(regime: str, work: str, group: Sequence[Judged]) -> Cell:
    runs = {each.run: each for each in group}
    wrong = {each.run for each in group if each.outcome in WRONG}
    least = [e.minimum_detectable_effect for e in group if e.minimum_detectable_effect is not None]
    seconds = [e.seconds for e in runs.values() if e.seconds is not None]
    return Cell(
        regime,
        work,
        Counter(each.outcome for each in group),
        len(runs),
        share(len(wrong), len(runs)),
        statistics.median(least) if least else None,
        statistics.median(seconds) if seconds else None,
    )
