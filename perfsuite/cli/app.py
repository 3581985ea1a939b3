"""The command ``perfsuite`` itself, and what its subcommands share."""

from __future__ import annotations

import os
import shutil
import sys
from typing import NamedTuple

import typer

app = typer.Typer(
    help="Performance and quality gates for SDXL image generation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def fail(error: Exception) -> typer.Exit:
    """Say what is wrong in one line on standard error; raise what this returns."""
    typer.echo(f"perfsuite: {error}", err=True)
    return typer.Exit(2)


def to_stderr(line: str) -> None:
    """Progress, which must not mix with what a command prints."""
    typer.echo(line, err=True)


class Terminal(NamedTuple):
    """What standard output can show."""

    colour: bool
    width: int
    """Columns; 80 where it is no terminal."""


def terminal() -> Terminal:
    """Colour only on a terminal and without ``NO_COLOR`` (no-color.org)."""
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return Terminal(colour, max(40, shutil.get_terminal_size((80, 24)).columns))


def main() -> None:
    """Entry point of the ``perfsuite`` command."""
    app()
