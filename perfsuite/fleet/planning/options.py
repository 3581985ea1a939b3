"""Further options that a matrix gives to all blocks: known, and none that the plan sets by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perfsuite.pipelines.variants import UnknownNameError
from perfsuite.settings import OPTIONS, read

if TYPE_CHECKING:
    from collections.abc import Sequence

PLANNED = {
    "--perf-workload": "workloads", "--perf-variant": "variants", "--perf-device": "devices",
    "--perf-weights": "weights", "--perf-baselines": "baselines", "--perf-compile-cache": "compile_cache",
}  # fmt: skip
"""What other keys of the matrix say, and which."""
WRITTEN = ("--perf-results", "--perf-artifacts", "--junit-xml", "--junitxml", "--rootdir", "--benchmark-only",
           "--benchmark-disable", "--benchmark-skip", "--collect-only", "--co")  # fmt: skip
"""What each block sets for itself."""
SHARING = ("-n", "--numprocesses", "--dist")
CHOOSING = (
    "-k", "-m", "-x", "--deselect", "--ignore", "--ignore-glob", "--exitfirst", "--maxfail", "--lf",
    "--last-failed", "--nf", "--new-first", "--ff", "--failed-first", "--sw", "--stepwise",
)  # fmt: skip
"""With which a block would leave gates out, and its cells be not known."""
AB = ("--time", "--pairs", "--tolerance", "--prompts", "--design")
"""Options of ``perfsuite ab`` that are not the plan's."""


def check_pytest_options(options: Sequence[str]) -> None:
    """Raise `ValueError` for an option of pytest that cannot be given to all blocks."""
    known = {option.flag_name: option for option in OPTIONS}
    given: dict[str, str | bool] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not name.startswith("-"):
            raise ValueError(f"{option!r} is no option; write name and value as one: '--perf-time-budget=10'")
        if name in PLANNED:
            raise ValueError(f"{option}: leave it out, the matrix has the key {PLANNED[name]} for that")
        if name in WRITTEN:
            raise ValueError(f"{option}: leave it out, each block has its own")
        if name in SHARING or (name.startswith("-n") and name[2:].isdigit()):
            raise ValueError(
                f"{option}: leave it out, workers of one machine would disturb each other's times"
            )
        if name in CHOOSING or name[:2] in CHOOSING:
            raise ValueError(f"{option}: leave it out, each block runs all gates of its work")
        if name.startswith("--perf-"):
            if name not in known:
                raise UnknownNameError("option", name, list(known))
            if not equals and not known[name].flag:
                raise ValueError(f"{option}: write name and value as one, {name}=...")
            given[known[name].name] = value if equals else True
    read(lambda option: given.get(option.name), lambda option: None, Path())


def check_ab_options(options: Sequence[str]) -> None:
    """Raise `ValueError` for an option that is not one of `AB`, with its value."""
    for option in options:
        name, _, value = option.partition("=")
        if name not in AB:
            raise UnknownNameError("option of perfsuite ab", name, list(AB))
        if not value:
            raise ValueError(f"{option}: write name and value as one, {name}=...")
