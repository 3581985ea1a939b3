"""The matrix on a terminal: a table a workload, or a list where a table is too wide, and what is not fine."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from perfsuite.report import columns
from perfsuite.report.format import DASH, plain, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from perfsuite.report.fleet.comparisons import Row
    from perfsuite.report.fleet.matrix import Table
    from perfsuite.report.fleet.page import View

MOST_NAMED = 12


def matrix(view: View, width: int) -> str:
    """All of it, no line longer than `width` but names that are."""
    lines = [f"{plain(view.verdict)}"]
    for table in view.tables:
        lines += ["", plain(table.workload), *_table(table, width)]
    if view.comparisons:
        lines += ["", "A/B", *_comparisons(view.comparisons, width)]
    if view.named:
        lines += [""]
    for named in view.named[:MOST_NAMED]:
        detail = f": {named.detail}" if named.detail else ""
        line = f"{named.badge.word} {named.name}, {named.where}{detail}"
        lines += wrapped(plain(line), width)
    if len(view.named) > MOST_NAMED:
        lines.append(f"and {len(view.named) - MOST_NAMED} more: see perfsuite report")
    return "\n".join(lines)


def _table(table: Table, width: int) -> list[str]:
    """A column for each environment and device; where they do not fit, a line for each square."""
    heads = [("", *(column.where for column in table.columns))]
    rows = [
        (row.variant, *(field.text if field is not None else DASH for field in row.fields))
        for row in table.rows
    ]
    lines = columns.table([tuple(map(plain, row)) for row in (*heads, *rows)])
    if max(map(len, lines)) <= width:
        return lines
    return list(_list(table))


def _list(table: Table) -> Iterator[str]:
    for row in table.rows:
        yield plain(row.variant)
        yield from columns.table(
            [(plain(field.column.where), plain(field.text)) for field in row.fields if field is not None],
            indent="  ",
        )


def _comparisons(rows: Sequence[Row], width: int) -> list[str]:
    """One line for the repeats of each."""

    def key(row: Row) -> tuple[str, ...]:
        return row.workload, row.variant, f"{row.base} -> {row.head}", row.device

    found = []
    for names, same in groupby(rows, key=key):
        repeats = list(same)
        said = "; ".join(" ".join(filter(None, (row.mark.badge.word, row.change))) for row in repeats)
        found.append(tuple(map(plain, (" ".join(names[:2]), *names[2:], said))))
    return columns.fitted(found, width)
