"""Replay of recorded traces with injected slowdowns: how often a rule is wrong, and at what cost.

For every benchmark, processes are dealt out at random to baseline and candidate, none to both, and of
each a window of consecutive samples is taken. The candidate is then made slower. All rules and effects
see the same draws.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from perfsuite.decision.rules import OWN, SETTINGS
from perfsuite.records import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy import float64
    from numpy.random import Generator
    from numpy.typing import NDArray

    from perfsuite.decision.rules import Rule, Sessions
    from perfsuite.decision.traces import Traces

Shape = Literal["constant", "half", "tail"]
Kind = Literal["sides", "stored", "sequential", "suite"]

EFFECTS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.10)
"""Injected slowdowns, as fractions."""
SPEEDUPS = (-0.05, -0.10)
"""To see whether what is faster is called slower."""
SHAPES: dict[str, str] = {
    "constant": "every sample slower by x",
    "half": "a random half of each session's samples slower by x",
    "tail": "the slowest quarter of each session's samples slower by 4x",
}
BOOTSTRAPS = 2000
CONFIDENCE = 0.95


class Share(NamedTuple):
    """A share with its 95 % interval, both as fractions."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Design:
    """What is measured for one decision."""

    name: str
    kind: Kind
    baseline: int
    candidate: int
    """Sessions; for ``sequential`` the most a side, for ``suite`` those of the first stage."""
    samples: int
    """Of each session."""

    @property
    def purpose(self) -> str:
        """For messages."""
        return f"design {self.name}"


@dataclass(frozen=True)
class Cell:
    """What one rule made of one injected effect."""

    rule: str
    design: str
    shape: str
    effect: float
    """Injected slowdown as a fraction, negative for a speed-up."""
    benchmarks: int
    trials: int
    """Decisions, equally many of each benchmark."""
    regressed: Share
    """False alarms where the effect is 0 or below, else power."""
    inconclusive: Share
    wrong: Share
    """IMPROVED while slower, or REGRESSED while faster; 0 where nothing changed."""
    sessions: float
    """Measured for one decision, on average; a stored baseline costs nothing."""


def parse_design(name: str, sessions: int = 5, samples: int = 4) -> Design:
    """Make a design from ``5x4`` (sessions and samples a side), ``1v5``, ``sequential`` or ``suite``.

    Raises:
        ValueError: the name is none of these.
    """
    if sides := re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", name):
        count, each = int(sides[1]), int(sides[2])
        return Design(name, "sides", count, count, each)
    if stored := re.fullmatch(r"1v([1-9]\d*)", name):
        return Design(name, "stored", int(stored[1]), 1, samples)
    if name == "sequential":
        return Design(name, "sequential", sessions, sessions, samples)
    if name == "suite":
        return Design(name, "suite", sessions, 1, samples)
    raise ValueError(f"unknown design {name!r}: give 5x4 (sessions x samples), 1v5, sequential or suite")


def draw(traces: Traces, benchmark: int, processes: int, samples: int, rng: Generator) -> Sessions:
    """Return windows of consecutive samples of distinct processes, in random order."""
    import numpy as np

    chosen = rng.permutation(traces.processes)[:processes]
    starts = rng.integers(traces.samples - samples + 1, size=processes)
    return traces.latency_s[benchmark, chosen[:, None], starts[:, None] + np.arange(samples)]


def inject(sessions: Sessions, shape: str, effect: float, rng: Generator) -> Sessions:
    """Return the sessions slowed down by ``effect`` (a fraction) in one of `SHAPES`."""
    import numpy as np

    if effect == 0:
        return sessions
    count = sessions.shape[1]
    if shape == "constant":
        return sessions * (1 + effect)
    if shape == "half":
        order = rng.permuted(np.tile(np.arange(count), (len(sessions), 1)), axis=1)
        return np.where(order < max(count // 2, 1), sessions * (1 + effect), sessions)
    if shape == "tail":
        rank = sessions.argsort(axis=1).argsort(axis=1)
        return np.where(rank >= count - -(-count // 4), sessions * (1 + 4 * effect), sessions)
    raise ValueError(f"unknown shape {shape!r}: give {', '.join(SHAPES)}")


def replay(
    traces: Traces,
    rules: Sequence[Rule],
    design: Design,
    repeats: int,
    seed: int,
    progress: Callable[[str], None],
) -> list[Cell]:
    """Judge the rules in a design with two sides; ``sequential`` has this suite's rule only.

    Raises:
        TracesError: there are too few processes or samples.
    """
    import numpy as np

    traces.require(design.baseline + design.candidate, design.samples, design.purpose)
    decide = _sequential if design.kind == "sequential" else _at_once
    judged = [rule for rule in rules if design.kind != "sequential" or rule is OWN]
    effects = list(_effects(design))
    # Per rule, effect and benchmark: how often REGRESSED, IMPROVED and INCONCLUSIVE; and the sessions.
    counts = np.zeros((len(judged), len(effects), traces.benchmarks, 4))
    columns = {Status.REGRESSED: 0, Status.IMPROVED: 1, Status.INCONCLUSIVE: 2}
    for benchmark in range(traces.benchmarks):
        if benchmark % 50 == 0:
            progress(f"{design.name}: benchmark {benchmark} of {traces.benchmarks}")
        for repeat in range(repeats):
            rng = np.random.default_rng([seed, benchmark, repeat])
            drawn = draw(traces, benchmark, design.baseline + design.candidate, design.samples, rng)
            baseline, candidate = drawn[: design.baseline], drawn[design.baseline :]
            for j, (shape, effect) in enumerate(effects):
                fresh = inject(candidate, shape, effect, rng)
                for i, rule in enumerate(judged):
                    status, sessions = decide(rule, design, baseline, fresh)
                    if status in columns:
                        counts[i, j, benchmark, columns[status]] += 1
                    counts[i, j, benchmark, 3] += sessions
    return [
        _cell(rule, design, shape, effect, counts[i, j] / repeats, repeats)
        for i, rule in enumerate(judged)
        for j, (shape, effect) in enumerate(effects)
    ]


def _effects(design: Design) -> Iterator[tuple[Shape, float]]:
    """Constant ones for every design, the other shapes where both sides are measured at once."""
    yield from (("constant", effect) for effect in (*EFFECTS, *SPEEDUPS))
    if design.kind == "sides":
        yield from ((shape, effect) for shape in ("half", "tail") for effect in EFFECTS[1:])


def _at_once(rule: Rule, design: Design, baseline: Sessions, candidate: Sessions) -> tuple[Status, int]:
    measured = design.candidate + (design.baseline if design.kind == "sides" else 0)
    return rule.decide(baseline, candidate), measured


def _sequential(rule: Rule, design: Design, baseline: Sessions, candidate: Sessions) -> tuple[Status, int]:
    """Few sessions a side first, one more of each while the verdict may still change."""
    from perfsuite.decision.sequential import verdict, wants_more

    most = design.candidate
    used = least = min(3, most)
    old, fresh = baseline.tolist(), candidate.tolist()
    while wants_more(old[:used], fresh[:used], SETTINGS, most=most, least=least):
        used += 1
    return verdict(old[:used], fresh[:used], SETTINGS, most=most).status, 2 * used


def _cell(
    rule: Rule, design: Design, shape: str, effect: float, rates: NDArray[float64], repeats: int
) -> Cell:  # fmt: skip
    regressed, improved, inconclusive, sessions = rates.T
    wrong = improved if effect > 0 else regressed if effect < 0 else 0.0 * regressed
    return Cell(
        rule.name,
        design.name,
        shape,
        effect,
        benchmarks=len(rates),
        trials=len(rates) * repeats,
        regressed=share(regressed),
        inconclusive=share(inconclusive),
        wrong=share(wrong) if effect else Share(0.0, 0.0, 0.0),
        sessions=float(sessions.mean()),
    )


def share(rates: NDArray[float64]) -> Share:
    """The mean of the benchmarks' rates; the interval is a bootstrap that draws whole benchmarks.

    Decisions on one benchmark resemble each other. Where all rates are 0, or all 1, a bootstrap sees no
    spread: then it is the exact binomial limit with one trial a benchmark (Clopper and Pearson, 1934).
    """
    import numpy as np

    value, count, risk = float(rates.mean()), len(rates), (1 - CONFIDENCE) / 2
    if value in (0.0, 1.0):
        reach = 1 - risk ** (1 / count)
        return Share(value, max(value - reach, 0.0), min(value + reach, 1.0))
    weights = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=BOOTSTRAPS)
    lower, upper = np.quantile(weights @ rates / count, [risk, 1 - risk])
    return Share(value, float(lower), float(upper))
