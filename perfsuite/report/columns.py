"""Plain tables and lists: columns in line, nothing cut, long text below itself."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


def table(rows: Sequence[Sequence[str]], right: Collection[int] = (), indent: str = "") -> list[str]:
    """Rows of equal length as lines, two spaces between columns; those numbered in `right` end in line."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"{indent}{'  '.join(cells)}".rstrip())
    return lines


def fitted(rows: Sequence[Sequence[str]], width: int, right: Collection[int] = ()) -> list[str]:
    """A `table`; where it would be wider than `width`, each row's first cell is a line of its own."""
    lines = table(rows, right)
    if max(map(len, lines), default=0) <= width:
        return lines
    rest = table([row[1:] for row in rows], [i - 1 for i in right], "    ")
    return [line for row, cells in zip(rows, rest, strict=True) for line in (row[0], cells)]


def described(
    pairs: Iterable[tuple[str, str]], width: int, indent: str = "  ", column: int = 36
) -> list[str]:
    """A name and its text a line; text that does not fit goes on below itself, after a long name below it."""
    lines = []
    hang = " " * column
    for name, text in pairs:
        first = f"{indent}{name}".ljust(column - 1) + " "
        if len(first) > column:
            lines.append(first.rstrip())
            first = hang
        lines += wrapped(text, width, first, hang) or [first.rstrip()]
    return lines


def wrapped(text: str, width: int, first: str, hang: str) -> list[str]:
    """Text in lines of `width`; what has no space in it, such as a path, is never broken."""
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=hang,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
