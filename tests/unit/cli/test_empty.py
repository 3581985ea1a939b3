"""No command takes an empty value: an unset shell variable must mean neither the default nor this folder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from perfsuite.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

HELP = {"--help", "--version", "--install-completion", "--show-completion"}


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from _commands(each, (*path, name))


def _cases() -> Iterator[Any]:
    for path, command in _commands(typer.main.get_command(app)):
        for param in command.params:
            if param.param_type_name != "option" or param.is_flag or HELP & set(param.opts):
                continue
            if param.nargs == 1:  # of two values one may be empty, see below
                yield pytest.param(path, param.opts[0], id=" ".join((*path, param.opts[0])))


COMPARING = (("ab",), ("bisect",), ("join",), ("run",), ("track", "confirm"))
"""Commands whose exit code 2 has a meaning of its own."""
CASES = list(_cases())


def test_every_command_has_cases() -> None:
    """So that the list above is no empty one."""
    assert len(CASES) > 70
    assert {case.values[0][:1] for case in CASES} >= {(), ("ab",), ("baselines",), ("list",), ("report",)}


@pytest.mark.parametrize("form", ["{}=", "{} "])
@pytest.mark.parametrize(("path", "option"), CASES)
def test_an_option_without_a_value_is_refused(path: tuple[str, ...], option: str, form: str) -> None:
    """Whatever else is given; exit code 2, or 3 where 2 has a meaning of its own; the option is named."""
    given = [f"{option}="] if form == "{}=" else [option, " "]
    done = CliRunner().invoke(app, [*path, *given, *(["list"] if not path else [])])
    assert done.exit_code == (3 if path in COMPARING else 2), done.output
    assert re.search(rf"{option}: empty \(an unset", " ".join(done.stderr.replace("│", "").split()))
    assert done.stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ["summary", ""], ["report", ""], ["export", "svg", ""], ["explain", "", "b"], ["list", ""],
        ["baselines", "diff", "", "b"], ["baselines", "show", ""], ["baselines", "prune", ""], ["guide", ""],
        ["evaluate", ""], ["trace", "", "--variant", "fp32"], ["track", "rename", "--device", "", "b"],
        ["track", "add", ""],
    ],
    ids=" ".join,
)  # fmt: skip
def test_an_empty_word_is_refused(words: list[str]) -> None:
    """It would mean the folder that one stands in, or everything."""
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2, done.output
    assert "empty (an unset" in " ".join(done.stderr.replace("│", "").split())
