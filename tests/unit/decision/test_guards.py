"""What cannot be judged is refused by name, and what can be is never NaN."""

import math
import subprocess
import sys

import numpy as np
import pytest

from perfsuite.decision import DecisionSettings, compare, prior_for
from perfsuite.records import Status, Verdict

GOOD = [[1.0, 1.1], [1.0, 1.2, 1.1]]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, -1.0])
def test_bad_sample_is_named(value: float) -> None:
    message = f"session 1, sample 2: {value} is not a positive, finite number of seconds"
    with pytest.raises(ValueError, match=f"^baseline {message}$"):
        compare([[1.0], [1.0, 1.0, value]], GOOD)
    with pytest.raises(ValueError, match=f"^candidate {message}$"):
        compare(GOOD, [[1.0], [1.0, 1.0, value, value]])


@pytest.mark.parametrize(
    ("baseline", "candidate", "message"),
    [
        ([], GOOD, "^baseline: no sessions$"),
        (GOOD, [], "^candidate: no sessions$"),
        ([[1.0], []], GOOD, "^baseline session 1: no samples$"),
        (GOOD, [[]], "^candidate session 0: no samples$"),
        ([1.0, 1.1], GOOD, "^baseline session 0: expected a flat sequence of seconds, got 0 dimensions$"),
        (GOOD, [GOOD[:1]], "^candidate session 0: expected a flat sequence of seconds, got 2 dimensions$"),
    ],
)
def test_bad_side_is_named(baseline: list[list[float]], candidate: list[list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare(baseline, candidate)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tolerance", -0.1),
        ("tolerance", math.nan),
        ("tolerance", math.inf),
        ("confidence", 0.0),
        ("confidence", 1.0),
        ("confidence", 95.0),
        ("prior_sd", 0.0),
        ("prior_sd", math.nan),
        ("prior_df", 0.5),
        ("prior_df", math.inf),
        ("clock_resolution_s", -1e-9),
    ],
)
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        DecisionSettings(**{name: value})


def test_priors_of_the_device_classes() -> None:
    assert (prior_for("cpu"), prior_for("cuda")) == (0.12, 0.025)
    settings = DecisionSettings.for_device("cpu", tolerance=0.1, confidence=0.9)
    assert (settings.tolerance, settings.confidence, settings.prior_sd) == (0.1, 0.9, 0.12)
    with pytest.raises(
        ValueError,
        match=r"no prior spread for device kind 'tpu'; known: cpu, cpu-fixed-work, cpu-relative, cuda, ",
    ):
        prior_for("tpu")


def figures(verdict: Verdict) -> list[float]:
    """Return all numbers of a verdict."""
    assert verdict.ratio is not None
    assert verdict.interval is not None
    assert verdict.minimum_detectable_effect is not None
    assert verdict.baseline_s is not None
    return [verdict.ratio, *verdict.interval, verdict.minimum_detectable_effect, verdict.baseline_s]


def assert_sound(verdict: Verdict) -> None:
    """Check that the figures are finite and agree with each other and with the status."""
    values = figures(verdict)
    assert all(map(math.isfinite, values))
    ratio, lower, upper, effect, baseline_s = values
    assert 0 < lower <= ratio <= upper
    assert effect > 0
    assert baseline_s > 0
    assert "nan" not in verdict.detail
    assert "inf " not in verdict.detail
    if verdict.status is Status.OK:
        assert upper <= 1.04 * (1 + 1e-12)
    if verdict.status is Status.REGRESSED:
        assert lower > 1.01
        assert upper > 1.04
    if verdict.status is Status.IMPROVED:
        assert upper < 0.99


@pytest.mark.parametrize("seed", range(150))
def test_no_verdict_is_nan_or_contradicts_itself(seed: int) -> None:
    random = np.random.default_rng(seed)
    scale = 10 ** random.uniform(-12, 12)
    spread = random.choice([0.0, 1e-9, 0.01, 0.3, 5.0])

    def side(most: int, ratio: float) -> list[list[float]]:
        return [
            (scale * ratio * np.exp(spread * random.standard_normal(random.integers(1, 9)))).tolist()
            for _ in range(random.integers(1, most))
        ]

    baseline, candidate = side(12, 1.0), side(4, random.choice([0.1, 0.9, 1.0, 1.07, 1.3, 10.0]))
    assert_sound(compare(baseline, candidate, DecisionSettings.for_device(random.choice(["cpu", "cuda"]))))


@pytest.mark.parametrize(
    ("baseline", "candidate"),
    [
        ([[1e-300]], [[1e300]]),
        ([[1e300]] * 3, [[1e-300]]),
        ([[5e-324] * 3] * 4, [[5e-324]]),
        ([[1e-300], [1e300], [1.0]], [[1.0], [1e300]]),
    ],
)
def test_extreme_numbers_stay_finite(baseline: list[list[float]], candidate: list[list[float]]) -> None:
    assert all(map(math.isfinite, figures(compare(baseline, candidate))))


def test_confidence_next_to_one_stays_finite() -> None:
    verdict = compare(GOOD, GOOD, DecisionSettings(confidence=1 - 2**-53))

    assert all(map(math.isfinite, figures(verdict)))


def test_zero_variance_and_one_sample_are_no_certainty() -> None:
    verdict = compare([[1.0]] * 5, [[1.0]])

    assert verdict.ratio == 1
    assert verdict.interval is not None
    assert verdict.interval[0] < 0.98
    assert verdict.interval[1] > 1.02


def test_no_interval_is_narrower_than_the_clock() -> None:
    coarse = DecisionSettings(prior_sd=1e-6, prior_df=100, clock_resolution_s=0.1)
    fine = DecisionSettings(prior_sd=1e-6, prior_df=100, clock_resolution_s=1e-9)

    assert compare([[1.0]] * 9, [[1.06]], fine).status is Status.REGRESSED
    assert compare([[1.0]] * 9, [[1.06]], coarse).status is Status.INCONCLUSIVE


def test_a_million_samples() -> None:
    samples = np.exp(0.01 * np.random.default_rng(1).standard_normal(1_000_000))

    verdict = compare([samples.tolist()], [(2 * samples).tolist()])

    assert verdict.ratio == pytest.approx(2)
    assert verdict.status is Status.REGRESSED


def test_order_of_sessions_and_samples_does_not_matter() -> None:
    baseline = [[1.0, 1.3, 1.1], [0.9, 1.0], [1.2]]
    shuffled = [[1.2], [1.0, 0.9], [1.1, 1.0, 1.3]]

    one, other = compare(baseline, [[1.1, 1.4]]), compare(shuffled, [[1.4, 1.1]])

    assert figures(one) == pytest.approx(figures(other))
    assert one.status is other.status


def test_unit_of_time_does_not_matter() -> None:
    baseline, candidate = [[1.0, 1.3, 1.1], [0.9, 1.0], [1.2]], [[1.5, 1.4]]
    thousandfold = [[1000 * value for value in session] for session in baseline]

    one = compare(baseline, candidate)
    other = compare(thousandfold, [[1000 * value for value in candidate[0]]])

    assert figures(one)[:4] == pytest.approx(figures(other)[:4])


def test_importing_the_room_is_cheap() -> None:
    code = (
        "import sys, perfsuite.decision; "
        "sys.exit(', '.join({'numpy', 'scipy', 'torch', 'pytest'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
