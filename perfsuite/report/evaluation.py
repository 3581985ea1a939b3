"""How well decision rules do on recorded traces: as text, Markdown, JSON and a picture."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from perfsuite.decision.replaying import EFFECTS, SHAPES
from perfsuite.device import versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.decision.evaluation import Evaluation
    from perfsuite.decision.replaying import Share
    from perfsuite.decision.suites import SuiteCell

Table = tuple[str, list[list[str]]]
"""Title, and rows, the first of which are the headings."""

_COLORS = ("#d62728", "#1f77b4", "#17becf", "#9467bd", "#8c564b", "#2ca02c", "#ff7f0e", "#7f7f7f", "#111111")


def tables(found: Evaluation) -> list[Table]:
    """One table a design and shape: REGRESSED in percent by injected slowdown, with 95 % intervals."""
    shown: list[Table] = []
    for design, shape in dict.fromkeys((c.design, c.shape) for c in found.cells if c.effect >= 0):
        cells = [c for c in found.cells if c.design == design]
        of_shape = [c for c in cells if c.shape == shape or c.effect == 0]
        effects = [e for e in EFFECTS if any(c.effect == e for c in of_shape)]
        first = cells[0]
        title = (
            f"{design}, {SHAPES[shape]}: REGRESSED in % [95 % interval by benchmark], "
            f"n = {first.trials} decisions on {first.benchmarks} benchmarks"
        )
        rows = [[
            "rule", *("unchanged" if e == 0 else f"+{100 * e:g} %" for e in effects),
            "INCONCLUSIVE", "wrong way", "sessions",
        ]]  # fmt: skip
        for rule in dict.fromkeys(c.rule for c in of_shape):
            mine = {c.effect: c for c in of_shape if c.rule == rule}
            wrong = max(c.wrong for c in cells if c.rule == rule and c.shape in (shape, "constant"))
            rows.append([
                rule, *(percent(mine[e].regressed) for e in effects),
                percent(mine[0.0].inconclusive), percent(wrong), f"{mine[0.0].sessions:.1f}",
            ])  # fmt: skip
        shown.append((title, rows))
    if found.suites:
        shown.append(_suite_table(found.suites))
    return shown


def _suite_table(cells: Sequence[SuiteCell]) -> Table:
    effects = list(dict.fromkeys(c.effect for c in cells))
    title = (
        f"suites of {cells[0].size} benchmarks: any alarm in an unchanged suite, then the one slowed "
        f"benchmark named, in % [95 % interval by benchmark], {cells[0].benchmarks} benchmarks"
    )
    rows = [["rule", *("unchanged" if e == 0 else f"+{100 * e:g} %" for e in effects), "sessions"]]
    for rule in dict.fromkeys(c.rule for c in cells):
        mine = {c.effect: c for c in cells if c.rule == rule}
        rows.append([rule, *(percent(mine[e].alarms) for e in effects), f"{mine[0.0].sessions:.1f}"])
    return title, rows


def percent(share: Share) -> str:
    """A share with its interval: ``12.6 [10.1-15.2]``."""
    value, lower, upper = (100 * part for part in share)
    return f"{value:.1f} [{lower:.1f}-{upper:.1f}]"


def _notes(found: Evaluation) -> list[str]:
    return [
        f"traces {found.source}, part {found.split}, {found.repeats} draws a benchmark, seed {found.seed}",
        "INCONCLUSIVE: of the unchanged; wrong way: faster called REGRESSED or slower called IMPROVED, "
        "at the worst effect; sessions: measured for one decision, stored baselines not counted",
        *(f"left out: {name}: {reason}" for name, reason in found.left_out.items()),
    ]


def text(found: Evaluation) -> str:
    """Tables for a terminal."""
    return as_text(tables(found), _notes(found))


def as_text(shown: Sequence[Table], notes: Sequence[str]) -> str:
    """Tables and notes for a terminal."""
    lines: list[str] = []
    for title, rows in shown:
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines += [title]
        for row in rows:
            cells = (f"{cell:<{w}}" if i == 0 else f"{cell:>{w}}"
                     for i, (cell, w) in enumerate(zip(row, widths, strict=True)))  # fmt: skip
            lines.append("  " + "  ".join(cells))
        lines.append("")
    return "\n".join([*lines, *notes])


def markdown(found: Evaluation) -> str:
    """Tables for a page."""
    return as_markdown(tables(found), _notes(found))


def as_markdown(shown: Sequence[Table], notes: Sequence[str]) -> str:
    """Tables and notes for a page."""
    lines: list[str] = []
    for title, (head, *rows) in shown:
        lines += [f"**{title}**", "", _row(head), _row(["---", *["---:"] * (len(head) - 1)])]
        lines += [*map(_row, rows), ""]
    return "\n".join([*lines, *(f"- {note}" for note in notes)]) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def as_json(found: Evaluation) -> str:
    """All figures, as fractions."""
    return json.dumps({**asdict(found), "versions": versions()}, indent=1) + "\n"


def plot(found: Evaluation) -> bytes:
    """Return a PNG: power against the injected slowdown, false alarms beside it, in the first design.

    Raises:
        ValueError: only suites were replayed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not found.cells:
        raise ValueError("nothing to draw: only suites were replayed; add --design 5x4")
    first = found.cells[0]
    cells = [c for c in found.cells if c.design == first.design and c.shape == "constant" and c.effect >= 0]
    names = list(dict.fromkeys(c.rule for c in cells))
    figure = Figure(figsize=(12, 6), layout="constrained")
    FigureCanvasAgg(figure)
    power, alarms = figure.subplots(1, 2, width_ratios=(1.5, 1))
    for i, name in enumerate(names):
        mine = sorted((c for c in cells if c.rule == name and c.effect > 0), key=lambda c: c.effect)
        x = [100 * c.effect for c in mine]
        color, own = _COLORS[i % len(_COLORS)], i == 0
        low, high = ([100 * c.regressed[part] for c in mine] for part in (1, 2))
        power.fill_between(x, low, high, color=color, alpha=0.12, linewidth=0)
        power.plot(x, [100 * c.regressed.value for c in mine], "o-", label=name, color=color, markersize=4,
                   linewidth=3 if own else 1.3, zorder=3 if own else 2)  # fmt: skip
        none = next(c.regressed for c in cells if c.rule == name and c.effect == 0)
        value, lower, upper = (100 * part for part in none)
        alarms.barh(i, value, color=color, xerr=[[value - lower], [upper - value]], capsize=3,
                    error_kw={"elinewidth": 1})  # fmt: skip
        alarms.annotate(f"{value:.1f}", (upper, i), xytext=(5, 0), textcoords="offset points", va="center")
    power.set(xlabel="injected slowdown of every sample (%)", ylabel="called REGRESSED (%)", ylim=(0, 100),
              title="Power (higher is better)")  # fmt: skip
    power.set_xticks([100 * e for e in EFFECTS[1:]])
    power.grid(alpha=0.3)
    alarms.set_yticks(range(len(names)), names)
    alarms.invert_yaxis()
    alarms.margins(x=0.15)
    alarms.set_xlim(left=0)
    alarms.set(xlabel="unchanged, yet called REGRESSED (%)", title="False alarms (lower is better)")
    alarms.grid(axis="x", alpha=0.3)
    # Below, where it hides no line; a bar of no false alarms would not show its colour.
    figure.legend(loc="outside lower center", ncols=-(-len(names) // 2), frameon=False)
    figure.suptitle(
        f"Design {first.design}: {first.trials} decisions an effect on {first.benchmarks} benchmarks, "
        "95 % intervals by benchmark"
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=120, format="png")
    return buffer.getvalue()
