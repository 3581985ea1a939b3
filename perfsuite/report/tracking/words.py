"""Changes, groups and absences in words and figures, as every page and table has them."""

from __future__ import annotations

import math
import re
import shlex
from typing import TYPE_CHECKING

from perfsuite.records import OPEN, UNDECIDED, SeriesKind, Shape, State
from perfsuite.report import format as show
from perfsuite.tracking.grouping import is_open, is_undecided, state_of

if TYPE_CHECKING:
    from perfsuite.records import Absence, Change, ChangeGroup, Overview

_ADDRESS = re.compile(r"https://[\w.~/%+=?&#:-]+", re.ASCII)


def verdict(overview: Overview) -> str:
    """The whole history in a sentence: ``2 open, 1 undecided, 1 absence on 2026-11-20``."""
    counts = (
        (sum(map(is_open, overview.groups)), "open"),
        (sum(map(is_undecided, overview.groups)), "undecided"),
        (len(overview.absences), "absence" if len(overview.absences) == 1 else "absences"),
    )
    said = [f"{number} {noun}" for number, noun in counts if number]
    return f"{', '.join(said) or 'nothing open'} on {overview.night}"


def value(amount: float, unit: str) -> str:
    """A level in its unit."""
    if unit == "s":
        return show.seconds(amount)
    if unit == "bytes" and math.isfinite(amount):
        return show.exact_memory(amount)
    text = f"{amount:.0f}" if amount == round(amount) and abs(amount) < 1e15 else f"{amount:.4g}"
    return text if unit in ("count", "ratio", "passes") else f"{text} {unit}"


def change(of: Change) -> str:
    """Before and after of what is counted, else the change in per cent."""
    seen = of.nomination
    if of.series.kind is SeriesKind.EXACT:
        return f"{value(seen.before, of.series.unit)} -> {value(seen.after, of.series.unit)}"
    return show.change(seen.ratio) if math.isfinite(seen.ratio) else "from nothing"


def interval(of: Change) -> str:
    """Of the change, as the history has it."""
    bounds = of.nomination.interval
    return show.DASH if bounds is None else f"{show.change(bounds[0])} to {show.change(bounds[1])}"


def nights(last_good: str, first_bad: str) -> str:
    """Between which two nights."""
    return f"{last_good} to {first_bad}"


def ends(group: ChangeGroup) -> tuple[str, str]:
    """The nights on both sides of a group; where its changes lie a night apart, on both sides of all."""
    if group.last_good < group.first_bad:
        return group.last_good, group.first_bad
    nominations = [change.nomination for change in group.changes]
    return min(n.last_good for n in nominations), max(n.first_bad for n in nominations)


def headline(group: ChangeGroup) -> str:
    """What it is, how large, since when."""
    return f"{group.headline} {largest(group)} since {ends(group)[1]}"


def largest(group: ChangeGroup) -> str:
    """The first of the changes, which are in order, and how many more."""
    told = [c for c in group.changes if c.worse] or list(group.changes)
    more = len(group.changes) - 1
    return change(told[0]) + (f", {more} more" if more else "")


def state(of: Change) -> str:
    """With the night of its beginning, and how often it came back."""
    returned = f", opened again {of.times_reopened}x" if of.times_reopened else ""
    return f"{of.state} since {of.since}{returned}"


def shape(of: Change) -> str:
    """Whether it came at once."""
    words = {Shape.EXACT: "counted", Shape.STEP: "a step", Shape.DRIFT: "slow"}
    return words[of.nomination.shape]


def culprit(of: Change) -> str:
    """What bisection found; empty before."""
    found = of.culprit
    if not found:
        return ""
    sides = [
        " ".join(
            filter(None, (found.get(side, "?"), f"({git})" if (git := found.get(f"{side}_git")) else ""))
        )
        for side in ("good", "bad")
    ]
    return f"{found.get('package', '?')} {sides[0]} -> {sides[1]}"


def web_address(text: str) -> str:
    """`text` if it is a plain https address, which alone is made a link of; else empty."""
    return text if _ADDRESS.fullmatch(text) else ""


def absence(of: Absence) -> str:
    """What is not there, and since when."""
    return f"{of.device}: {of.what} since {of.last}, {of.nights} nights"


def next_steps(group: ChangeGroup, database: str) -> list[tuple[str, str]]:
    """What can be done about a group, each with the command.

    Args:
        group: that is shown.
        database: as it may be shown.
    """
    of = next((c for c in group.changes if c.worse and c.state is state_of(group)), group.changes[0])
    db = f"--db {shlex.quote(database)}"
    look = ("look at it", f"perfsuite track show {group.id} {db}")
    if of.state in UNDECIDED:
        return [look, ("compare both nights in an A/B", f"perfsuite track confirm {db}")]
    if of.state is State.CONFIRMED:
        search = f"perfsuite bisect --change {of.id} {db}"
        return [look, ("find the night and the package", search), _decide(group, db)]
    return [look, _decide(group, db)] if of.state in OPEN else [look]


def _decide(group: ChangeGroup, db: str) -> tuple[str, str]:
    return "say what becomes of it", f"perfsuite track decide {group.id} acknowledged --reason WHY {db}"


def health(overview: Overview) -> str:
    """How many changes went which way."""
    return f"{overview.worse} worse, {overview.better} better in 90 nights, of what is measured"
