"""A history on a terminal: what is open and what is missing, and one change, group or series in full."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from io import StringIO
from typing import TYPE_CHECKING, Any

from perfsuite.records import OPEN, UNDECIDED, State
from perfsuite.report import columns
from perfsuite.report import format as show
from perfsuite.report.tracking import words
from perfsuite.tracking.grouping import is_worse, state_of
from perfsuite.tracking.life.notices import MOST_RETURNS, notices
from perfsuite.tracking.overview import is_one_sided

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from perfsuite.records import Change, ChangeGroup, Overview, Tracked

_STYLES = {
    **dict.fromkeys(OPEN, "bold red"),
    **dict.fromkeys(UNDECIDED, "yellow"),
    State.RECOVERED: "green",
    State.FIXED: "green",
}
_CLOSED = (State.RECOVERED, State.ACCEPTED, State.DRIFTED)
LATEST_POINTS = 14
"""Of a series."""
MOST_IN_FULL = 20
"""Changes of a group; a line each is enough for more."""
LEAST_WIDTH = 24
"""Of the column of words at the end of a table."""


def listed(overview: Overview, *, everything: bool, colour: bool, width: int) -> str:
    """The sentence, groups and absences as tables, and whether changes go both ways.

    `everything`: closed groups and improvements too.
    """
    shown = [g for g in overview.groups if everything or (is_worse(g) and state_of(g) not in _CLOSED)]
    parts = [words.verdict(overview)]
    if shown:
        rows = [_group_row(group) for group in shown]
        styles = [_STYLES.get(state_of(group), "") if is_worse(group) else "" for group in shown]
        parts.append(_table(("id", "state", "since", "change", "what"), rows, styles, colour, width))
    if overview.absences:
        rows = [[a.device, str(a.nights), a.last, a.what] for a in overview.absences]
        styles = ["yellow"] * len(rows)
        parts.append(_table(("device", "nights", "last", "missing"), rows, styles, colour, width))
    left = len(overview.groups) - len(shown)
    if left:
        parts.append(f"{left} closed or for the better: perfsuite track list --all")
    if is_one_sided(overview.worse, overview.better):
        parts.append(f"{words.health(overview)}: look at how nights are measured, not at the code")
    return "\n".join(parts)


def _group_row(group: ChangeGroup) -> list[str]:
    since = words.ends(group)[1]
    return [group.id, str(state_of(group)), since, words.largest(group), group.headline]


def as_json(overview: Overview) -> str:
    """Groups and absences, for a script."""
    return json.dumps(document(overview), indent=2)


def document(overview: Overview) -> dict[str, Any]:
    """What `as_json` writes."""
    return {
        "schema_version": 1,
        "night": overview.night,
        "verdict": words.verdict(overview),
        "groups": [_plain(group) for group in overview.groups],
        "absences": [asdict(absence) for absence in overview.absences],
        "worse": overview.worse,
        "better": overview.better,
    }


def _plain(group: ChangeGroup) -> dict[str, object]:
    return {
        "id": group.id,
        "headline": group.headline,
        "state": state_of(group),
        "worse": is_worse(group),
        "told": any(c.worse and c.times_reopened <= MOST_RETURNS for c in group.changes),
        "last_good": group.last_good,
        "first_bad": group.first_bad,
        "changes": [
            {
                "id": c.id,
                "series": c.series.name,
                "state": c.state,
                "worse": c.worse,
                "change": words.change(c),
                "culprit": dict(c.culprit),
            }
            for c in group.changes
        ],
    }


def _table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str], colour: bool, width: int
) -> str:
    """Columns in line, the last of which goes on below itself, or stands below where there is no room."""
    rows = [[show.plain(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    if width - sum(widths[:-1]) - len(headings) < LEAST_WIDTH:
        return "\n".join(_folded(headings, rows, width))
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    out = StringIO()
    console = Console(
        file=out, width=width, force_terminal=colour, no_color=not colour, highlight=False,
        color_system="standard" if colour else None,
    )  # fmt: skip
    table = Table(box=None, pad_edge=False)
    for i, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", no_wrap=i + 1 < len(headings))
    for row, style in zip(rows, styles, strict=True):
        cells = [Text(cell) for cell in row]
        cells[1].stylize(style)
        table.add_row(*cells)
    console.print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _folded(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    head, *lines = columns.table([headings[:-1], *(row[:-1] for row in rows)])
    yield head
    for line, row in zip(lines, rows, strict=True):
        yield line
        yield from columns.wrapped(row[-1], width, "    ", "    ")


def group(of: ChangeGroup, database: str, width: int) -> str:
    """Every change of a group with its evidence, then what can be done."""
    lines = columns.wrapped(show.plain(f"{of.id}: {of.headline}"), width, "", "  ")
    lines.append(f"between {words.nights(*words.ends(of))}, {state_of(of)}")
    for one in of.changes[:MOST_IN_FULL]:
        lines += ["", *_change(one, width)]
    rest = of.changes[MOST_IN_FULL:]
    rows = [[one.id, str(one.state), words.change(one), show.plain(one.series.name)] for one in rest]
    lines += ["", *columns.table(rows)] if rows else [""]
    for label, command in words.next_steps(of, database):
        lines += show.wrapped(f"{label}: {show.plain(command)}", width)
    return "\n".join(lines)


def _change(of: Change, width: int) -> list[str]:
    seen, unit = of.nomination, of.series.unit
    pairs = [
        ("state", words.state(of)),
        ("change", f"{words.change(of)}, {words.shape(of)}, {'worse' if of.worse else 'better'}"),
        ("levels", f"{words.value(seen.before, unit)} -> {words.value(seen.after, unit)}"),
        ("interval", words.interval(of)),
        ("between", words.nights(seen.last_good, seen.first_bad)),
        ("nominated", f"{of.nominated}, by {seen.rule}"),
        ("culprit", words.culprit(of)),
        ("commits", of.culprit.get("link", "")),
    ]
    pairs += [
        (f"A/B to {trial.purpose}", f"{trial.date[:10]} {trial.verdict}: {trial.detail or 'no detail'}")
        for trial in of.trials
    ]
    pairs += [
        (
            "decision",
            f"{d.date[:10]} {d.state} by {d.who}: {d.reason}" + (f" (until {d.until})" if d.until else ""),
        )
        for d in of.decisions
    ]
    said = [(name, show.plain(text)) for name, text in pairs if text and text != show.DASH]
    head = columns.wrapped(show.plain(f"{of.id} {of.series.name}"), width, "", "  ")
    return [*head, *columns.described(said, width, column=18)]


def series(of: Tracked, width: int) -> str:
    """The latest nights of a series, its levels, its epochs and its changes."""
    unit = of.series.unit
    lines = columns.wrapped(show.plain(of.series.name), width, "", "  ")
    rows = [["night", "value", ""]]
    rows += [
        [p.night, words.value(p.value, unit), show.plain(p.excluded)] for p in of.points[-LATEST_POINTS:]
    ]
    lines += columns.table(rows, right=[1], indent="  ")
    lines += [
        f"  level {level.first} to {level.last}: {words.value(level.value, unit)}" for level in of.levels
    ]
    for event in of.epochs:
        lines += columns.wrapped(show.plain(f"{event.night} {event.kind}: {event.text}"), width, "  ", "    ")
    for one in of.changes:
        lines += ["", *_change(one, width)]
    return "\n".join(lines)


def moved(before: Sequence[Change], groups: Sequence[ChangeGroup]) -> list[str]:
    """What an evaluation changed, a line a group, which begins with what people are to be told."""
    known = {change.id: (change.state, change.times_reopened) for change in before}
    lines = []
    for of in groups:
        states = Counter(c.state for c in of.changes if known.get(c.id) != (c.state, c.times_reopened))
        if states:
            told = sorted({notice.news for notice in notices(before, of.changes)})
            moves = ", ".join(f"{number} {state}" for state, number in states.items())
            line = f"{of.id}  {moves}  {words.headline(of)}"
            lines.append(show.plain(f"{', '.join(told)}: {line}" if told else line))
    return lines
