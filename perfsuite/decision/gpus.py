"""Several GPUs of one model are not one GPU: what they differ by is a part of how well a change is known.

A session's log latency is its side's value, what its GPU differs by from others of the model, and what its
process differs by. In a shift between two sides the GPUs of both cancel as far as the sides share them: with
the share ``w`` of the stored sessions and ``v`` of the new ones that are of a GPU, there remains the variance
of GPUs times the sum of ``(w - v)**2``: none for one GPU on both sides, twice the variance for one a side.

The spread of GPUs is believed until sessions of several GPUs show it. Sessions of an unknown GPU, as in older
files and on CPUs, are like every other: with them alone on a side nothing is added.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from perfsuite.decision.wording import percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfsuite.decision.parameters import DecisionSettings
    from perfsuite.records import Session


T = TypeVar("T")


class Spread(NamedTuple):
    """What GPUs of one model differ by."""

    sd: float
    """Standard deviation of the log latency."""
    df: float
    """How well it is known."""
    measured: int
    """GPUs whose sessions show it; 0: it is believed."""


class Added(NamedTuple):
    """What GPUs add to the variance of a shift."""

    variance: float
    spread: Spread

    def freedom(self, variance: float, df: float) -> float:
        """Degrees of freedom of another variance and this one together (Satterthwaite's)."""
        own = self.variance**2 / self.spread.df
        return (variance + self.variance) ** 2 / (variance**2 / df + own)

    def said(self) -> str:
        """In words, for a person."""
        known = f"measured on {self.spread.measured}" if self.spread.measured else "assumed"
        differ = f"GPUs of one model differ by {percent(self.spread.sd)} ({known})"
        return f"not on the GPUs of the stored sessions: {differ}, which is in the interval"


@dataclass(frozen=True)
class Sides:
    """The GPU of each session of both sides; empty where it is not known."""

    baseline: tuple[str, ...]
    candidate: tuple[str, ...]

    @classmethod
    def of(cls, stored: Sequence[Session], fresh: Sequence[Session]) -> Sides:
        """Of these sessions."""
        return cls(tuple(s.gpu for s in stored), tuple(s.gpu for s in fresh))

    @property
    def apart(self) -> float:
        """The sum of ``(w - v)**2``; 0 where a side is of no known GPU."""
        old, fresh = _shares(self.baseline), _shares(self.candidate)
        if not old or not fresh:
            return 0.0
        return sum((fresh.get(gpu, 0.0) - old.get(gpu, 0.0)) ** 2 for gpu in {*old, *fresh})

    def groups(self, baseline: Sequence[float], candidate: Sequence[float]) -> list[list[float]]:
        """The values of each GPU on each side: among these, sessions differ by their processes alone."""
        return [
            *by_gpu(self.baseline, baseline).values(),
            *by_gpu(self.candidate, candidate).values(),
        ]

    def added(
        self,
        baseline: Sequence[float],
        candidate: Sequence[float],
        between: float,
        settings: DecisionSettings,
    ) -> Added | None:
        """What the sides' GPUs add to the variance of their shift; None where that is nothing.

        Args:
            baseline: log latency of each stored session.
            candidate: of each new one.
            between: variance between sessions of one GPU.
            settings: with what is believed of GPUs.
        """
        apart = self.apart
        if not apart:
            return None
        sides = [by_gpu(self.baseline, baseline), by_gpu(self.candidate, candidate)]
        found = spread(sides, between, settings)
        return Added(apart * found.sd**2, found)


def spread(
    sides: Sequence[Mapping[str, Sequence[float]]], between: float, settings: DecisionSettings
) -> Spread:
    """Believed, and what the means of a side's GPUs have beyond what processes alone explain.

    Args:
        sides: of each the log latencies of sessions by GPU.
        between: variance between sessions of one GPU.
        settings: with what is believed of GPUs.
    """
    excess, freedom, seen = 0.0, 0, set[str]()
    for side in sides:
        known = {gpu: values for gpu, values in side.items() if gpu}
        if len(known) < 2:
            continue
        means = [fmean(values) for values in known.values()]
        centre = fmean(means)
        own = (len(means) - 1) * between * fmean(1 / len(values) for values in known.values())
        excess += max(0.0, sum((mean - centre) ** 2 for mean in means) - own)
        freedom += len(means) - 1
        seen |= known.keys()
    df = settings.gpu_df + freedom
    return Spread(math.sqrt((settings.gpu_df * settings.gpu_sd**2 + excess) / df), df, len(seen))


def by_gpu(gpus: Sequence[str], values: Sequence[T]) -> dict[str, list[T]]:
    """The values of each GPU."""
    found: dict[str, list[T]] = defaultdict(list)
    for gpu, value in zip(gpus, values, strict=True):
        found[gpu].append(value)
    return dict(found)


def _shares(gpus: Sequence[str]) -> Mapping[str, float]:
    known = Counter(filter(None, gpus))
    return {gpu: count / known.total() for gpu, count in known.items()}
