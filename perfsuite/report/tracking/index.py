"""The first page: what is open, what is missing, and a grid of everything."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from perfsuite.pipelines import variants
from perfsuite.records import OPEN, UNDECIDED, Outcome, SeriesKind, State
from perfsuite.report.html.overview import Fact
from perfsuite.report.tracking import names, states, words
from perfsuite.report.tracking.chart import Spark, spark
from perfsuite.report.tracking.series import latest, precise
from perfsuite.tracking.absences import NO_RUN, RAN_NOTHING
from perfsuite.tracking.grouping import is_open, is_undecided, is_worse, state_of
from perfsuite.tracking.overview import is_one_sided

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from perfsuite.records import Change, ChangeGroup, NightRun, Overview, Series, Tracked
    from perfsuite.report.html.words import Badge
    from perfsuite.report.tracking.nights import Surroundings

METRICS = (
    "relative latency", "latency", "latency in fixed work", "first call", "compile", "peak memory", "SSIM",
)  # fmt: skip
"""Blocks of these come first, in this order, and the first two are open from the start."""
STRIP_NIGHTS = 30
_CLOSED = (State.RECOVERED, State.ACCEPTED, State.DRIFTED, State.FIXED)
_STRIP = {
    None: ("gap", "no run"), Outcome.COMPLETE: ("whole", "complete"), Outcome.PARTIAL: ("part", "partial"),
    Outcome.NOTHING: ("nothing", "ran nothing"),
}  # fmt: skip


@dataclass(frozen=True)
class GroupRow:
    """A group in the table."""

    page: str
    headline: str
    badge: Badge
    nights: str
    size: str
    count: int
    command: tuple[str, str]


@dataclass(frozen=True)
class Night:
    """One night of a device."""

    x: float
    kind: str
    text: str


@dataclass(frozen=True)
class DeviceRow:
    """A device and its latest nights."""

    name: str
    last: str
    outcome: str
    strip: tuple[Night, ...]
    counts: str
    versions: str


@dataclass(frozen=True)
class Cell:
    """One series in the grid."""

    device: str
    page: str
    value: str
    note: str
    badge: Badge | None
    spark: Spark


@dataclass(frozen=True)
class Block:
    """A workload and metric: variants by devices."""

    title: str
    workload: str
    devices: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]
    open: bool
    told: tuple[tuple[Badge, int], ...]
    """States in it, for when it is closed."""


@dataclass(frozen=True)
class IndexView:
    """All of the page."""

    verdict: str
    tone: str
    said: str
    note: str
    facts: tuple[Fact, ...]
    groups: tuple[GroupRow, ...]
    closed: tuple[GroupRow, ...]
    absences: tuple[str, ...]
    devices: tuple[DeviceRow, ...]
    blocks: tuple[Block, ...]
    quiet: str
    """Of the exact series that never changed."""


def view(
    of: Overview, pages: Mapping[Series, str], surroundings: Surroundings, database: str, first: str
) -> IndexView:
    """The first page.

    Args:
        of: that is shown.
        pages: of the series that have one.
        surroundings: of its runs.
        database: as it may be shown.
        first: night of the sparklines.
    """
    rows = [(group, _group(group, database)) for group in of.groups]
    shown = [is_worse(group) and state_of(group) not in _CLOSED for group, _ in rows]
    paged = [tracked for tracked in of.tracked if tracked.series in pages]
    return IndexView(
        words.verdict(of),
        _tone(of),
        _said(of),
        f"{words.health(of)}: look at how nights are measured, not at the code."
        if is_one_sided(of.worse, of.better)
        else "",
        tuple(_facts(of)),
        tuple(row for (_, row), wanted in zip(rows, shown, strict=True) if wanted),
        tuple(row for (_, row), wanted in zip(rows, shown, strict=True) if not wanted),
        tuple(map(words.absence, of.absences)),
        tuple(_devices(of, surroundings)),
        tuple(_blocks(paged, pages, (first, of.night))),
        _quiet([tracked.series for tracked in of.tracked if tracked.series not in pages]),
    )


def _tone(of: Overview) -> str:
    if any(map(is_open, of.groups)):
        return "bad"
    return "unsure" if of.absences or any(map(is_undecided, of.groups)) else "good"


def _said(of: Overview) -> str:
    away = [absence for absence in of.absences if absence.what in (NO_RUN, RAN_NOTHING)]
    said = []
    if away:
        devices = ", ".join(dict.fromkeys(absence.device for absence in away))
        said.append(f"{sum(a.nights for a in away)} nights missing on {devices}")
    stopped = len(of.absences) - len(away)
    if stopped:
        said.append(f"{stopped} series stopped")
    said.append(f"health: {words.health(of)}")
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _facts(of: Overview) -> Iterable[Fact]:
    nights = sorted({run.night for run in of.runs})
    if nights:
        yield Fact("Nights", f"n={len(nights)}, {nights[0]} to {nights[-1]}")
    kinds = Counter(tracked.series.kind for tracked in of.tracked)
    yield Fact("Series", f"{kinds[SeriesKind.NOISY]} measured, {kinds[SeriesKind.EXACT]} counted")
    yield Fact("Points", f"n={sum(len(tracked.points) for tracked in of.tracked)}")
    changes = sum(len(group.changes) for group in of.groups)
    groups = f"{len(of.groups)} group{'' if len(of.groups) == 1 else 's'}"
    yield Fact("Changes", f"{changes} in {groups}, open and closed")


def _group(of: ChangeGroup, database: str) -> GroupRow:
    steps = words.next_steps(of, database)
    return GroupRow(
        f"{names.of_group(of)}.html", of.headline, states.of_group(of),
        words.nights(*words.ends(of)), words.change(_largest(of)),
        len(of.changes), steps[min(1, len(steps) - 1)],
    )  # fmt: skip


def _largest(of: ChangeGroup) -> Change:
    return next((change for change in of.changes if change.worse), of.changes[0])


# -- devices -----------------------------------------------------------------------------------------


def _devices(of: Overview, surroundings: Surroundings) -> Iterable[DeviceRow]:
    runs: dict[str, list[NightRun]] = defaultdict(list)
    for run in of.runs:
        runs[run.device].append(run)
    for device, own in sorted(runs.items()):
        last = max(own, key=lambda run: (run.night, run.date))
        strip = _strip(own, of.night)
        counts = Counter(night.kind for night in strip)
        told = [f"{counts[kind]} {text}" for kind, text in _STRIP.values() if counts[kind]]
        yield DeviceRow(
            device, last.night, _STRIP[last.outcome][1], strip, ", ".join(told), surroundings.latest(last)
        )


def _strip(runs: Sequence[NightRun], night: str) -> tuple[Night, ...]:
    """The latest nights; of two runs in one, the better counts."""
    order = (Outcome.NOTHING, Outcome.PARTIAL, Outcome.COMPLETE)
    best: dict[str, Outcome] = {}
    for run in runs:
        best[run.night] = max(best.get(run.night, Outcome.NOTHING), run.outcome, key=order.index)
    last = date.fromisoformat(night)
    days = min(STRIP_NIGHTS - 1, (last - date.fromisoformat(min(best))).days)
    nights = [(last - timedelta(days=n)).isoformat() for n in range(days, -1, -1)]
    return tuple(
        Night(round(100 * i / STRIP_NIGHTS, 2), kind, f"{each}: {text}")
        for i, each in enumerate(nights)
        for kind, text in (_STRIP[best.get(each)],)
    )


# -- the grid ----------------------------------------------------------------------------------------


def _blocks(of: Sequence[Tracked], pages: Mapping[Series, str], nights: tuple[str, str]) -> Iterable[Block]:
    """Measured figures each by themselves, then counts by what is counted."""
    found: dict[tuple[str, bool, str], list[Tracked]] = defaultdict(list)
    for tracked in of:
        exact = tracked.series.kind is SeriesKind.EXACT
        metric = tracked.series.metric
        found[tracked.series.workload, exact, metric.partition(":")[0] if exact else metric].append(tracked)
    for (workload, exact, metric), own in sorted(found.items(), key=lambda item: _place(*item[0])):
        yield _block(workload, metric, own, pages, nights, exact=exact)


def _place(workload: str, exact: bool, metric: str) -> tuple[str, bool, int, str]:
    first = metric.partition(",")[0]
    return workload, exact, METRICS.index(first) if first in METRICS else len(METRICS), metric


def _block(
    workload: str,
    metric: str,
    of: Sequence[Tracked],
    pages: Mapping[Series, str],
    nights: tuple[str, str],
    *,
    exact: bool,
) -> Block:
    devices = tuple(sorted({tracked.series.device for tracked in of}))
    cells: dict[str, dict[str, Cell]] = defaultdict(dict)
    many = len({tracked.series.protocol for tracked in of}) > 1
    rungs = {name: place for place, name in enumerate(variants.known())}
    for tracked in sorted(of, key=lambda one: rungs.get(one.series.variant, len(rungs))):
        series = tracked.series
        row = f"{series.variant}: {series.metric.partition(': ')[2]}" if exact else series.variant
        if many:
            row += f", {series.protocol}"
        cells[row][series.device] = _cell(tracked, pages[series], nights)
    gravest = [states.gravest(tracked.changes) for tracked in of]
    found = Counter(change.state for change in gravest if change is not None and change.state not in _CLOSED)
    lively = any(state in (*OPEN, *UNDECIDED) for state in found)
    return Block(
        f"{metric}, counted: what ever changed" if exact else metric,
        workload,
        devices,
        tuple((row, tuple(own.get(device) for device in devices)) for row, own in cells.items()),
        metric in METRICS[:2] or (lively and not exact),
        tuple((states.badge(state), count) for state, count in found.items()),
    )


def _cell(of: Tracked, page: str, nights: tuple[str, str]) -> Cell:
    last, gravest = latest(of.points), states.gravest(of.changes)
    note = ""
    if last is None:
        note = "no point has weight"
    elif last.night < nights[1]:
        note = f"on {last.night}"
    return Cell(
        of.series.device,
        page,
        precise(last.value, of.series.unit) if last is not None else "none",
        note,
        states.badge(gravest.state) if gravest is not None and gravest.state not in _CLOSED else None,
        spark(of, *nights, gravest),
    )


def _quiet(of: Sequence[Series]) -> str:
    if not of:
        return ""
    kinds = Counter(series.metric.partition(":")[0] for series in of)
    told = ", ".join(f"{count} of {kind}" for kind, count in sorted(kinds.items()))
    count, places = len({s.variant for s in of}), len({s.device for s in of})
    return (
        f"{len(of)} counts never changed, of {count} variant{'' if count == 1 else 's'} on "
        f"{places} device{'' if places == 1 else 's'}, and have no page of their own: {told}."
    )
