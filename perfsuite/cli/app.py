"""The command ``perfsuite`` itself, and what its subcommands share."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer
import typer.core

from perfsuite import __version__
from perfsuite.settings import EMPTY, is_empty

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def _check_values(command: Any, ctx: Any, args: list[str]) -> None:
    """Refuse an empty value: an unset shell variable must mean neither the default nor this folder."""
    if ctx.resilient_parsing:  # the shell completes a line that is not finished
        return
    given, _, _ = command.make_parser(ctx).parse_args(list(args))
    for param in command.get_params(ctx):
        if is_empty(given.get(param.name)):
            said = param.opts[0] if param.param_type_name == "option" else param.metavar or param.name.upper()
            raise typer.BadParameter(f"{said}: {EMPTY}", ctx)


class Command(typer.core.TyperCommand):
    """A command of ``perfsuite``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _check_values(self, ctx, args)
        return super().parse_args(ctx, args)


class Comparison(Command):
    """One whose exit code 2 has a meaning of its own, so that a mistyped option gives 3."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            if hasattr(error, "exit_code"):
                error.exit_code = 3
            raise


class Group(typer.core.TyperGroup):
    """A group of such commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _check_values(self, ctx, args)
        return super().parse_args(ctx, args)


class Commands(typer.Typer):
    """Commands that are `Command`, unless one says otherwise."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(cls=Group, no_args_is_help=True, **settings)

    def command(self, name: str | None = None, *, cls: Any = None, **settings: Any) -> Callable[[F], F]:
        decorate: Callable[[F], F] = super().command(name, cls=cls or Command, **settings)
        return decorate


app = Commands(pretty_exceptions_enable=False)


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
