"""The parts of the interval: quantiles, the shrunk spread, and what short sessions add."""

import math

import numpy as np
import pytest

from perfsuite.decision import DecisionSettings, compare
from perfsuite.decision.statistics import (
    between_variance,
    compare_statistic,
    fewer_samples_variance,
    squares,
    tail_quantile,
)
from perfsuite.decision.summaries import Summary, quantile, summarize

PRIOR = DecisionSettings(prior_sd=0.1, prior_df=4)


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("count", [1, 2, 3, 8, 31])
def test_quantile_is_that_of_numpy(count: int, probability: float) -> None:
    values = np.sort(np.random.default_rng(count).standard_normal(count))

    assert quantile(values, probability) == pytest.approx(
        np.quantile(values, probability, method="median_unbiased")
    )


def test_tail_quantile_is_that_of_the_tables() -> None:
    assert tail_quantile(0.025, 10) == pytest.approx(2.228, abs=5e-4)
    assert tail_quantile(0.025, 1e9) == pytest.approx(1.960, abs=5e-4)
    assert tail_quantile(0.5, 3) == pytest.approx(0)


def test_summary_of_a_session() -> None:
    summary = summarize([math.exp(i) for i in (3, 1, 2, 8, 5, 4, 7, 6)], "a")

    assert summary.low == pytest.approx(1 + (25 / 3 * 0.1 + 1 / 3 - 1))
    assert summary.middle == pytest.approx(4.5)
    assert summary.slow == pytest.approx(7.5)
    assert summary.spread == pytest.approx(math.sqrt(6))
    assert summary.samples == 8
    assert summarize([1.0], "a") == Summary(low=0, middle=0, slow=0, spread=None, samples=1)


def test_one_session_a_side_leaves_the_prior() -> None:
    variance, df, measured = between_variance([[5.0], [1.0]], PRIOR)

    assert variance == pytest.approx(0.1**2)
    assert (df, measured) == (4, 0)


def test_many_sessions_leave_no_prior() -> None:
    values = (0.02 * np.random.default_rng(3).standard_normal(20_000)).tolist()

    variance, df, measured = between_variance([values, [0.0]], PRIOR, trimmed=False)

    assert math.sqrt(variance) == pytest.approx(np.std(values, ddof=1), rel=0.01)
    assert (df, measured) == (19_999, 1)


def test_between_prior_and_sample_the_variances_are_weighed() -> None:
    """Two of six degrees of freedom are measured, so four sixths of the prior's four remain."""
    variance, df, measured = between_variance([[0.0, 0.2, 0.4]], PRIOR)

    believed = 4 * 4 / 6
    assert variance == pytest.approx((believed * 0.1**2 + 2 * 0.2**2) / (believed + 2))
    assert df == pytest.approx(believed + 2)
    assert measured == pytest.approx(2 / (believed + 2))


def test_both_sides_tell_of_the_spread_but_not_their_difference() -> None:
    one, other = (between_variance([[0.0, 0.2, 0.4], [x, x + 0.2]], PRIOR) for x in (0, 9))

    assert one == pytest.approx(other)


@pytest.mark.parametrize("count", [5, 9, 10, 20])
def test_trimmed_squares_are_unbiased_for_normal_sessions(count: int) -> None:
    rows = np.random.default_rng(count).standard_normal((4000, count)).tolist()
    variances = [total / dof for total, dof in map(squares, rows)]

    assert np.mean(variances) == pytest.approx(1, abs=0.06)


def test_one_slow_session_of_five_does_not_widen() -> None:
    quiet, odd = [0.0, 0.01, 0.02, 0.03, 0.04], [0.0, 0.01, 0.02, 0.03, 4.0]

    assert squares(odd) == squares(quiet)
    assert squares(odd, trimmed=False)[0] > 100 * squares(quiet, trimmed=False)[0]


@pytest.mark.parametrize(("m", "k"), [(1, 1), (5, 1), (20, 1), (5, 3)])
def test_limits_lie_on_either_side_of_the_shift(m: int, k: int) -> None:
    taken = compare_statistic(
        [0.01 * (i % 3) for i in range(m)], [0.3 + 0.01 * (i % 3) for i in range(k)], PRIOR
    )

    assert taken.shift == pytest.approx(0.3, abs=0.011)
    assert taken.lower(0.005) < taken.lower(0.025) < taken.shift
    assert taken.upper(0.005) > taken.upper(0.025) > taken.upper(0.2) > taken.shift


def test_one_against_one_has_the_whole_prior_as_error() -> None:
    taken = compare_statistic([0.0], [0.3], PRIOR)

    assert taken.lower(0.025) == pytest.approx(0.3 - 2.776 * 0.1 * math.sqrt(2), abs=1e-4)
    assert taken.p_value(0.3) == pytest.approx(0.5, abs=0.01)


def test_p_value_is_the_least_risk_with_the_limit_above() -> None:
    taken = compare_statistic([0.0, 0.01, 0.02], [0.03, 0.05, 0.04], PRIOR)
    p_value = taken.p_value(0.01)

    assert taken.lower(p_value * 1.1) > 0.01 > taken.lower(p_value * 0.9)


def summary(count: int, spread: float | None = 0.1) -> Summary:
    """Return a session of which only length and spread matter."""
    return Summary(low=0, middle=0, slow=0, spread=spread, samples=count)


@pytest.mark.parametrize(
    ("baseline", "candidate", "expected"),
    [
        ([20, 20], [20], 0.0),
        ([4], [20], 0.0),
        ([20], [4], 2 * 0.1**2 * (1 / 4 - 1 / 20)),
        ([20], [4, 4], 2 * 0.1**2 * (1 / 4 - 1 / 20) / 2),
    ],
)
def test_shorter_candidate_sessions_vary_more(
    baseline: list[int], candidate: list[int], expected: float
) -> None:
    extra = fewer_samples_variance([summary(n) for n in baseline], [summary(n) for n in candidate], 2)

    assert extra == pytest.approx(expected)


def test_a_single_noisy_call_is_known_less_well_than_a_long_session() -> None:
    baseline = [[0.8, 0.9, 1.0, 1.1, 1.2] * 4] * 5
    widths = []
    for calls in ([1.0], [0.9, 1.0, 1.1], baseline[0]):
        interval = compare(baseline, [calls]).interval
        assert interval is not None
        widths.append(math.log(interval[1] / interval[0]))

    assert widths[0] > widths[1] > widths[2]
