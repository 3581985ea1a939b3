"""What GitHub Actions reads from a step: annotations in its log, Markdown in a file.

Workflow commands and their escaping are documented in "Workflow commands for GitHub Actions"; the reference
code is the `command` module of @actions/core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Level = Literal["error", "warning"]
MOST_ANNOTATIONS = 10
"""Of one level that GitHub shows for a step; it drops the others without a word."""
MOST_SUMMARY_BYTES = 2**20
"""Of one step's summary; GitHub shows nothing at all of a longer one."""
MOST_COMMENT_BYTES = 65_536
"""Of a comment on a pull request (GitHub counts characters, of which there are no more than bytes)."""


@dataclass(frozen=True)
class Annotation:
    """A message at a line of a file, as GitHub shows it beside the code and above the log."""

    level: Level
    title: str
    message: str
    file: str = ""
    """Relative to the root of the repository."""
    line: int = 0
    """From 1; 0 for none."""

    def command(self) -> str:
        """The line of the log that makes it."""
        fields = {
            "file": self.file,
            "line": str(self.line) if self.file and self.line else "",
            "title": self.title,
        }
        given = ",".join(f"{name}={_property(value)}" for name, value in fields.items() if value)
        return f"::{self.level} {given}::{_data(self.message)}"


def commands(annotations: Sequence[Annotation]) -> list[str]:
    """One line each, errors first; of more than GitHub shows, the last says how many are left out."""
    lines = []
    levels: tuple[Level, ...] = ("error", "warning")
    for level in levels:
        of_level = [a for a in annotations if a.level == level]
        shown = of_level if len(of_level) <= MOST_ANNOTATIONS else of_level[: MOST_ANNOTATIONS - 1]
        lines += [annotation.command() for annotation in shown]
        if len(shown) < len(of_level):
            left_out = len(of_level) - len(shown)
            more = f"{left_out} more, which GitHub would not show here: see the summary and the log"
            lines.append(Annotation(level, f"perfsuite: {left_out} more", more).command())
    return lines


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
