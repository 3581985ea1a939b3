"""Which rules are judged in which designs, and what comes of it: the whole of ``perfsuite evaluate``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.decision.replaying import Cell, parse_design, replay
from perfsuite.decision.rules import RULES
from perfsuite.decision.suites import SuiteCell, replay_suites
from perfsuite.decision.traces import TracesError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from perfsuite.decision.replaying import Design
    from perfsuite.decision.rules import Rule
    from perfsuite.decision.traces import Traces


@dataclass(frozen=True)
class Evaluation:
    """What was replayed, and what came of it."""

    source: str
    split: str
    seed: int
    repeats: int
    cells: Sequence[Cell]
    suites: Sequence[SuiteCell]
    left_out: Mapping[str, str]
    """Rules and designs that could not be run, with the reason."""


def choose_rules(names: Sequence[str] | None) -> tuple[list[Rule], dict[str, str]]:
    """Return the rules that can be run, and why others cannot; all where no names are given.

    Raises:
        ValueError: there is no rule of that name.
    """
    known = {rule.name: rule for rule in RULES}
    for name in names or ():
        if name not in known:
            raise ValueError(f"unknown rule {name!r}: give one of {', '.join(map(repr, known))}")
    chosen = [rule for rule in RULES if not names or rule.name in names]
    absent = {rule.name: reason for rule in chosen if (reason := rule.absent())}
    return [rule for rule in chosen if rule.name not in absent], absent


def choose_designs(names: Sequence[str] | None, sessions: int, samples: int) -> list[Design]:
    """Return the designs named, or all.

    Raises:
        ValueError: there is no design of that name.
    """
    default = [f"{sessions}x{samples}", "1v5", "1v10", "1v20", "sequential", "suite"]
    return [parse_design(name, sessions, samples) for name in names or default]


def evaluate(
    traces: Traces,
    split: str,
    rules: Sequence[str] | None = None,
    designs: Sequence[str] | None = None,
    *,
    sessions: int = 5,
    samples: int = 4,
    repeats: int = 2,
    seed: int = 1,
    progress: Callable[[str], None] = lambda line: None,
) -> Evaluation:
    """Judge rules by name in designs by name; all of both by default.

    A design that was not asked for and needs more processes than there are is left out.

    Args:
        traces: recorded while nothing changed.
        split: which part of them this is, for the report.
        rules: names of `perfsuite.decision.rules.RULES`.
        designs: as `perfsuite.decision.replaying.parse_design` reads them.
        sessions: of a side.
        samples: of a session.
        repeats: draws a benchmark.
        seed: of all draws.
        progress: told what is being done.

    Raises:
        TracesError: there are too few processes or samples.
        ValueError: an unknown rule or design.
    """
    chosen, left_out = choose_rules(rules)
    cells: list[Cell] = []
    suites: list[SuiteCell] = []
    for design in choose_designs(designs, sessions, samples):
        try:
            if design.kind == "suite":
                suites += replay_suites(traces, chosen, design, repeats, seed, progress)
            else:
                cells += replay(traces, chosen, design, repeats, seed, progress)
        except TracesError as error:
            # The first default design must be possible, else nothing is.
            if designs or not cells:
                raise
            left_out[design.name] = str(error)
    return Evaluation(traces.source, split, seed, repeats, cells, suites, left_out)
