"""The page of a group of changes: evidence, trials, decisions, who did it, and how to go on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.records import SeriesKind, Status
from perfsuite.report import format as show
from perfsuite.report.html.ladder import change_axis, three
from perfsuite.report.html.overview import Fact
from perfsuite.report.html.words import Badge
from perfsuite.report.html.words import badge as verdict_badge
from perfsuite.report.tracking import states, words
from perfsuite.report.tracking.chart import Spark, spark

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from perfsuite.records import Change, ChangeGroup, Decision, Tracked, Trial
    from perfsuite.report.html.charts import Axis, Tick


@dataclass(frozen=True)
class Evidence:
    """One change."""

    id: str
    name: str
    place: str
    """Workload and device."""
    page: str
    """Of its series; empty if it has none."""
    badge: Badge
    before: str
    after: str
    change: str
    interval: str
    shape: str
    nights: str
    state: str
    spark: Spark | None


@dataclass(frozen=True)
class Bar:
    """A change with its interval, in per cent of the axis."""

    name: str
    about: str
    badge: Badge | None
    at: float | None
    low: float
    high: float
    text: str
    details: str
    history: bool
    """It is what history alone says."""


@dataclass(frozen=True)
class Culprit:
    """What bisection found, of one or several changes."""

    text: str
    link: str
    """An https address, else empty."""
    other: str
    """What stands in place of one."""
    names: str


@dataclass(frozen=True)
class GroupView:
    """All of the page."""

    id: str
    headline: str
    badge: Badge
    tone: str
    said: str
    facts: tuple[Fact, ...]
    steps: tuple[tuple[str, str], ...]
    culprits: tuple[Culprit, ...]
    evidence: tuple[Evidence, ...]
    """Counts first."""
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    zero: float
    decisions: tuple[tuple[str, Decision], ...]
    """With the name of the series."""


def view(of: ChangeGroup, tracked: Mapping[str, Tracked], pages: Mapping[str, str], database: str,
         nights: tuple[str, str]) -> GroupView:  # fmt: skip
    """The page of a group.

    Args:
        of: that is shown.
        tracked: the series of its changes, by the change's id.
        pages: of these series, likewise.
        database: as it may be shown.
        nights: the first and the last of the sparklines.
    """
    state = states.of_group(of)
    axis = change_axis(list(_bounds(of)))
    return GroupView(
        of.id,
        words.headline(of),
        state,
        state.tone if state.tone in ("bad", "good") else "unsure",
        _said(of),
        tuple(_facts(of)),
        tuple(words.next_steps(of, database)),
        tuple(_culprits(of)),
        tuple(_evidence(c, tracked.get(c.id), pages.get(c.id, ""), nights) for c in of.changes),
        tuple(bar for change in of.changes for bar in _bars(change, axis)),
        tuple(three(axis)),
        axis.at(0.0),
        tuple((_name(c), d) for c in of.changes for d in c.decisions),
    )


def _said(of: ChangeGroup) -> str:
    good, bad = words.ends(of)
    counted = sum(c.series.kind is SeriesKind.EXACT for c in of.changes)
    parts = [f"{counted} counted"] if counted else []
    if len(of.changes) - counted:
        parts.append(f"{len(of.changes) - counted} measured")
    noun = "change" if len(of.changes) == 1 else "changes"
    return f"{' and '.join(parts)} {noun}: as before on {good}, other on {bad}."


def _facts(of: ChangeGroup) -> Iterable[Fact]:
    yield Fact("Group", of.id)
    yield Fact("Good on", words.ends(of)[0])
    yield Fact("Bad on", words.ends(of)[1])
    yield Fact("Devices", ", ".join(sorted({c.series.device for c in of.changes})))
    yield Fact("Variants", ", ".join(dict.fromkeys(c.series.variant for c in of.changes)))
    yield Fact("Nominated", f"{min(c.nominated for c in of.changes)}, by "
                            f"{', '.join(sorted({c.nomination.rule for c in of.changes}))}")  # fmt: skip
    cost = sum(trial.cost_s for c in of.changes for trial in c.trials)
    if cost:
        n = sum(len(c.trials) for c in of.changes)
        yield Fact("A/B cost", f"{show.duration(cost)}, n={n} trials")


def _name(of: Change) -> str:
    return f"{of.series.variant} {of.series.metric}"


def _evidence(of: Change, series: Tracked | None, page: str, nights: tuple[str, str]) -> Evidence:
    seen, unit = of.nomination, of.series.unit
    return Evidence(
        of.id,
        _name(of),
        f"{of.series.workload} on {of.series.device}",
        page,
        states.badge(of.state, worse=of.worse),
        words.value(seen.before, unit),
        words.value(seen.after, unit),
        "" if of.series.kind is SeriesKind.EXACT and not seen.before else show.change(seen.ratio),
        words.interval(of) if seen.interval is not None else "",
        words.shape(of),
        words.nights(seen.last_good, seen.first_bad),
        f"since {of.since}" + (f", opened again {of.times_reopened}x" if of.times_reopened else ""),
        spark(series, *nights, of) if series is not None else None,
    )


def _culprits(of: ChangeGroup) -> Iterable[Culprit]:
    found: dict[tuple[str, str], list[str]] = {}
    for change in of.changes:
        if change.culprit:
            key = words.culprit(change), change.culprit.get("link", "")
            found.setdefault(key, []).append(_name(change))
    for (text, address), names in found.items():
        link = words.web_address(address)
        yield Culprit(text, link, "" if link else address, ", ".join(names))


# -- the chart of trials -----------------------------------------------------------------------------


def _bounds(of: ChangeGroup) -> Iterable[float]:
    for change in of.changes:
        for interval in (change.nomination.interval, *(trial.interval for trial in change.trials)):
            yield from (bound for bound in interval or () if math.isfinite(bound))


def _bars(of: Change, axis: Axis) -> Iterable[Bar]:
    """What history says of a measured change, and each trial; a count without trials needs none."""
    seen = of.nomination
    if of.series.kind is not SeriesKind.EXACT:
        yield _bar(_name(of), "history", None, seen.ratio, seen.interval, axis, seen.rule, history=True)
    for trial in of.trials:
        yield _bar(
            _name(of), f"A/B to {trial.purpose}, {trial.date[:10]}", _verdict(trial), trial.ratio,
            trial.interval, axis, "; ".join(_details(trial)), history=False,
        )  # fmt: skip


def _bar(
    name: str, about: str, badge: Badge | None, ratio: float | None, interval: tuple[float, float] | None,
    axis: Axis, details: str, *, history: bool,
) -> Bar:  # fmt: skip
    at = axis.at(ratio - 1.0) if ratio is not None and math.isfinite(ratio) else None
    low, high = (axis.at(bound - 1.0) for bound in interval) if interval and at is not None else (0.0, 0.0)
    text = show.change(ratio) if at is not None else "no figure"
    if interval is not None:
        text += f" ({show.change(interval[0])} to {show.change(interval[1])})"
    return Bar(name, about, badge, at, low, high, text, details, history)


def _verdict(of: Trial) -> Badge:
    try:
        return verdict_badge(Status(of.verdict))
    except ValueError:  # of a newer perfsuite
        return Badge(of.verdict, "plain", "\N{EN DASH}")


def _details(of: Trial) -> Iterable[str]:
    """What was compared with what, at which cost."""
    differing = [name for name in sorted({*of.base, *of.head}) if of.base.get(name) != of.head.get(name)]
    if differing:
        yield "; ".join(f"{n} {of.base.get(n, 'none')} against {of.head.get(n, 'none')}" for n in differing)
    elif of.base:
        yield f"the same versions on both sides: {', '.join(f'{n} {v}' for n, v in sorted(of.base.items()))}"
    if of.detail:
        yield of.detail
    yield show.duration(of.cost_s)
