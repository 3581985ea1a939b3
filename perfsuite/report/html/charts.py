"""Geometry of the charts: places in per cent of the width, which the templates make SVG of.

Only what stretches is drawn: text stays HTML, so that it keeps its size on a phone.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.report import format as show

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfsuite.records import DriftCurve, Session, Stages


@dataclass(frozen=True)
class Tick:
    """A line across a chart and its label."""

    x: float
    text: str
    between: bool = False
    """It may go where there is little room."""


@dataclass(frozen=True)
class Axis:
    """A linear scale."""

    low: float
    high: float
    label: Callable[[float], str] = show.seconds

    def at(self, value: float) -> float:
        """Where a value is, in per cent; what lies beyond is on the edge."""
        span = self.high - self.low
        return round(100.0 * min(1.0, max(0.0, (value - self.low) / span)), 2) if span > 0 else 50.0

    def ticks(self, count: int = 4) -> list[Tick]:
        """Round values, about `count` of them."""
        raw = (self.high - self.low) / count
        if raw <= 0:
            return [Tick(50.0, self.label(self.low))]
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= raw * 0.999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        many = last - first > 2
        return [
            Tick(self.at(i * step), self.label(i * step), between=many and i % 2 != 0)
            for i in range(first, last + 1)
        ]


def padded(values: Sequence[float], label: Callable[[float], str] = show.seconds) -> Axis:
    """An axis that holds the values, with a little room on both sides."""
    low, high = min(values), max(values)
    room = 0.04 * (high - low) or 0.02 * abs(high) or 1.0
    return Axis(low - room, high + room, label)


@dataclass(frozen=True)
class Strip:
    """The samples of one session: one tick each."""

    label: str
    kind: str
    """``now``, ``throttled`` (or contended) or ``baseline``."""
    path: str
    """For a box of 1000 by 10."""
    median: float
    """Place in per cent."""
    text: str
    """Median and n."""


def strips(now: Session, before: Sequence[Session], date: Callable[[str], str]) -> tuple[Axis, list[Strip]]:
    """This session above those of the baseline, the newest first, on one scale."""
    rows = [("this run", "now", now.latency_s)]
    for label, apart in (("throttled", now.throttled_s), ("contended", now.contended_s)):
        if set(apart) - set(now.latency_s):
            rows.append((f"{label}, not counted", "throttled", apart))
    rows += [(date(s.date), "baseline", s.latency_s) for s in reversed(before)]
    axis = padded([value for _, _, samples in rows for value in samples])
    return axis, [_strip(axis, *row) for row in rows]


def _strip(axis: Axis, label: str, kind: str, samples: Sequence[float]) -> Strip:
    path = "".join(f"M{10 * axis.at(value):.0f} 0v10" for value in samples)
    middle = statistics.median(samples)
    return Strip(label, kind, path, axis.at(middle), f"{show.seconds(middle)}, n={len(samples)}")


@dataclass(frozen=True)
class Part:
    """One stage of a call."""

    name: str
    kind: str
    x: float
    width: float
    """Per cent."""
    text: str


def stack(split: Stages) -> list[Part]:
    """Where the time of one call goes."""
    steps = f"{len(split.steps_s)} denoising steps"
    stages = [
        ("text encoders", "text", split.text_encoders_s),
        (steps, "unet", sum(split.steps_s)),
        ("VAE", "vae", split.vae_s),
        ("rest", "rest", split.other_s),
    ]
    total = sum(seconds for _, _, seconds in stages) or 1.0
    parts, reached = [], 0.0
    for name, kind, seconds in stages:
        width = 100.0 * seconds / total
        text = f"{show.seconds(seconds)}, {width:.1f} %"
        parts.append(Part(name, kind, round(reached, 2), round(width, 2), text))
        reached += width
    return parts


@dataclass(frozen=True)
class Line:
    """One series of a curve, for a box of 300 by 100."""

    kind: str
    """``variant``, ``honest`` or ``budget``."""
    path: str


@dataclass(frozen=True)
class Curve:
    """The drift of one prompt."""

    prompt: str
    lines: tuple[Line, ...]
    decades: str
    """A line for each power of ten between."""
    top: str
    bottom: str
    """Labels of the logarithmic scale."""
    first: str
    last: str
    """Labels of the steps."""
    summary: str


def drift(curves: Sequence[DriftCurve]) -> list[Curve]:
    """The drift of every prompt of a variant on one logarithmic scale, so that they compare."""
    series = [v for c in curves for values in (c.variant, c.same_precision, c.budget) for v in values]
    positive = [v for v in series if v]
    if not positive:
        return [Curve(c.prompt, (), "", "", "", "", "", _drift_summary(c)) for c in curves]
    high = math.ceil(math.log10(max(positive)))
    # At most six decades: an error of 0 has none.
    low = max(math.floor(math.log10(min(positive))), high - 6)
    low = min(low, high - 1)

    def place(value: float) -> float:
        level = math.log10(value) if value > 0 else low
        return round(100.0 - 100.0 * min(1.0, max(0.0, (level - low) / (high - low))), 1)

    decades = "".join(f"M0 {place(10.0**power)}h300" for power in range(low + 1, high))
    found = []
    for curve in curves:
        lines = [
            Line(kind, _path(values, place))
            for kind, values in (
                ("budget", curve.budget), ("honest", curve.same_precision), ("variant", curve.variant)
            )
            if values
        ]  # fmt: skip
        ends = (f"step {curve.steps[0]}", f"{curve.steps[-1]}") if curve.steps else ("", "")
        scale = (f"{10.0**high:g}", f"{10.0**low:g}")
        found.append(Curve(curve.prompt, tuple(lines), decades, *scale, *ends, _drift_summary(curve)))
    return found


def _path(values: Sequence[float | None], place: Callable[[float], float]) -> str:
    """A line that is broken where there is no number."""
    width = 300.0 / max(1, len(values) - 1)
    path, pen = "", "M"
    for i, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        path += f"{pen}{i * width:.1f} {place(value)}"
        pen = "L"
    return path


def _drift_summary(curve: DriftCurve) -> str:
    n = len(curve.steps)
    parts = []
    last = curve.variant[-1] if curve.variant else None
    if last is not None:
        parts.append(f"{last:.2g} after the last step")
    if curve.budget:
        above = [
            step
            for step, value, most in zip(curve.steps, curve.variant, curve.budget, strict=False)
            if value is None or (most is not None and value > most)
        ]
        first = f", first step {above[0]}" if above else ""
        parts.append(f"{len(above)} of n={n} steps above the budget{first}")
    lost = sum(value is None for value in curve.variant)
    if lost:
        parts.append(f"NaN or Inf at {lost} steps")
    if not any(curve.variant) and not lost:
        parts = [f"no drift: the error of all n={n} steps is 0"]
    return "; ".join(parts)
