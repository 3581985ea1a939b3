"""Many benchmarks at once: does an unchanged suite raise an alarm, and is a slowed benchmark found?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from perfsuite.decision.replaying import CONFIDENCE, Design, Share, draw, inject
from perfsuite.decision.rules import OWN, SETTINGS
from perfsuite.decision.several import SUITE_ALPHA
from perfsuite.records import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy import bool_, float64
    from numpy.random import Generator
    from numpy.typing import NDArray

    from perfsuite.decision.rules import Rule, Sessions
    from perfsuite.decision.traces import Traces

SIZE = 50
"""Benchmarks of a suite, fewer where there are fewer."""
EFFECTS = (0.0, 0.05, 0.10)
SUITES = 200
"""Drawn for each figure, and again for each of `BOOTSTRAPS`."""
BOOTSTRAPS = 200


@dataclass(frozen=True)
class SuiteCell:
    """What one rule made of suites of which one benchmark was slowed, or none."""

    rule: str
    design: str
    size: int
    """Benchmarks of a suite."""
    effect: float
    """Injected slowdown of the one, as a fraction."""
    benchmarks: int
    alarms: Share
    """Where the effect is 0 the unchanged suites with any alarm, else those whose slowed one was named."""
    sessions: float
    """Measured for a benchmark, on average, the stored baseline not counted."""


class _Outcomes(NamedTuple):
    """By benchmark and repeat."""

    suspect: NDArray[bool_]
    p_value: NDArray[float64]
    regressed: NDArray[bool_]
    sessions: NDArray[float64]


def replay_suites(
    traces: Traces,
    rules: Sequence[Rule],
    design: Design,
    repeats: int,
    seed: int,
    progress: Callable[[str], None],
) -> list[SuiteCell]:
    """Judge suites: this suite's rule in two stages at the gate's levels, each other rule in one.

    Others are given as many candidate sessions as the baseline has. A suite takes one replay of each of
    its benchmarks; intervals are a bootstrap that draws whole benchmarks first.

    Raises:
        TracesError: there are too few processes or samples.
    """
    import numpy as np

    from perfsuite.decision.several import CONFIRM_SESSIONS

    fresh = max(design.baseline, design.candidate + CONFIRM_SESSIONS)
    traces.require(design.baseline + fresh, design.samples, design.purpose)
    size = min(SIZE, traces.benchmarks)
    cells = []
    for rule in rules:
        progress(f"{design.name}: {rule.name}")
        found = [_outcomes(traces, rule, design, fresh, effect, repeats, seed) for effect in EFFECTS]
        for effect, slowed in zip(EFFECTS, found, strict=True):
            rng = np.random.default_rng([seed, size])
            everyone = np.arange(traces.benchmarks)
            value = _alarms(found[0], slowed, everyone, size, rng, staged=rule is OWN, any_=effect == 0)
            again = [
                _alarms(found[0], slowed, rng.choice(everyone, everyone.size), size, rng,
                        staged=rule is OWN, any_=effect == 0)
                for _ in range(BOOTSTRAPS)
            ]  # fmt: skip
            lower, upper = np.quantile(again, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
            if value in (0.0, 1.0):
                # A bootstrap sees no spread: exact, a suite of different replays being one trial.
                trials = traces.benchmarks * (1 if effect else repeats / size)
                reach = 1 - ((1 - CONFIDENCE) / 2) ** (1 / trials)
                lower, upper = max(value - reach, 0.0), min(value + reach, 1.0)
            shown = Share(value, min(float(lower), value), max(float(upper), value))
            cost = float(found[0].sessions.mean())
            cells.append(SuiteCell(rule.name, design.name, size, effect, traces.benchmarks, shown, cost))
    return cells


def _outcomes(
    traces: Traces, rule: Rule, design: Design, fresh: int, effect: float, repeats: int, seed: int
) -> _Outcomes:
    """Judge every benchmark on its own, so far as that goes without the others."""
    import numpy as np

    shape = (traces.benchmarks, repeats)
    found = _Outcomes(np.zeros(shape, bool), np.ones(shape), np.zeros(shape, bool), np.zeros(shape))
    judge = _two_stages if rule is OWN else _one_stage
    for at in np.ndindex(shape):
        rng = np.random.default_rng([seed, *at])
        drawn = draw(traces, at[0], design.baseline + fresh, design.samples, rng)
        baseline, candidate = drawn[: design.baseline], drawn[design.baseline :]
        judged = judge(rule, design, baseline, inject(candidate, "constant", effect, rng))
        for field, value in zip(found, judged, strict=True):
            field[at] = value
    return found


def _one_stage(
    rule: Rule, design: Design, baseline: Sessions, candidate: Sessions
) -> tuple[bool, float, bool, int]:
    regressed = rule.decide(baseline, candidate[: design.baseline]) is Status.REGRESSED
    return regressed, 0.0, regressed, design.baseline


def _two_stages(
    rule: Rule, design: Design, baseline: Sessions, candidate: Sessions
) -> tuple[bool, float, bool, int]:
    """A lenient look first; who is suspect is measured again, and only then is anyone alarmed."""
    from perfsuite.decision.several import CONFIRM_SESSIONS, confirm, is_suspect
    from perfsuite.decision.verdicts import compare

    stored, first = baseline.tolist(), candidate[0].tolist()
    if not is_suspect(compare(stored, [first], SETTINGS)):
        return False, 1.0, False, design.candidate
    again = candidate[design.candidate :][:CONFIRM_SESSIONS].tolist()
    verdict = confirm(stored, first, again, SETTINGS, alpha=SUITE_ALPHA)
    p_value = 1.0 if verdict.p_value is None else verdict.p_value
    return True, p_value, verdict.status is Status.REGRESSED, design.candidate + CONFIRM_SESSIONS


def _alarms(
    unchanged: _Outcomes,
    slowed: _Outcomes,
    benchmarks: NDArray[Any],
    size: int,
    rng: Generator,
    *,
    staged: bool,
    any_: bool,
) -> float:
    """Share of suites with any alarm, or with one for their slowed benchmark, whose place is drawn."""
    import numpy as np

    chosen = rng.permuted(np.tile(benchmarks, (SUITES, 1)), axis=1)[:, :size]
    turn = rng.integers(unchanged.suspect.shape[1], size=chosen.shape)
    is_slowed = np.arange(size) == rng.integers(size, size=SUITES)[:, None]
    suspect, p_value, regressed = (
        np.where(is_slowed, after[chosen, turn], before[chosen, turn])
        for before, after in zip(unchanged[:3], slowed[:3], strict=True)
    )
    if staged:
        regressed = regressed & _rejected(suspect, p_value)
    return float((regressed.any(axis=1) if any_ else regressed[is_slowed]).mean())


def _rejected(suspect: NDArray[bool_], p_value: NDArray[float64]) -> NDArray[bool_]:
    """Who is left at the levels that the gate spends over the suspects of each suite, one suite a row."""
    import numpy as np

    from perfsuite.decision.several import Spending

    kept = np.zeros_like(suspect)
    for row in np.flatnonzero(suspect.any(axis=1)):
        spending = Spending()
        for column in np.flatnonzero(suspect[row]):
            kept[row, column] = spending.spend(float(p_value[row, column]))
    return kept
