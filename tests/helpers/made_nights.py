"""Made histories: series, nights, and a rule on them that sees what it is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from perfsuite.records import (
    Change,
    Environment,
    HistoryEvent,
    Level,
    NightRun,
    Nomination,
    Outcome,
    Point,
    Series,
    SeriesKind,
    Shape,
    Trial,
)
from perfsuite.tracking.life.evaluate import Evidence, evaluate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LATENCY = Series("h100", "sdxl", "p1", "bf16-sdpa", "latency", "s", SeriesKind.NOISY)
COUNT = Series("h100", "sdxl", "p1", "bf16-sdpa", "operators: aten.clone", "count", SeriesKind.EXACT)


def night(number: int) -> str:
    """The night of a number; the first is 1."""
    return (date(2026, 11, 1) + timedelta(days=number - 1)).isoformat()


def points(values: Sequence[float | None], first: int = 1) -> list[Point]:
    """One a night; None is a night without."""
    return [Point(night(i), f"run{i}", v, 0.01) for i, v in enumerate(values, first) if v is not None]


def step(
    last_good: int, first_bad: int, before: float, after: float, shape: Shape = Shape.STEP
) -> Nomination:
    """What a rule says of a step."""
    ratio = after / before if before else float("inf")
    interval = None if shape is Shape.EXACT else (0.98 * ratio, 1.02 * ratio)
    return Nomination(shape, night(last_good), night(first_bad), before, after, interval, 9.0, "made 1")


def trial(change: Change, verdict: str, on: int, purpose: str = "confirm") -> Trial:
    """An A/B of a change."""
    return Trial(change.id, purpose, {}, {}, verdict, 1.1, (1.08, 1.12), 60.0, f"{night(on)}T06:00:00")


def run(on: int, device: str = "h100", outcome: Outcome = Outcome.COMPLETE, **versions: str) -> NightRun:
    """A night's run."""
    environment = Environment("e", versions or {"torch": "2.13.0"})
    return NightRun(f"{device}-{on}", night(on), f"{night(on)}T02:00:00", device, environment, outcome)


class Stairs:
    """A rule without noise: two nights in a row make a level, and a new one where it moves by 3 % or more."""

    def nominations(
        self, series: Series, points: Sequence[Point], epochs: Sequence[str], accepted: Sequence[str]
    ) -> list[Nomination]:
        if series.kind is SeriesKind.EXACT:
            return self._exact(points)
        levels = self.levels(series, points, epochs)
        pairs = pairwise(levels)
        return [
            Nomination(
                Shape.STEP, one.last, other.first, one.value, other.value,
                (0.99 * other.value / one.value, 1.01 * other.value / one.value), 9.0, "stairs 1",
            )
            for one, other in pairs if other.first not in epochs
        ]  # fmt: skip

    def _exact(self, points: Sequence[Point]) -> list[Nomination]:
        return [
            Nomination(Shape.EXACT, a.night, b.night, a.value, b.value, None, float("inf"), "stairs 1")
            for a, b in pairwise(points) if a.value != b.value
        ]  # fmt: skip

    def levels(self, series: Series, points: Sequence[Point], epochs: Sequence[str]) -> tuple[Level, ...]:
        groups: list[list[Point]] = []
        for i, point in enumerate(points):
            after = points[i + 1].value if i + 1 < len(points) else point.value
            last = median(p.value for p in groups[-1]) if groups else None
            moved = last is None or (abs(point.value / last - 1) > 0.03 and abs(after / last - 1) > 0.03)
            alone = i + 1 == len(points)
            if last is None or (moved and not alone) or point.night in epochs:
                groups.append([])
            groups[-1].append(point)
        return tuple(Level(g[0].night, g[-1].night, median(p.value for p in g)) for g in groups)


@dataclass
class Team:
    """A history that is evaluated night by night, as a nightly job does."""

    values: Mapping[Series, Sequence[float | None]]
    events: Sequence[HistoryEvent] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()

    def evaluate(self, on: int) -> tuple[Change, ...]:
        """The changes after a night; evaluated twice, which must be the same."""
        for _ in range(2):
            before = self.changes
            history = [(series, points(values)) for series, values in self.values.items()]
            runs = [run(i, **self.versions) for i in range(1, on + 1)]
            evidence = Evidence(history, self.events, self.changes, runs)
            self.changes = evaluate(evidence, night(on), Stairs())
        assert self.changes == before
        return self.changes

    def nights(self, first: int, last: int) -> tuple[Change, ...]:
        """The changes after the last of these nights, each evaluated."""
        for on in range(first, last + 1):
            self.evaluate(on)
        return self.changes

    def put(self, change: Change) -> None:
        """Save a change in the place of that with its id."""
        self.changes = tuple(change if each.id == change.id else each for each in self.changes)
