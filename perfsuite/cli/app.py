"""The command ``perfsuite`` itself, and what its subcommands share."""

from __future__ import annotations

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


def main() -> None:
    """Entry point of the ``perfsuite`` command."""
    app()
