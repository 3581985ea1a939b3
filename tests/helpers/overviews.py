"""A believable history of nights, as it is shown: three devices, and one of everything that may be in it."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

from perfsuite.records import (
    Change,
    Decision,
    Environment,
    HistoryEvent,
    Level,
    NightRun,
    Nomination,
    Outcome,
    Overview,
    Point,
    Series,
    SeriesKind,
    Shape,
    State,
    Tracked,
    Trial,
)
from perfsuite.tracking.overview import overview

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

VARIANTS = (
    "fp32",
    "bf16",
    "bf16-sdpa",
    "bf16-sdpa-compile",
    "bf16-sdpa-compile-qkv",
    "bf16-sdpa-compile-int8",
)
DEVICES = ("h100-80gb", "a100-40gb", "cpu-epyc-8t")
HOSTILE = "<script>alert(1)</script>'\"><img src=x onerror=alert(2)>"
"""Variant of one more series."""
LINK = "https://github.com/pytorch/pytorch/compare/0123456789ab...ba9876543210"
_METRICS = {
    "relative latency": ("ratio", 0.4, 0.006), "latency": ("s", 2.5, 0.012),
    "compile, cold": ("s", 48.0, 0.05), "peak memory": ("bytes", 9.4e9, 0.002),
    "SSIM": ("ratio", 0.981, 0.0008),
}  # fmt: skip


def night(number: int) -> str:
    """The night of a number; the first is 0."""
    return (date(2026, 9, 20) + timedelta(days=number)).isoformat()


def torch(number: int) -> str:
    """The version of a night."""
    return f"2.14.0.dev{night(number).replace('-', '')}"


@dataclass
class Made:
    """Series over so many nights, to which things are done."""

    nights: int = 60
    devices: tuple[str, ...] = DEVICES
    variants: tuple[str, ...] = VARIANTS
    exact: int = 40
    """Counts of each variant and device that never change."""

    def __post_init__(self) -> None:
        self.random = Random(19)
        self.values: dict[Series, dict[int, float]] = {}
        self.changes: list[Change] = []
        self.events: list[HistoryEvent] = []
        self.excluded: dict[tuple[Series, int], str] = {}
        self.gone: set[tuple[str, int]] = set()
        for device in self.devices:
            for variant in self.variants:
                for metric, (unit, usual, noise) in _METRICS.items():
                    series = Series(device, "sdxl-base", "sdxl 1024x1024, 30 steps", variant, metric, unit,
                                    SeriesKind.NOISY, metric == "SSIM")  # fmt: skip
                    usual *= self.random.uniform(0.7, 1.0) if metric != "SSIM" else 1.0
                    self.values[series] = {
                        n: usual * math.exp(self.random.gauss(0.0, noise)) for n in range(self.nights)
                    }
                for i in range(self.exact):
                    self.values[self.count(device, variant, f"operators: aten.op{i}")] = {
                        0: 7.0 + i, self.nights - 1: 7.0 + i
                    }  # fmt: skip

    def count(self, device: str, variant: str, metric: str) -> Series:
        """A series of counts."""
        return Series(
            device, "sdxl-base", "sdxl 1024x1024, 30 steps", variant, metric, "count", SeriesKind.EXACT
        )

    def of(self, device: str, variant: str, metric: str) -> Series:
        """The series of that name."""
        return next(s for s in self.values if (s.device, s.variant, s.metric) == (device, variant, metric))

    def scale(self, series: Series, factor: float, first: int, last: int | None = None) -> None:
        """Make it so much more from one night to another."""
        for n in self.values[series]:
            if first <= n <= (self.nights if last is None else last):
                self.values[series][n] *= factor

    def change(
        self, series: Series, at: int, after: float, state: State, shape: Shape = Shape.STEP, **more: object
    ) -> Change:
        """Note a change of this factor on this night."""
        before = self.values[series].get(at - 1, 12.0)
        ratio = after / before if shape is Shape.EXACT else after
        seen = Nomination(
            shape, night(at - (14 if shape is Shape.DRIFT else 1)), night(at), before,
            before * ratio, None if shape is Shape.EXACT else (ratio * 0.99, ratio * 1.01),
            math.inf if shape is Shape.EXACT else 9.5, "changes 1",
        )  # fmt: skip
        id = f"{len(self.changes) + 10:x}a7b3c9d{at:02x}"
        worse = (ratio > 1) != series.higher_is_better
        change = Change(id, series, seen, state, worse, night(at + 1), night(at + 2), **more)  # type: ignore[arg-type]
        self.changes.append(change)
        return change

    def overview(self) -> Overview:
        """All of it."""
        runs = tuple(self._runs())
        there = {(run.device, run.night) for run in runs if run.outcome is not Outcome.NOTHING}
        tracked = tuple(self._tracked(series, there) for series in sorted(self.values))
        last = {one.series: one.points[-1].night for one in tracked if one.points}
        return overview(night(self.nights - 1), runs, last, self.changes, tracked=tracked)

    def _runs(self) -> Iterable[NightRun]:
        for device in self.devices:
            for n in range(self.nights):
                if (device, n) in self.gone:
                    continue
                environment = Environment(
                    f"e{n}",
                    {"torch": torch(n), "diffusers": "0.42.0" if n < 40 else "0.43.0",
                     "torchao": "0.18.0", "triton": "3.7.0"},
                    {"torch": hashlib.sha1(night(n).encode()).hexdigest()},
                    {"driver": "550.90" if n < 20 else "560.35", "python": "3.12.4"},
                )  # fmt: skip
                outcome = Outcome.PARTIAL if n % 17 == 9 else Outcome.COMPLETE
                yield NightRun(
                    f"{device}-{n}", night(n), f"{night(n)}T02:10:00+00:00", device, environment, outcome
                )

    def _tracked(self, series: Series, there: set[tuple[str, str]]) -> Tracked:
        noisy = series.kind is SeriesKind.NOISY
        values = dict(self.values[series])
        if not noisy:  # the last night on which it was counted is a point
            values.setdefault(
                max(n for n in range(self.nights) if (series.device, night(n)) in there), values[0]
            )
        points = tuple(
            Point(night(n), f"{series.device}-{n}", value, 0.004 if noisy else None, 12 if noisy else 1,
                  self.excluded.get((series, n), ""))
            for n, value in sorted(values.items()) if (series.device, night(n)) in there
        )  # fmt: skip
        own = tuple(change for change in self.changes if change.series == series)
        events = tuple(event for event in self.events if event.device == series.device)
        return Tracked(series, points, tuple(self._levels(points, own)) if noisy else (), events, own)

    def _levels(self, points: tuple[Point, ...], own: tuple[Change, ...]) -> Iterable[Level]:
        starts = ["", *sorted(change.nomination.first_bad for change in own), "9"]
        for first, after in pairwise(starts):
            fit = [p for p in points if first <= p.night < after and not p.excluded]
            if fit:
                middle = math.exp(sum(math.log(p.value) for p in fit) / len(fit))
                sure = math.exp(0.02 / math.sqrt(len(fit)))
                yield Level(fit[0].night, fit[-1].night, middle, (middle / sure, middle * sure))


def trial(change: str, verdict: str, ratio: float | None, on: int, purpose: str = "confirm") -> Trial:
    """An A/B of two nights."""
    interval = None if ratio is None else (ratio - 0.008, ratio + 0.008)
    base, head = ({"torch": torch(n), "triton": "3.7.0"} for n in (on - 2, on - 1))
    return Trial(change, purpose, base, head, verdict, ratio, interval, 94.0,
                 f"{night(on)}T05:00:00+00:00", "12 rounds in turns")  # fmt: skip


def believable() -> Overview:
    """A found step, a drift, what recovered, a count, nights missing, an event, points without weight."""
    made = Made()
    compiled = [v for v in VARIANTS if "compile" in v]
    for variant in compiled:
        for metric in ("relative latency", "latency"):
            series = made.of("h100-80gb", variant, metric)
            made.scale(series, 1.06, 44)
            change = made.change(
                series, 44, 1.06, State.FOUND,
                culprit={"package": "torch", "good": "2.14.0.dev20261102", "bad": "2.14.0.dev20261103",
                         "good_git": "0123456789abcdef", "bad_git": "ba9876543210fedc", "link": LINK},
            )  # fmt: skip
            made.changes[-1] = replace(
                change,
                trials=(trial(change.id, "REGRESSED", 1.058, 45), trial(change.id, "OK", 1.001, 46, "bisect"),
                        trial(change.id, "INCONCLUSIVE", None, 47, "bisect")),
            )  # fmt: skip
    clones = made.count("h100-80gb", compiled[0], "operators: aten.clone in BasicTransformerBlock")
    made.values[clones] = {0: 12.0, 43: 12.0, 44: 24.0, 59: 24.0}
    made.change(clones, 44, 24.0, State.CONFIRMED, Shape.EXACT)
    slow = made.of("a100-40gb", "bf16-sdpa", "relative latency")
    for n in made.values[slow]:
        made.values[slow][n] *= 1.0025 ** max(0, n - 25)
    made.change(slow, 52, 1.065, State.NOMINATED, Shape.DRIFT)
    back = made.of("cpu-epyc-8t", "bf16", "latency")
    made.scale(back, 1.08, 20, 31)
    made.change(back, 20, 1.08, State.RECOVERED, times_reopened=1)
    quick = made.of("a100-40gb", "fp32", "latency")
    made.scale(quick, 0.94, 30)
    made.change(quick, 30, 0.94, State.CONFIRMED)
    left = made.of("a100-40gb", "bf16-sdpa-compile", "compile, cold")
    made.scale(left, 1.2, 36)
    change = made.change(left, 36, 1.2, State.IGNORED)
    said = Decision(
        change.id, State.IGNORED, "mara", f"{night(38)}T09:00:00", "triton 3.8 brings it back", "triton>=3.8"
    )
    made.changes[-1] = replace(change, decisions=(said,))
    made.events.append(HistoryEvent("h100-80gb", night(20), "driver", "550.90 -> 560.35"))
    throttled = made.of("h100-80gb", "bf16", "latency")
    for n in (12, 33, 34):
        made.scale(throttled, 1.6, n, n)
        made.excluded[throttled, n] = "throttled: clocks fell by 22 %"
    made.values[throttled][50] = math.nan
    made.excluded[throttled, 50] = "not finite"
    hostile = replace(made.of("h100-80gb", "fp32", "latency"), variant=HOSTILE, device="h100-80gb")
    made.values[hostile] = dict(made.values[made.of("h100-80gb", "fp32", "latency")])
    made.gone = {("cpu-epyc-8t", n) for n in range(55, 60)} | {("h100-80gb", 27), ("h100-80gb", 28)}
    return made.overview()


def large(series: int = 250, nights: int = 400) -> Overview:
    """So many measured series, each with a change or none."""
    devices = tuple(f"gpu-{i}" for i in range(series // 25))
    made = Made(nights, devices, tuple(f"bf16-v{i}" for i in range(5)), exact=60)
    for i, one in enumerate([s for s in made.values if s.kind is SeriesKind.NOISY]):
        if i % 7 == 0:
            made.scale(one, 1.05, 300)
            made.change(one, 300, 1.05, State.CONFIRMED)
    return made.overview()


def by_metric(of: Overview) -> Mapping[tuple[str, str, str], Tracked]:
    """The series of an overview by device, variant and metric."""
    return {(t.series.device, t.series.variant, t.series.metric): t for t in of.tracked}
