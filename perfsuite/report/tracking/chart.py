"""Geometry of the charts of a series: over nights in per cent of the width, of values in pixels."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from markupsafe import Markup

from perfsuite.records import OPEN, UNDECIDED, SeriesKind
from perfsuite.report.html.charts import Axis, Tick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from perfsuite.records import Change, HistoryEvent, Overview, Point, Tracked

HEIGHT = 260.0
LANE = 22
"""Height of a line of flags."""
NEAR = 8.0
"""Per cent of the width within which two flags would overlap on a phone."""
Z = 1.96
_STEPS = (1, 2, 4, 7, 14, 21, 28, 42, 56, 91, 182, 364)
"""Days between the ticks of nights."""
SPARK_NIGHTS = 90
SPARK_WIDTH, SPARK_HEIGHT = 200.0, 30.0
LEAST_SPAN = 0.03
"""Of a sparkline, on both sides of its middle: noise of less looks like none."""


@dataclass(frozen=True)
class Dot:
    """One point."""

    x: float
    y: float
    kind: str
    """``dot``, ``hollow`` where it has no weight; ``beyond`` where it lies outside of the chart."""

    def circle(self) -> str:
        """As SVG: of numbers and words of our own, and by far the most that is drawn."""
        return f'<circle class="{self.kind}" cx="{self.x}%" cy="{self.y}" r="3.2"/>'


@dataclass(frozen=True)
class Stretch:
    """A level."""

    x: float
    end: float
    y: float
    top: float
    bottom: float
    """Of its interval."""


@dataclass(frozen=True)
class Flag:
    """A change or an event, marked above the chart."""

    sign: str
    """A letter for a change, a number for an event."""
    x: float
    start: float
    """The last night without it; the same as `x` for an event."""
    y: int
    kind: str
    """``worse``, ``better``, ``closed`` or ``event``."""
    target: str
    """Of its link; empty if it has none."""
    text: str


@dataclass(frozen=True)
class Chart:
    """All of a series."""

    dots: tuple[Dot, ...]
    """In the order of its points."""
    circles: Markup
    """All of them."""
    intervals: str
    """Of the points, for a box of 1000 by `HEIGHT`."""
    line: str
    """Through the points of a count, which is known between them too; for the same box."""
    levels: tuple[Stretch, ...]
    flags: tuple[Flag, ...]
    lanes: int
    """Height of the flags in pixels."""
    nights: tuple[Tick, ...]
    values: tuple[Tick, ...]
    """Places in pixels from the top."""


@dataclass(frozen=True)
class Scale:
    """Values of a unit on a vertical axis."""

    axis: Axis
    factor: float

    def y(self, value: float) -> float:
        """Pixels from the top; at the lower edge what is no number."""
        if not math.isfinite(value):
            return HEIGHT
        return round(HEIGHT * (1.0 - self.axis.at(value / self.factor) / 100.0), 1)

    def holds(self, value: float) -> bool:
        """Whether it lies on the axis."""
        return self.axis.low <= value / self.factor <= self.axis.high

    def ticks(self) -> list[Tick]:
        """From the top."""
        return [Tick(round(HEIGHT * (1.0 - tick.x / 100.0), 1), tick.text) for tick in self.axis.ticks(5)]


def scale(values: Sequence[float], unit: str) -> Scale:
    """An axis that holds the values; what is very far from all others stays outside."""
    low, high = _range(values or [0.0])
    same = high - low <= 1e-12 * abs(high)  # but for rounding
    room = (0.05 * abs(high) or 1.0) if same else 0.08 * (high - low)
    factor, name = _factor(unit, max(abs(low), abs(high)))
    low, high = (low - room) / factor, (high + room) / factor
    digits = max(0, 1 - math.floor(math.log10((high - low) / 5)))

    def label(value: float) -> str:
        text = f"{value:.{digits}f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        return f"{'0' if text == '-0' else text} {name}".strip()

    return Scale(Axis(low, high, label), factor)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if len(values) >= 20:
        cuts = statistics.quantiles(values, n=20)
        reach = 2.0 * (cuts[-1] - cuts[0]) or high - low
        low, high = max(low, cuts[0] - reach), min(high, cuts[-1] + reach)
    return low, high


def _factor(unit: str, largest: float) -> tuple[float, str]:
    """What values are divided by to be read, and the name of the unit then."""
    if unit == "s":
        return (1e-3, "ms") if largest < 1.0 else (1.0, "s")
    if unit == "bytes":
        power = max(0, min(3, int(math.log(largest, 1024)))) if largest >= 1 else 0
        return 1024.0**power, ("bytes", "KiB", "MiB", "GiB")[power]
    return 1.0, "" if unit in ("count", "ratio", "passes") else unit


class Days:
    """Nights on a horizontal axis."""

    def __init__(self, first: str, last: str) -> None:
        self._first, self._last = date.fromisoformat(first), date.fromisoformat(last)
        days = (self._last - self._first).days
        self._axis = Axis(-0.5 - 0.02 * days, days + 0.5 + 0.02 * days)

    def x(self, night: str) -> float:
        """Per cent of the width; what lies outside is on the edge."""
        return self._axis.at((date.fromisoformat(night) - self._first).days)

    def ticks(self) -> list[Tick]:
        """Four at most."""
        days = (self._last - self._first).days
        step = next((s for s in _STEPS if days // s < 4), 364 * (1 + days // (4 * 364)))
        nights = [(self._first + timedelta(days=n)).isoformat() for n in range(0, days + 1, step)]
        return [Tick(self.x(night), night, between=i % 2 != 0)
                for i, night in enumerate(nights)]  # fmt: skip


def chart(of: Tracked, marks: Sequence[tuple[Change, str]], last: str) -> Chart:
    """The chart of a series until the night `last`; `marks` are its changes with their pages."""
    nights = [point.night for point in of.points]
    days = Days(min(nights, default=last), max([*nights, last]))
    fit = [p.value for p in of.points if not p.excluded and math.isfinite(p.value)]
    shown = fit or [p.value for p in of.points if math.isfinite(p.value)]
    values = scale([*shown, *(level.value for level in of.levels)], of.series.unit)
    flags, lanes = _flags(days, marks, of.epochs)
    dots = tuple(_dot(days, values, point) for point in of.points)
    return Chart(
        dots,
        Markup("".join(dot.circle() for dot in dots)),
        _intervals(days, values, of.points),
        _line(dots) if of.series.kind is SeriesKind.EXACT else "",
        tuple(
            Stretch(
                days.x(level.first), days.x(level.last), values.y(level.value),
                *(values.y(bound) for bound in reversed(level.interval or (level.value, level.value))),
            )
            for level in of.levels
        ),
        flags, lanes, tuple(days.ticks()), tuple(values.ticks()),
    )  # fmt: skip


def _dot(days: Days, values: Scale, point: Point) -> Dot:
    kind = "hollow" if point.excluded else "dot"
    if not math.isfinite(point.value) or not values.holds(point.value):
        kind += " beyond"
    return Dot(days.x(point.night), values.y(point.value), kind)


def _intervals(days: Days, values: Scale, points: Iterable[Point]) -> str:
    path = ""
    for point in points:
        if point.error and point.value > 0 and not point.excluded:
            low, high = (values.y(point.value * math.exp(sign * Z * point.error)) for sign in (-1, 1))
            path += f"M{10 * days.x(point.night):.1f} {high}V{low}"
    return path


def _line(dots: Sequence[Dot]) -> str:
    return "".join(f"{'L' if i else 'M'}{10 * dot.x:.1f} {dot.y}" for i, dot in enumerate(dots))


def _flags(
    days: Days, marks: Sequence[tuple[Change, str]], events: Sequence[HistoryEvent]
) -> tuple[tuple[Flag, ...], int]:
    """In as many lines as keep them apart, and the height of these."""
    flags = [
        Flag(
            letter(i), days.x(change.nomination.first_bad), days.x(change.nomination.last_good), 0,
            _kind(change), target, f"change {letter(i)}",
        )
        for i, (change, target) in enumerate(marks)
    ]  # fmt: skip
    flags += [
        Flag(str(i), days.x(event.night), days.x(event.night), 0, "event", "", f"event {i}")
        for i, event in enumerate(events, 1)
    ]
    used: list[float] = []
    """Where the last flag of each line is."""
    found = []
    for flag in sorted(flags, key=lambda flag: flag.x):
        lane = next((i for i, x in enumerate(used) if flag.x - x >= NEAR), len(used))
        used[lane : lane + 1] = [flag.x]
        found.append(replace(flag, y=lane * LANE))
    return tuple(found), len(used) * LANE


def letter(number: int) -> str:
    """A, B, ... Z, AA and so on."""
    head, tail = divmod(number, 26)
    return (letter(head - 1) if head else "") + chr(ord("A") + tail)


def _kind(change: Change) -> str:
    if change.state not in (*OPEN, *UNDECIDED):
        return "closed"
    return "worse" if change.worse else "better"


# -- small ones --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spark:
    """The latest nights of a series, for a box of `SPARK_WIDTH` by `SPARK_HEIGHT`."""

    line: str
    levels: str
    mark: float | None
    """Where its gravest change begins, in per cent of the width."""


def spark_begin(of: Overview) -> str:
    """The first night of all sparklines, so that they compare."""
    first = (date.fromisoformat(of.night) - timedelta(days=SPARK_NIGHTS - 1)).isoformat()
    return max(first, min((run.night for run in of.runs), default=first))


def spark(of: Tracked, first: str, night: str, mark: Change | None) -> Spark:
    """The sparkline of a series from one night to another."""
    points = [p for p in of.points if first <= p.night and not p.excluded and math.isfinite(p.value)]
    if not points:
        return Spark("", "", None)
    days = Days(first, night)
    y = _spark_scale([p.value for p in points])
    unit = SPARK_WIDTH / 100.0
    line = "".join(
        f"{'L' if i else 'M'}{unit * days.x(p.night):.1f} {y(p.value)}" for i, p in enumerate(points)
    )
    if len(points) == 1:
        line += "h2"
    levels = "".join(
        f"M{unit * days.x(level.first):.1f} {y(level.value)}H{unit * days.x(level.last):.1f}"
        for level in of.levels
        if level.last >= first
    )
    at = mark.nomination.first_bad if mark is not None else ""
    return Spark(line, levels, days.x(at) if at >= first else None)


def _spark_scale(values: Sequence[float]) -> Callable[[float], float]:
    low, high = _range(values)
    middle = statistics.median(values)
    low, high = min(low, middle - LEAST_SPAN * abs(middle)), max(high, middle + LEAST_SPAN * abs(middle))
    axis = Axis(low, high)
    return lambda value: round(2 + (SPARK_HEIGHT - 4) * (1 - axis.at(value) / 100.0), 1)
