"""The errors of components, modules and loop against their budgets, as bars."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.report.html.words import Badge, badge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Deviation, Look, Numbers, Quality

LEAST_SCALE, MOST_SCALE = 1.25, 4.0
"""Of a chart, in multiples of the budget."""
MOST_ROWS = 12


@dataclass(frozen=True)
class ErrorRow:
    """The worst error of one component, part of the loop or module, in per cent of the chart's width."""

    name: str
    at: str
    """Step and prompt of the worst."""
    width: float
    honest: float
    text: str
    share: str
    count: int
    beyond: bool


@dataclass(frozen=True)
class LookView:
    """One look and its chart."""

    name: str
    badge: Badge
    detail: str
    rows: tuple[ErrorRow, ...]
    budget: float
    """Where the budget is."""
    left_out: str


def looks(quality: Quality | None, numbers: Numbers) -> list[LookView]:
    """Every look below the pictures."""
    if quality is None:
        return []
    return [
        _look(look, numbers.errors.get(look.name, ())) for look in quality.looks if look.name != "pictures"
    ]


def _look(look: Look, errors: Sequence[Deviation]) -> LookView:
    if not errors:
        # Files of before they were kept, or of a run without a report, hold at least these two.
        errors = tuple(dict.fromkeys(d for d in (look.first, look.worst) if d is not None))
    groups: dict[str, list[Deviation]] = defaultdict(list)
    for deviation in errors:
        groups[deviation.place.partition(", ")[0]].append(deviation)
    most = max((_finite(d.ratio) for d in errors), default=0.0)
    scale = min(MOST_SCALE, max(LEAST_SCALE, 1.05 * most))
    rows = [_row(name, found, scale) for name, found in groups.items()]
    kept = rows
    if len(rows) > MOST_ROWS:
        ranked = sorted(range(len(rows)), key=lambda i: (-_worst(list(groups.values())[i]), i))
        kept = [rows[i] for i in sorted(ranked[:MOST_ROWS])]
    said = []
    if look.count > len(errors):
        rest = "the others are the drift" if look.name == "loop" else "those nearest to their budget"
        said.append(f"{len(errors)} of n={look.count} errors, {rest}")
    if len(kept) < len(rows):
        said.append(f"{len(kept)} of {len(rows)} places")
    left_out = f"Shown: {'; '.join(said)}." if said else ""
    return LookView(
        look.name, badge(look.status), look.detail, tuple(kept), round(100.0 / scale, 2), left_out
    )


def _worst(found: Sequence[Deviation]) -> float:
    return max(d.ratio for d in found)


def _finite(ratio: float) -> float:
    return ratio if math.isfinite(ratio) else MOST_SCALE


def _row(name: str, found: Sequence[Deviation], scale: float) -> ErrorRow:
    worst = max(found, key=lambda d: d.ratio)

    def wide(ratio: float) -> float:
        return round(100.0 * min(1.0, _finite(ratio) / scale), 2)

    error = "NaN, Inf or another shape" if worst.error is None else f"{worst.error:.2g}"
    return ErrorRow(
        name,
        worst.place.partition(", ")[2],
        wide(worst.ratio),
        wide(worst.same_precision / worst.budget),
        f"{error}; honest {worst.same_precision:.2g}, allowed {worst.budget:.2g}",
        f"{worst.ratio:.2f}x" if math.isfinite(worst.ratio) else "∞",
        len(found),
        worst.ratio > 1.0,
    )
