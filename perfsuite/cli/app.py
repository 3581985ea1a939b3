"""The command ``perfsuite`` itself, and what its subcommands share."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from perfsuite import __version__

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"perfsuite {__version__}")
        raise typer.Exit


@app.callback()
def perfsuite(
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            help="conftest.py, or other file with a function pytest_perfsuite_register, whose techniques and "
            "workloads the command is to know; may be repeated",
            envvar="PERFSUITE_PLUGIN",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version and stop")
    ] = False,
) -> None:
    """Performance and quality gates for SDXL image generation.

    Exit code 0: done; 2: wrong words, or no command, which shows this help.
    What else a command may end with is in its own help.
    """
    if plugin:
        from perfsuite.pipelines.registry import REGISTRY

        for file in plugin:
            REGISTRY.add_file(file)


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
