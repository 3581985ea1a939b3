"""The page of one series: its chart, its changes and events, and all of its points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from perfsuite.records import SeriesKind
from perfsuite.report.html.overview import Fact
from perfsuite.report.tracking import states, words
from perfsuite.report.tracking.chart import Chart, Z, chart, letter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from markupsafe import Markup

    from perfsuite.records import Change, HistoryEvent, Point, Tracked
    from perfsuite.report.html.words import Badge
    from perfsuite.report.tracking.nights import Surroundings


@dataclass(frozen=True)
class ChangeRow:
    """A change among those of its series."""

    sign: str
    badge: Badge
    page: str
    text: str
    nights: str


@dataclass(frozen=True)
class PointRow:
    """A point in the table."""

    index: int
    """In the order of nights."""
    night: str
    value: str
    interval: str
    samples: int
    ran: Markup
    """With what."""
    notes: str
    excluded: bool


@dataclass(frozen=True)
class SeriesView:
    """All of the page."""

    name: str
    metric: str
    variant: str
    badge: Badge | None
    said: str
    facts: tuple[Fact, ...]
    chart: Chart
    changes: tuple[ChangeRow, ...]
    events: tuple[HistoryEvent, ...]
    rows: tuple[PointRow, ...]
    """The latest first."""
    excluded: int


def view(of: Tracked, pages: Mapping[str, str], surroundings: Surroundings, night: str) -> SeriesView:
    """The page of a series on a night; `pages` are those of changes, by id."""
    series = of.series
    gravest = states.gravest(of.changes)
    rows = tuple(_rows(of, surroundings))
    return SeriesView(
        f"{series.variant}: {series.metric}",
        series.metric,
        series.variant,
        states.badge(gravest.state) if gravest is not None else None,
        _said(of),
        tuple(_facts(of, surroundings)),
        chart(of, [(change, pages[change.id]) for change in of.changes], night),
        tuple(_change(letter(i), change, pages[change.id]) for i, change in enumerate(of.changes)),
        of.epochs,
        rows[::-1],
        sum(row.excluded for row in rows),
    )


def latest(points: Iterable[Point]) -> Point | None:
    """The last point that has weight."""
    fit = [p for p in points if not p.excluded and math.isfinite(p.value)]
    return fit[-1] if fit else None


def amount(value: float, unit: str) -> str:
    """A value of a point, which may be none."""
    return words.value(value, unit) if math.isfinite(value) else "not finite"


def precise(value: float, unit: str) -> str:
    """With four digits where it is no count, for points that are compared with each other."""
    if unit not in ("s", "ratio") or not math.isfinite(value):
        return amount(value, unit)
    if unit == "ratio":
        return f"{value:.4f}"
    return f"{1e3 * value:#.4g} ms" if abs(value) < 1 else f"{value:#.4g} s"


def _said(of: Tracked) -> str:
    last = latest(of.points)
    if last is None:
        return "No point of this series has weight."
    said = f"{precise(last.value, of.series.unit)} on {last.night}"
    if of.levels:
        level = of.levels[-1]
        said += f"; the level is {precise(level.value, of.series.unit)} since {level.first}"
    return f"{said}."


def _facts(of: Tracked, surroundings: Surroundings) -> Iterable[Fact]:
    series = of.series
    yield Fact("Device", series.device)
    yield Fact("Workload", f"{series.workload}, {series.protocol}")
    better = "higher" if series.higher_is_better else "lower"
    how = "counted" if series.kind is SeriesKind.EXACT else "measured"
    yield Fact("Metric", f"{series.metric}, {how} in {series.unit}; {better} is better")
    said = f"{sum(bool(p.excluded) for p in of.points)} without weight"
    if series.kind is SeriesKind.EXACT:
        said = "the first night, the last, and both sides of each difference"
    yield Fact("Points", f"n={len(of.points)}, {said}")
    same = surroundings.constant(series.device)
    if same:
        yield Fact("Every night", same)


def _change(sign: str, of: Change, page: str) -> ChangeRow:
    seen = of.nomination
    parts = [words.change(of), words.shape(of)]
    if seen.interval is not None:
        parts.append(f"95 % interval {words.interval(of)}")
    return ChangeRow(
        sign, states.badge(of.state, worse=of.worse), page, ", ".join(parts),
        words.nights(seen.last_good, seen.first_bad),
    )  # fmt: skip


def _rows(of: Tracked, surroundings: Surroundings) -> Iterable[PointRow]:
    notes: dict[str, list[str]] = {}
    for i, change in enumerate(of.changes):
        notes.setdefault(change.nomination.first_bad, []).append(
            f"{letter(i)}: {words.change(change)}, {change.state}"
        )
    for i, event in enumerate(of.epochs, 1):
        notes.setdefault(event.night, []).append(f"{i}: {event.kind}, {event.text}")
    before = chain((None,), (point.run for point in of.points))
    for index, (point, earlier) in enumerate(zip(of.points, before, strict=False)):
        without = [f"○ without weight: {point.excluded}"] if point.excluded else []
        yield PointRow(
            index,
            point.night,
            precise(point.value, of.series.unit),
            f"±{100.0 * Z * point.error:.2f} %" if point.error else "",
            point.samples,
            surroundings.of(point.run, earlier),
            "; ".join([*without, *notes.get(point.night, ())]),
            bool(point.excluded),
        )
