"""What a field trial, or the replay of one, came to: a table for people, and JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from perfsuite.device import versions
from perfsuite.fieldtrial.outcomes import WRONG
from perfsuite.records import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfsuite.fieldtrial.outcomes import Cell, Share, Target

USUAL = (Status.OK, Status.INCONCLUSIVE, Status.REGRESSED, Status.IMPROVED)
"""Outcomes with a column in any case; others have one where they occur."""


def table(cells: Sequence[Cell], notes: Sequence[str] = ()) -> str:
    """One row a regime and amount of work; shares in percent with 95 % intervals."""
    others = sorted({o for c in cells for o in c.counts} - set(USUAL))
    outcomes = [*USUAL, *others]
    rows = [["regime", "work", "n", "runs", *outcomes, "wrong runs", "finds", "s", "wanted", ""]]
    rows += [_row(cell, outcomes) for cell in cells]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [_line(row, widths) for row in rows]
    return "\n".join([*lines, "", *_LEGEND, *notes])


_LEGEND = (
    "n: verdicts; each outcome: count, % of n [95 % interval, Clopper-Pearson]; wrong runs: any rung "
    "REGRESSED or IMPROVED; finds: slowdown that would be found with 80 % power, median; s: a check, median",
    "beside slowed: rungs that did no more work, in checks whose others did",
)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (f"{cell:<{w}}" if i < 2 or i > len(row) - 3 else f"{cell:>{w}}"
             for i, (cell, w) in enumerate(zip(row, widths, strict=True)))  # fmt: skip
    return "  ".join(cells).rstrip()


def _row(cell: Cell, outcomes: Sequence[str]) -> list[str]:
    unchanged = not cell.work.startswith("+")
    return [
        cell.regime,
        cell.work,
        str(cell.verdicts),
        str(cell.runs),
        *(_share(cell.share(outcome)) for outcome in outcomes),
        _share(cell.wrong_runs) if unchanged else "",
        "-" if cell.least_found is None else f"{100 * cell.least_found:.1f} %",
        "-" if cell.seconds is None else f"{cell.seconds:.0f}",
        ", ".join(map(_wanted, cell.targets)) or "state it",
        {True: "met", False: "MISSED", None: ""}[cell.met],
    ]


def _share(share: Share) -> str:
    return f"{share.hits}: {100 * share.value:.0f} % [{100 * share.lower:.0f}-{100 * share.upper:.0f}]"


def _wanted(target: Target) -> str:
    if target.least is None:
        return f"no {' or '.join(target.outcomes)}" if target.outcomes != WRONG else "none wrong"
    return f"{' or '.join(target.outcomes)} >= {100 * target.least:.0f} %"


def as_json(cells: Sequence[Cell], about: Mapping[str, Any]) -> str:
    """All counts, as fractions with intervals, with what was asked for."""
    document = {**about, "cells": [_plain(cell) for cell in cells], "versions": versions()}
    return json.dumps(document, indent=1) + "\n"


def _plain(cell: Cell) -> dict[str, Any]:
    return {
        "regime": cell.regime,
        "work": cell.work,
        "verdicts": cell.verdicts,
        "runs": cell.runs,
        "outcomes": {str(outcome): _interval(cell.share(outcome)) for outcome in sorted(cell.counts)},
        "wrong_runs": _interval(cell.wrong_runs),
        "minimum_detectable_effect": cell.least_found,
        "check_s": cell.seconds,
        "targets": [
            {"outcomes": list(t.outcomes), "least": t.least, "met": t.met(cell)} for t in cell.targets
        ],
        "met": cell.met,
    }


def _interval(share: Share) -> dict[str, float]:
    return {"count": share.hits, "share": share.value, "lower": share.lower, "upper": share.upper}
