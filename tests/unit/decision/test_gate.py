"""One candidate against a baseline: each status, each cause, and what the verdict says."""

import re

import pytest

from perfsuite.decision import DecisionSettings, compare, incompatible, new
from perfsuite.records import Cause, Status

QUIET = DecisionSettings(prior_sd=0.01, prior_df=4)
CPU = DecisionSettings.for_device("cpu")
# Ten sessions that differ by half a percent, each of twenty equal-ish samples.
STEADY = [[1.0 + 0.005 * (i % 3 - 1) + 0.001 * (j % 4) for j in range(20)] for i in range(10)]


def times(factor: float) -> list[list[float]]:
    """Return one candidate session, slower than STEADY by a factor."""
    return [[factor * value for value in STEADY[1]]]


@pytest.mark.parametrize(
    ("factor", "status"),
    [
        (0.5, Status.IMPROVED),
        (0.9, Status.IMPROVED),
        (0.99, Status.OK),
        (1.0, Status.OK),
        (1.01, Status.OK),
        (1.048, Status.REGRESSED),
        (1.06, Status.REGRESSED),
        (1.1, Status.REGRESSED),
        (2.0, Status.REGRESSED),
    ],
)
def test_status_follows_the_slowdown(factor: float, status: Status) -> None:
    verdict = compare(STEADY, times(factor), QUIET)

    assert verdict.status is status
    assert verdict.ratio == pytest.approx(factor, abs=0.003)


def test_figures_of_a_verdict() -> None:
    verdict = compare(STEADY, times(1.1), QUIET)

    assert verdict.interval is not None
    assert verdict.interval[0] < 1.1 < verdict.interval[1]
    assert (verdict.confidence, verdict.tolerance) == (0.95, 0.04)
    assert (verdict.baseline_sessions, verdict.candidate_sessions) == (10, 1)
    assert verdict.baseline_s == pytest.approx(1.0015, abs=0.001)
    assert verdict.causes == ()


def test_surely_slower_by_less_than_the_tolerance_is_ok() -> None:
    verdict = compare(STEADY, times(1.08), DecisionSettings(tolerance=0.15, prior_sd=0.01, prior_df=4))

    assert verdict.interval is not None
    assert 1 < verdict.interval[0] < verdict.interval[1] < 1.15
    assert verdict.status is Status.OK


def test_certainly_slower_and_perhaps_within_the_tolerance_is_regressed() -> None:
    verdict = compare(STEADY, [[1.041 * value for value in row] for row in STEADY], QUIET)

    assert verdict.interval is not None
    assert 1.01 < verdict.interval[0] < 1.04 < verdict.interval[1]
    assert verdict.status is Status.REGRESSED
    assert verdict.p_value is not None
    assert verdict.p_value < 0.001


@pytest.mark.parametrize("calls", [8, 20])
def test_a_tail_slowed_in_all_sessions_is_regressed(calls: int) -> None:
    def sessions(factor: float, samples: int) -> list[list[float]]:
        return [
            [(factor if j % 4 == 0 else 1.0) * speed for j in range(samples)] for speed in (1, 1.005, 1.01)
        ]

    verdict = compare(sessions(1.0, calls), sessions(1.3, calls))

    assert verdict.status is Status.REGRESSED
    assert Cause.SLOW_TAIL in verdict.causes
    assert "slowest quarter of the calls slowed down" in verdict.detail
    assert Cause.SLOW_TAIL not in compare(sessions(1.0, calls), [[1.3] * calls] * 3).causes
    assert compare(sessions(1.0, 7), sessions(1.3, 7)).status is not Status.REGRESSED


def test_one_slow_session_of_a_side_is_no_regression() -> None:
    speeds = [1.0, 1.004, 1.002, 1.003, 1.001]
    baseline = [[speed] * 4 for speed in speeds]
    candidate = [[speed] * 4 for speed in (*speeds[:4], 2.0)]

    assert compare(baseline, candidate).status is not Status.REGRESSED
    assert compare(baseline, candidate).ratio == pytest.approx(1.001, abs=0.002)
    assert compare(candidate, [[1.05 * speed] * 4 for speed in speeds]).status is Status.REGRESSED


@pytest.mark.parametrize("tolerance", [0.0, 0.005])
def test_a_change_below_the_minimum_effect_is_never_alarming(tolerance: float) -> None:
    settings = DecisionSettings(tolerance=tolerance, prior_sd=1e-5, prior_df=4)

    assert compare([[1.0] * 5] * 10, [[1.009] * 5], settings).status is not Status.REGRESSED
    assert compare([[1.0] * 5] * 10, [[1.016] * 5], settings).status is Status.REGRESSED
    assert compare([[1.0] * 5] * 10, [[0.991] * 5], settings).status is Status.OK
    assert compare([[1.0] * 5] * 10, [[0.985] * 5], settings).status is Status.IMPROVED


def test_twice_as_slow_as_five_cpu_sessions_is_regressed() -> None:
    baseline = [[speed] * 8 for speed in (0.80, 0.87, 0.90, 0.97, 1.08)]  # sd of the logs 0.11

    assert compare(baseline, [[1.8] * 8], CPU).status is Status.REGRESSED
    assert compare(baseline, [[0.9] * 8], CPU).status is Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("factor", "status"),
    [(0.2, Status.IMPROVED), (1.0, Status.INCONCLUSIVE), (1.3, Status.INCONCLUSIVE), (3.0, Status.REGRESSED)],
)
def test_a_single_stored_session_shows_gross_changes_only(factor: float, status: Status) -> None:
    verdict = compare([[1.0, 1.01, 1.02]], [[factor, 1.01 * factor]], CPU)

    assert verdict.status is status
    assert (Cause.FEW_SESSIONS in verdict.causes) is (status is Status.INCONCLUSIVE)


def test_three_stored_sessions_are_not_few() -> None:
    two, three = (compare([[1.0]] * m, [[1.0]], CPU) for m in (2, 3))

    assert Cause.FEW_SESSIONS in two.causes
    assert "record more" in two.detail
    assert three.status is Status.INCONCLUSIVE
    assert Cause.FEW_SESSIONS not in three.causes
    assert "too noisy to rule out a slowdown of 4.0 %" in three.detail


def test_two_sessions_are_not_enough_for_ok_whatever_the_prior() -> None:
    sure = DecisionSettings(prior_sd=0.001, prior_df=100)

    assert compare([[1.0]] * 2, [[1.0]], sure).status is Status.INCONCLUSIVE
    assert compare([[1.0]] * 3, [[1.0]], sure).status is Status.OK


@pytest.mark.parametrize("samples", [1, 5, 10, 20, 40])
def test_a_slow_tail_is_not_ok(samples: int) -> None:
    baseline = [row[:1] * samples for row in STEADY]
    calls = [1.0] * samples
    assert compare(baseline, [calls], QUIET).status is Status.OK

    calls[: max(1, samples // 10)] = [1.6] * max(1, samples // 10)
    verdict = compare(baseline, [calls], QUIET)

    assert verdict.status is (Status.REGRESSED if samples == 1 else Status.INCONCLUSIVE)
    assert samples == 1 or "slowest quarter of the calls is" in verdict.detail


def test_faster_with_a_slow_tail_is_no_improvement() -> None:
    calls = [0.8] * 20
    assert compare(STEADY, [calls], QUIET).status is Status.IMPROVED

    calls[3:5] = [2.0, 2.0]

    assert compare(STEADY, [calls], QUIET).status is Status.INCONCLUSIVE


def test_a_fast_minority_of_the_calls_is_no_improvement() -> None:
    assert compare(STEADY, [[0.8] * 6 + [1.0] * 14], QUIET).status is Status.OK


def test_more_than_half_of_the_calls_slow_is_regressed_by_the_median() -> None:
    calls = [1.0] * 9 + [1.3] * 11
    verdict = compare(STEADY, [calls], QUIET)

    assert verdict.status is Status.REGRESSED
    assert verdict.ratio == pytest.approx(1.3, abs=0.01)
    assert "median slowed down" in verdict.detail


def test_of_low_quantile_and_median_the_slower_one_decides() -> None:
    calls = [1.0] * 9 + [1.03] * 11
    verdict = compare(STEADY, [calls], QUIET)

    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.ratio == pytest.approx(1.028, abs=0.002)
    assert "probably slower" in verdict.detail


def test_scattered_sessions_or_samples_are_called_noisy() -> None:
    scattered = [[speed] * 5 for speed in (0.7, 1.0, 1.4)]

    assert Cause.NOISY_MACHINE in compare(scattered, [[1.0]], QUIET).causes
    assert Cause.NOISY_MACHINE in compare(STEADY, scattered, QUIET).causes
    assert Cause.NOISY_MACHINE in compare(STEADY, [[0.9, 1.0, 1.1]], QUIET).causes
    assert Cause.NOISY_MACHINE not in compare(STEADY, times(2.0), QUIET).causes


def test_more_candidate_sessions_narrow_the_interval() -> None:
    widths = []
    for k in (1, 2, 5):
        verdict = compare(STEADY, STEADY[:k], QUIET)
        assert verdict.interval is not None
        assert verdict.candidate_sessions == k
        widths.append(verdict.interval[1] - verdict.interval[0])

    assert widths[0] > widths[1] > widths[2]


def test_detail_is_one_line_with_the_figures() -> None:
    detail = compare(STEADY, times(1.123), QUIET).detail

    assert re.fullmatch(
        r"12\.\d % slower than the baseline of 10 sessions "
        r"\(95 % interval \+\d+\.\d to \+\d+\.\d %\), least slowdown this comparison can find: \d\.\d %",
        detail,
    )


def test_detail_of_ok_names_the_tolerance_and_of_one_session_its_number() -> None:
    assert compare(STEADY, times(0.99), QUIET).detail.endswith("; within the tolerance of 4.0 %")
    assert "than the baseline of 1 session (" in compare(STEADY[:1], times(1.0), QUIET).detail
    assert "50.0 % faster than" in compare(STEADY, times(0.5), QUIET).detail


def test_verdicts_without_comparison() -> None:
    fresh = new("no baseline: record one", candidate_sessions=2)
    other = incompatible("30 steps against 50", baseline_sessions=4)

    assert (fresh.status, fresh.detail, fresh.candidate_sessions) == (
        Status.NEW,
        "no baseline: record one",
        2,
    )
    assert (other.status, other.detail) == (Status.INCOMPATIBLE, "30 steps against 50")
    assert (other.baseline_sessions, other.candidate_sessions) == (4, 1)
    assert fresh.ratio is None
    assert other.ratio is None
