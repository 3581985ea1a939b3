"""The ladder as a chart: each variant's latency, and beside it what moved against the baseline."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.pipelines import variants
from perfsuite.report import format as show
from perfsuite.report.headline import basis, interval, sessions
from perfsuite.report.html import published
from perfsuite.report.html.charts import Axis, Tick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Result, Verdict

LEAST_SPAN, MOST_SPAN = 0.1, 1.0
"""Of the axis of changes, as fractions on both sides of 0."""


@dataclass(frozen=True)
class Moved:
    """A change against the baseline with its interval, in per cent of the axis."""

    at: float
    low: float
    high: float
    beyond: bool
    """The interval reaches over the edge of the chart."""
    detectable: float | None
    """The least slowdown that could be found."""
    text: str
    sure: str


@dataclass(frozen=True)
class Rung:
    """One variant."""

    id: str
    name: str
    latency: float
    """Median, in per cent of the axis, as the next four."""
    low: float
    high: float
    """Quartiles."""
    baseline: float | None
    published: float | None
    text: str
    speedup: str
    count: str
    moved: Moved | None
    unmoved: str
    """Why nothing is said about a change."""


@dataclass(frozen=True)
class Ladder:
    """The chart of one workload of one run."""

    workload: str
    rungs: tuple[Rung, ...]
    ticks: tuple[Tick, ...]
    changes: tuple[Tick, ...]
    zero: float
    tolerance: tuple[float, float] | None
    """Band of the axis of changes."""
    published: bool
    any_baseline: bool


def median(result: Result) -> float | None:
    """The median latency in seconds, None where nothing was timed."""
    return statistics.median(result.session.latency_s) if result.session else None


def speedup(result: Result, results: Sequence[Result]) -> float | None:
    """Over float32 of the same workload and run."""
    own = median(result)
    base = next(
        (median(r) for r in results
         if (r.workload, r.variant) == (result.workload, variants.REFERENCE.name)), None,
    )  # fmt: skip
    return base / own if own and base else None


def quartiles(samples: Sequence[float]) -> tuple[float, float]:
    """First and third."""
    if len(samples) < 2:
        return samples[0], samples[0]
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return low, high


def ladder(results: Sequence[Result], ids: Sequence[str], workload: str) -> Ladder | None:
    """The chart of what was timed, None if nothing was; `ids` are the results' places on the page."""
    timed = [(r, id_) for r, id_ in zip(results, ids, strict=True) if r.workload == workload and r.session]
    if not timed:
        return None
    reach = [value for result, _ in timed for value in _marks(result)]
    axis = Axis(0.0, 1.04 * max(reach))
    changes = _changes([r.verdict for r, _ in timed if r.verdict and r.verdict.interval])
    tolerance = next((r.verdict.tolerance for r, _ in timed if r.verdict and r.verdict.tolerance), None)
    return Ladder(
        workload,
        tuple(_rung(result, id_, results, axis, changes) for result, id_ in timed),
        tuple(axis.ticks()),
        tuple(three(changes)) if any(r.verdict and r.verdict.interval for r, _ in timed) else (),
        changes.at(0.0),
        (changes.at(-tolerance), changes.at(tolerance)) if tolerance else None,
        any(published.latency_s(workload, r.variant) for r, _ in timed),
        any(r.verdict and r.verdict.baseline_s for r, _ in timed),
    )


def _marks(result: Result) -> list[float]:
    assert result.session is not None
    marks = [quartiles(result.session.latency_s)[1]]
    if result.verdict is not None and result.verdict.baseline_s:
        marks.append(result.verdict.baseline_s)
    other = published.latency_s(result.workload, result.variant)
    return marks if other is None else [*marks, other]


def _changes(verdicts: Sequence[Verdict]) -> Axis:
    return change_axis([bound for v in verdicts if v.interval for bound in v.interval])


def change_axis(ratios: Sequence[float]) -> Axis:
    """An axis of changes, 0 in the middle, that holds these ratios as far as that is useful."""
    span = min(MOST_SPAN, max(LEAST_SPAN, 1.08 * max((abs(ratio - 1.0) for ratio in ratios), default=0.0)))
    return Axis(-span, span, lambda value: f"{value * 100:+.3g} %" if abs(value) > 1e-9 else "0 %")


def three(axis: Axis) -> list[Tick]:
    """0 and a round change on both sides."""
    return next((found for n in range(2, 6) if len(found := axis.ticks(n)) >= 3), axis.ticks())


def _rung(result: Result, id_: str, results: Sequence[Result], axis: Axis, changes: Axis) -> Rung:
    session, verdict = result.session, result.verdict
    assert session is not None
    middle = statistics.median(session.latency_s)
    low, high = quartiles(session.latency_s)
    gain = speedup(result, results)
    other = published.latency_s(result.workload, result.variant)
    base = verdict.baseline_s if verdict else None
    return Rung(
        id_,
        result.variant,
        axis.at(middle),
        axis.at(low),
        axis.at(high),
        axis.at(base) if base else None,
        axis.at(other) if other else None,
        show.seconds(middle),
        f"{gain:.2f}x" if gain else "",
        f"{show.spread(session.latency_s)}, n={len(session.latency_s)}"
        if len(session.latency_s) > 1
        else "n=1",
        _moved(verdict, changes) if verdict else None,
        "no baseline" if verdict else "not judged",
    )


def _moved(verdict: Verdict, changes: Axis) -> Moved | None:
    if verdict.ratio is None or verdict.interval is None:
        return None
    low, high = (bound - 1.0 for bound in verdict.interval)
    least = verdict.minimum_detectable_effect
    return Moved(
        changes.at(verdict.ratio - 1.0),
        changes.at(low),
        changes.at(high),
        low < changes.low or high > changes.high,
        changes.at(least) if least is not None and least <= changes.high else None,
        show.change(verdict.ratio),
        f"{interval(verdict)}{basis(verdict)}, baseline n={sessions(verdict.baseline_sessions)}",
    )
