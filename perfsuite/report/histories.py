"""How well rules find changes in histories: as text, Markdown and JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from perfsuite.device import versions
from perfsuite.report.evaluation import as_markdown, as_text

if TYPE_CHECKING:
    from perfsuite.decision.histories.evaluation import HistoryEvaluation
    from perfsuite.decision.replaying import Share
    from perfsuite.report.evaluation import Table


def tables(found: HistoryEvaluation) -> list[Table]:
    """Whole histories, night by night, and drift."""
    shown = [_look_back(found), _night_by_night(found)]
    return [*shown, *_drift(found)]


def _look_back(found: HistoryEvaluation) -> Table:
    title = (
        f"whole histories: {found.changes} changes that 3 annotators marked in {found.points} points of "
        f"{found.histories} series [95 % interval by series]"
    )
    rows = [["rule", "recall", "precision", "precision, 1 or 2 marks counted as wrong", "nobody marked, a 1000 points",
             f"of {found.quiet} quiet series alarmed", "named"]]  # fmt: skip
    rows += [
        [r.rule, show(r.recall), show(r.precision), show(r.strict), show(r.false), str(r.alarmed), str(r.named)]
        for r in found.look_back
    ]
    return title, rows


def _night_by_night(found: HistoryEvaluation) -> Table:
    title = (
        f"night by night, the latest 200 nights given: {found.isolated} isolated changes, {found.quiet_nights} "
        f"nights of {found.quiet} quiet series [95 % interval by series]"
    )
    nights = list(found.night_by_night[0].within)
    rows = [["rule", *(f"found within {n}" for n in nights), "false in 1000 quiet nights", "false in 1000 nights of all series"]]
    rows += [
        [
            r.rule, *(show(r.within[n]) for n in nights), show(r.false),
            show(r.false_anywhere) if r.false_anywhere else "not asked",
        ]
        for r in found.night_by_night
    ]  # fmt: skip
    return title, rows


def _drift(found: HistoryEvaluation) -> list[Table]:
    shown = []
    for source in dict.fromkeys(d.traces for d in found.drift):
        rows = [["rule", "a night", "histories", "told within 7 nights", "within 60 nights", "median night"]]
        for one in (d for d in found.drift if d.traces == source):
            delays = np.array(one.delays)
            middle = float(np.sort(delays)[len(delays) // 2])
            rows.append([
                one.rule, f"{100 * one.a_night:g} %", str(len(delays)), f"{(delays <= 7).mean():.2f}",
                f"{np.isfinite(delays).mean():.2f}", f"{middle:g}" if math.isfinite(middle) else "never",
            ])  # fmt: skip
        shown.append((f"drift planted into {source}, 20 quiet nights before it", rows))
    return shown


def show(share: Share) -> str:
    """A figure with its interval: ``.75 [.68-.81]``."""
    return f"{share.value:.2f} [{share.lower:.2f}-{share.upper:.2f}]"


def _notes(found: HistoryEvaluation) -> list[str]:
    return [
        f"histories {found.source}",
        "peers are asked on the nights of quiet series and on the first 12 of each isolated change",
        *(f"left out: {name}: {reason}" for name, reason in found.left_out.items()),
    ]


def text(found: HistoryEvaluation) -> str:
    """Tables for a terminal."""
    return as_text(tables(found), _notes(found))


def markdown(found: HistoryEvaluation) -> str:
    """Tables for a page."""
    return as_markdown(tables(found), _notes(found))


def as_json(found: HistoryEvaluation) -> str:
    """All figures; a drift that was never told has no nights."""
    document = asdict(found)
    for one in document["drift"]:
        one["delays"] = [night if math.isfinite(night) else None for night in one["delays"]]
    return json.dumps({**document, "versions": versions()}, indent=1) + "\n"
