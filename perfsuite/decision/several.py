"""Many benchmarks: suspects first, then fresh sessions, and few false alarms in the whole suite.

Stage one is lenient: one new session against the stored ones. Stage two measures each suspect anew and
is strict. Its levels come from `Spending`, since tests fail one after the other; `holm` is for those who
judge when all suspects are known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from perfsuite.decision.parameters import DecisionSettings
from perfsuite.decision.summaries import summarize
from perfsuite.decision.verdicts import alarm_risk, compare, judge
from perfsuite.records import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Verdict

SUSPECT_P = 0.1
"""Greatest p-value of a suspect. Of unchanged JVM benchmarks, one session against five stored, 6 % are;
of those 10 % slower 74 %, of those 20 % slower 88 %. More suspects find no more slowdowns: they thin out
the levels of stage two."""
SUITE_ALPHA = 0.005
"""Risk given to `Spending` and `holm` for one run of a suite. The alarms of a run are more: the baseline's
luck is in both stages, and real noise is not normal. By replay and simulation, 50 unchanged benchmarks then
alarm in at most 1 of 100 runs."""
CONFIRM_SESSIONS = 4
"""Fresh sessions a suspect: three instead of four cost up to 10 points of power at strict levels."""


def is_suspect(verdict: Verdict, most_p: float = SUSPECT_P) -> bool:
    """Tell whether a verdict on one new session calls for fresh ones: its p-value is at most ``most_p``."""
    return verdict.status is Status.REGRESSED or (
        verdict.p_value is not None and verdict.p_value <= most_p and verdict.status is not Status.OK
    )


def confirm(
    baseline: Sequence[Sequence[float]],
    first: Sequence[float],
    fresh: Sequence[Sequence[float]],
    settings: DecisionSettings | None = None,
    *,
    alpha: float = SUITE_ALPHA,
) -> Verdict:
    """Judge a suspect by fresh sessions alone.

    Beyond the p-value, the fresh sessions must lie apart from the stored ones (`Comparison.apart`): that
    halves the false alarms, which come from sides with an odd session or two, and costs no power worth the
    name.

    Args:
        baseline: stored sessions, each the latencies of one process in seconds.
        first: the session that raised the suspicion. It is checked and left out: it was chosen for being
            slow. The baseline is that of stage one, and its luck is in both stages.
        fresh: sessions measured after it.
        settings: as for `perfsuite.decision.compare`.
        alpha: greatest p-value for REGRESSED, for instance `Spending.level`.

    Raises:
        ValueError: ``alpha`` is not between 0 and 1, or as `perfsuite.decision.compare`.
    """
    _check_alpha(alpha)
    summarize(first, "first session")
    verdict = judge(baseline, fresh, settings or DecisionSettings(), alpha, apart=True)
    sessions = "1 fresh session" if len(fresh) == 1 else f"{len(fresh)} fresh sessions"
    prefix = "" if verdict.status is Status.REGRESSED else "not "
    return replace(verdict, detail=f"{verdict.detail}; {prefix}confirmed by {sessions}")


def holm(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Tell which hypotheses are rejected with a familywise error of ``alpha``, however they depend.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics
    6 (1979).

    Raises:
        ValueError: ``alpha`` or a p-value out of its range.
    """
    _check_alpha(alpha)
    for i, p_value in enumerate(p_values):
        _check_p_value(p_value, f"p-value {i}")
    rejected = [False] * len(p_values)
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[i] > alpha / (len(p_values) - rank):
            break
        rejected[i] = True
    return rejected


class Spending:
    """Levels for tests that come one after the other, their number unknown.

    The fallback procedure of Wiens, "A fixed sequence Bonferroni procedure for testing multiple
    endpoints", Pharmaceutical Statistics 2 (2003): test i has a share ``1 / (i (i + 1))`` of alpha, all
    shares adding up to 1, and the whole level of the test before it if that one was rejected.
    """

    def __init__(self, alpha: float = SUITE_ALPHA) -> None:
        _check_alpha(alpha)
        self._alpha = alpha
        self._tests = 0
        self._passed_on = 0.0

    @property
    def level(self) -> float:
        """Greatest p-value at which the next test is rejected."""
        place = self._tests + 1
        return self._alpha / (place * (place + 1)) + self._passed_on

    def spend(self, p_value: float) -> bool:
        """Take the next test; return whether it is rejected.

        Raises:
            ValueError: the p-value is not between 0 and 1.
        """
        _check_p_value(p_value, "p-value")
        level = self.level
        rejected = p_value <= level
        self._tests += 1
        self._passed_on = level if rejected else 0.0
        return rejected


def control_moved(baseline_control_s: Sequence[float], control_s: Sequence[float]) -> float | None:
    """Tell whether the machine itself got slower, by a benchmark of fixed work measured in each session.

    Args:
        baseline_control_s: its time in each stored session, in seconds.
        control_s: its time in each new session.

    Returns:
        New over stored if that is certainly beyond the minimum effect, at the level of an alarm; else
        None, also where there is no control to compare with.

    Raises:
        ValueError: a time that is not positive and finite.
    """
    if len(baseline_control_s) == 0 or len(control_s) == 0:
        return None
    settings = DecisionSettings()
    verdict = compare([[s] for s in baseline_control_s], [[s] for s in control_s], settings)
    moved = verdict.p_value is not None and verdict.p_value <= alarm_risk(settings)
    return verdict.ratio if moved else None


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha!r}")


def _check_p_value(p_value: float, name: str) -> None:
    if not 0 <= p_value <= 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {p_value!r}")
