"""A history, or one group of changes, as Markdown for an issue: the first line is its title.

Names come from files that somebody else may have written: they appear as text, whatever they hold.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from perfsuite.report.github import MOST_COMMENT_BYTES
from perfsuite.report.markdown import MOST_LINES, code
from perfsuite.report.tracking import words
from perfsuite.tracking.grouping import is_open, is_undecided, state_of
from perfsuite.tracking.overview import is_one_sided

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Change, ChangeGroup, Overview

_TITLE = re.compile(r"[^\w .,:;%+()=/-]", re.ASCII)
_LEFT_OUT = "Left out for want of room; perfsuite track show has all of it.\n"


def summary(overview: Overview, database: str) -> str:
    """All that is open, undecided or missing."""
    lines = [title(f"perfsuite: {words.verdict(overview)}"), ""]
    for absence in overview.absences[:MOST_LINES]:
        lines.append(f"- **missing**: {code(words.absence(absence))}")
    lines += _more(overview.absences, MOST_LINES)
    wanted = [g for g in overview.groups if is_open(g) or is_undecided(g)]
    for group in wanted[:MOST_LINES]:
        lines += ["", f"## {code(_headline(group))}", "", *_body(group, database)]
    lines += _more(wanted, MOST_LINES)
    if is_one_sided(overview.worse, overview.better):
        lines += ["", f"**{words.health(overview)}**: look at how nights are measured, not at the code."]
    return _fitted(lines)


def of_group(group: ChangeGroup, database: str) -> str:
    """One group, for an issue of its own."""
    return _fitted([title(f"perfsuite: {_headline(group)} ({group.id})"), "", *_body(group, database)])


def title(text: str) -> str:
    """One line of plain text, of which neither Markdown, HTML nor a mention comes."""
    return _TITLE.sub("", text.replace("->", "to"))[:250].strip()


def _headline(group: ChangeGroup) -> str:
    closed = "" if is_open(group) or is_undecided(group) else f" {state_of(group)}"
    return f"{words.headline(group)}{closed}"


def _body(group: ChangeGroup, database: str) -> list[str]:
    changes = group.changes[:MOST_LINES]
    lines = [
        f"**{state_of(group)}**: good on {words.ends(group)[0]}, bad on {words.ends(group)[1]}.",
        "",
        "| what | before | after | change | interval | state |",
        "|:--|--:|--:|--:|--:|:--|",
        *map(_row, changes),
        *_more(group.changes, MOST_LINES),
    ]
    evidence = [line for change in changes for line in _evidence(change)]
    if evidence:
        lines += ["", "**Evidence**", "", *evidence[:MOST_LINES], *_more(evidence, MOST_LINES)]
    steps = words.next_steps(group, database)
    return [*lines, "", "**What to do**", "", *(f"- {label}: {code(command)}" for label, command in steps)]


def _row(change: Change) -> str:
    seen, unit = change.nomination, change.series.unit
    cells = (
        code(change.series.name),
        words.value(seen.before, unit),
        words.value(seen.after, unit),
        words.change(change),
        words.interval(change),
        str(change.state),
    )
    return f"| {' | '.join(cell if i == 0 else _cell(cell) for i, cell in enumerate(cells))} |"


def _cell(text: str) -> str:
    """A figure as it is; a unit that holds anything else as literal text."""
    return text if title(text) == text else code(text)


def _evidence(change: Change) -> list[str]:
    name = code(change.series.name)
    lines = []
    found = words.culprit(change)
    if found:
        link = change.culprit.get("link", "")
        shown = f" <{link}>" if words.web_address(link) else f" {code(link)}" if link else ""
        lines.append(f"- {name}: found: {code(found)}{shown}")
    lines += [
        f"- {name}: {code(f'{t.date[:10]} A/B to {t.purpose}: {t.verdict}, {t.detail}')}"
        for t in change.trials
    ]
    lines += [
        f"- {name}: {code(f'{d.date[:10]} {d.state} by {d.who}: {d.reason}')}" for d in change.decisions
    ]
    return lines


def _more(of: Sequence[object], shown: int) -> list[str]:
    return ["", f"and {len(of) - shown} more"] if len(of) > shown else []


def _fitted(lines: Sequence[str]) -> str:
    """As many lines as fit into an issue."""
    text = "\n".join(lines) + "\n"
    if len(text.encode()) <= MOST_COMMENT_BYTES:
        return text
    spare = MOST_COMMENT_BYTES - len(_LEFT_OUT.encode()) - 2
    kept = []
    for line in lines:
        spare -= len(line.encode()) + 1
        if spare < 0:
            break
        kept.append(line)
    return "\n".join(kept) + f"\n\n{_LEFT_OUT}"
