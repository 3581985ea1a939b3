"""The decision rules of other projects, on the same sessions, to be shown beside this suite's.

Each is that project's rule with its default thresholds; where a package can be installed, its own code is
called. None of them knows of processes but the last, so they get all samples of a side together. A rule
without a word for "cannot tell" never says INCONCLUSIVE.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from perfsuite.decision.parameters import DecisionSettings
from perfsuite.decision.statistics import tail_quantile
from perfsuite.decision.verdicts import compare
from perfsuite.records import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy import float64
    from numpy.typing import NDArray

    Sessions = NDArray[float64]

EXTRA = "pip install perfsuite[evaluate]"
RESAMPLES = 2000
"""Of criterion's bootstraps; it takes 100,000 itself, which changes p by about .005 at p = .05."""
SEED = 7
_ASV_ANSWERS: dict[tuple[int, int, int, int, bool], bool] = {}


@dataclass(frozen=True)
class Rule:
    """A way to decide, and where it comes from."""

    name: str
    summary: str
    source: str
    decide: Callable[[Sessions, Sessions], Status]
    """Baseline (m, n) and candidate (k, n): samples by process."""
    needs: tuple[str, ...] = ()
    """Modules that it calls and that may be absent."""

    def absent(self) -> str | None:
        """Why it cannot be run here, and what to do; None if it can."""
        for name in self.needs:
            try:
                import_module(name)
            except ImportError as error:
                return f"{error}; {EXTRA}"
        return None


SETTINGS = DecisionSettings(clock_resolution_s=0.0)
"""Traces are in any unit, so nothing is known of their clock."""


def _own(baseline: Sessions, candidate: Sessions) -> Status:
    return compare(baseline.tolist(), candidate.tolist(), SETTINGS).status


def _pytest_benchmark(baseline: Sessions, candidate: Sessions, field: str) -> Status:
    """``--benchmark-compare-fail=<field>:5%``; nothing is ever faster."""
    from pytest_benchmark.utils import PercentageRegressionCheck

    check = PercentageRegressionCheck(field, 5)
    current, compared = ({"mean": s.mean(), "min": s.min()} for s in (candidate, baseline))
    return Status.REGRESSED if check.fails(current, compared) else Status.OK


def _asv(baseline: Sessions, candidate: Sessions) -> Status:
    """`asv.commands.compare._is_result_better` both ways, with samples as ``asv continuous`` records them."""
    from asv_runner.statistics import compute_stats  # takes its interval from quantile_ci

    factor = 1.1
    old, fresh = baseline.ravel(), candidate.ravel()
    (old_s, old_stats), (fresh_s, fresh_stats) = (compute_stats(s.tolist(), 1) for s in (old, fresh))
    found = _sign(old_s < fresh_s / factor, fresh_s < old_s / factor)
    # With a single sample only the factor decides.
    if found is Status.OK or min(old.size, fresh.size) == 1:
        return found
    return found if _asv_differs(old, fresh, old_stats, fresh_stats) else Status.OK


def _asv_differs(old: Sessions, fresh: Sessions, old_stats: Any, fresh_stats: Any) -> bool:
    from asv._stats import is_different

    # All that its answer depends on: its exact U test takes some 40 ms.
    key = (
        old.size,
        fresh.size,
        int((old[:, None] > fresh).sum()),
        int((old[:, None] == fresh).sum()),
        old_stats["ci_99_b"] >= fresh_stats["ci_99_a"] and old_stats["ci_99_a"] <= fresh_stats["ci_99_b"],
    )
    if key not in _ASV_ANSWERS:
        _ASV_ANSWERS[key] = is_different(old.tolist(), fresh.tolist(), old_stats, fresh_stats)
    return _ASV_ANSWERS[key]


def _google_benchmark(baseline: Sessions, candidate: Sessions) -> Status:
    from scipy.stats import mannwhitneyu

    found = mannwhitneyu(candidate.ravel(), baseline.ravel(), alternative="two-sided")
    middle = candidate.size * baseline.size / 2
    return _sign(
        found.pvalue < 0.05 and found.statistic > middle, found.pvalue < 0.05 and found.statistic < middle
    )


def _pyperf(baseline: Sessions, candidate: Sessions) -> Status:
    """`pyperf._compare.is_significant_benchs`, where whatever fails is significant."""
    from pyperf._utils import is_significant

    try:
        significant = bool(is_significant(baseline.ravel().tolist(), candidate.ravel().tolist())[0])
    except Exception:  # as there: no variance divides by zero
        significant = True
    old, fresh = baseline.mean(), candidate.mean()
    return _sign(significant and fresh > old, significant and fresh < old)


def _nvbench(baseline: Sessions, candidate: Sessions) -> Status:
    """The intervals from the minimum to the third quartile leave a gap of 0.5 %."""
    import numpy as np

    gap = 0.005
    old_q3, fresh_q3 = np.percentile(baseline, 75), np.percentile(candidate, 75)
    return _sign((candidate.min() - old_q3) / old_q3 >= gap, (baseline.min() - fresh_q3) / fresh_q3 >= gap)


def _criterion(baseline: Sessions, candidate: Sessions) -> Status:
    """A t test against resamples of both sides together, then the interval of the ratio of means."""
    import numpy as np

    noise, significance, confidence = 0.01, 0.05, 0.95
    centre = np.concatenate([candidate.ravel(), baseline.ravel()]).mean()
    fresh, old = candidate.ravel() / centre - 1.0, baseline.ravel() / centre - 1.0
    both = np.concatenate([fresh, old])
    with np.errstate(divide="ignore", invalid="ignore"):  # a resample may have no variance
        t = _t(both, _weights(both.size, fresh.size, 0), both, _weights(both.size, old.size, 1))
        observed = _t(fresh, np.ones((1, fresh.size)), old, np.ones((1, old.size)))
    hits = int((t < observed).sum())
    if 2 * min(hits, RESAMPLES - hits) / RESAMPLES >= significance:
        return Status.OK
    ratios = (1.0 + _weights(fresh.size, fresh.size, 2) @ fresh / fresh.size) / (
        1.0 + _weights(old.size, old.size, 3) @ old / old.size
    )
    lower, upper = np.percentile(ratios - 1.0, [50 * (1 - confidence), 50 * (1 + confidence)])
    return _sign(lower > noise, upper < -noise)


@cache
def _weights(values: int, drawn: int, which: int) -> Sessions:
    """How often each value is drawn in each resample.

    The same resamples for all comparisons of one size: a sum over a resample is then one product.
    """
    import numpy as np

    index = np.random.default_rng([SEED, values, drawn, which]).integers(values, size=(RESAMPLES, drawn))
    counts = np.zeros((RESAMPLES, values))
    np.add.at(counts, (np.arange(RESAMPLES)[:, None], index), 1.0)
    return counts


def _t(fresh: Sessions, fresh_weights: Sessions, old: Sessions, old_weights: Sessions) -> Sessions:
    """Welch's t of the weighted values, one a row of the weights."""
    means, errors = [], []
    for values, weights in ((fresh, fresh_weights), (old, old_weights)):
        n = weights[0].sum()
        mean = weights @ values / n
        means.append(mean)
        errors.append((weights @ (values * values) / n - mean * mean).clip(min=0.0) / (n - 1))
    return (means[0] - means[1]) / (errors[0] + errors[1]) ** 0.5


def _welch_minima(baseline: Sessions, candidate: Sessions) -> Status:
    """One-sided .025 against 1 % on the log of each process's minimum; needs two processes a side."""
    import numpy as np

    least, risk = math.log1p(0.01), 0.025
    old, fresh = np.log(baseline.min(axis=1)), np.log(candidate.min(axis=1))
    if min(len(old), len(fresh)) < 2:
        return Status.INCONCLUSIVE
    a, b = old.var(ddof=1) / len(old), fresh.var(ddof=1) / len(fresh)
    shift = float(fresh.mean() - old.mean())
    margin = 0.0
    if a + b > 0:
        df = (a + b) ** 2 / (a**2 / (len(old) - 1) + b**2 / (len(fresh) - 1))
        margin = tail_quantile(risk, float(df)) * math.sqrt(a + b)
    return _sign(shift - margin > least, shift + margin < -least)


def _sign(slower: bool, faster: bool) -> Status:
    return Status.REGRESSED if slower else Status.IMPROVED if faster else Status.OK


OWN = Rule("perfsuite", "this suite's gate", "perfsuite.decision.compare", _own)
RULES: tuple[Rule, ...] = (
    OWN,
    Rule(
        "pytest-benchmark mean:5%",
        "mean at least 5 % slower",
        "ionelmc/pytest-benchmark, utils.PercentageRegressionCheck",
        partial(_pytest_benchmark, field="mean"),
        ("pytest_benchmark.utils",),
    ),
    Rule(
        "pytest-benchmark min:5%",
        "minimum at least 5 % slower",
        "ionelmc/pytest-benchmark, utils.PercentageRegressionCheck",
        partial(_pytest_benchmark, field="min"),
        ("pytest_benchmark.utils",),
    ),
    Rule(
        "asv",
        "medians differ by the factor 1.1, and U test at p < .002 or disjoint 99 % intervals",
        "airspeed-velocity/asv, _stats.is_different",
        _asv,
        ("asv._stats", "asv_runner.statistics"),
    ),
    Rule(
        "google-benchmark",
        "Mann-Whitney U test at p < .05",
        "google/benchmark, tools/gbench/report.py",
        _google_benchmark,
    ),
    Rule(
        "criterion",
        "bootstrapped t test at p < .05, interval of the ratio of means beyond 1 %",
        f"criterion-rs/criterion.rs, src/analysis/compare.rs; {RESAMPLES} resamples in place of 100,000",
        _criterion,
    ),
    Rule(
        "nvbench",
        "minimum 0.5 % above the other side's third quartile",
        "NVIDIA/nvbench, python/scripts/nvbench_compare.py",
        _nvbench,
    ),
    Rule("pyperf", "Student's t test at p < .05", "psf/pyperf, _utils.is_significant", _pyperf,
         ("pyperf._utils",)),
    Rule(
        "Welch on minima",
        "Welch's t test on the processes' minima, one-sided .025, beyond 1 %",
        "the strongest simple rule",
        _welch_minima,
    ),
)  # fmt: skip
