"""Steps are nominated at their place, and what is none is not."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy import float64
from numpy.typing import NDArray

from perfsuite.decision.changes import RULE, Prior, changes, nominate, prior_of
from perfsuite.records.history import Nomination, Point, Series, SeriesKind, Shape

SERIES = Series("cpu", "shapes", "1", "bf16", "latency", "s", SeriesKind.NOISY)
PRIOR = Prior(sd=0.02, df=3)
SD = 0.01


def night(i: int) -> str:
    return f"2026-{1 + i // 28:02}-{1 + i % 28:02}"


def points(logs: Sequence[float] | NDArray[float64]) -> list[Point]:
    return [Point(night(i), f"run{i}", math.exp(value)) for i, value in enumerate(logs)]


def noise(seed: int, nights: int = 60, autocorrelation: float = 0.0) -> NDArray[float64]:
    rng = np.random.default_rng(seed)
    fresh = rng.normal(0, SD * math.sqrt(1 - autocorrelation**2), nights + 50)
    for i in range(1, len(fresh)):
        fresh[i] += autocorrelation * fresh[i - 1]
    return fresh[50:]


def ask(those: Sequence[Point], epochs: Sequence[str] = (), accepted: Sequence[str] = ()) -> list[Nomination]:
    return nominate(SERIES, those, epochs, accepted, PRIOR)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("size", "nights"), [(8, 4), (4, 6), (-4, 6), (3, 10)])
def test_step(size: float, nights: int, seed: int) -> None:
    """A step of so many standard deviations is nominated after so many nights, within two of its place."""
    logs = noise(seed)
    logs[-nights:] += size * SD
    (found,) = ask(points(logs))
    assert (found.shape, found.rule) == (Shape.STEP, RULE)
    first = 60 - nights
    assert night(first - 2) <= found.first_bad <= night(first + 2)
    assert found.last_good < found.first_bad
    assert found.interval is not None
    assert found.interval[0] < math.exp(size * SD) < found.interval[1]
    assert found.ratio == pytest.approx(math.exp(size * SD), abs=1.5 * SD)


@pytest.mark.parametrize("size", [10, -10, 1000])
@pytest.mark.parametrize("place", [1, 30, 59])
def test_a_spike_is_no_change(size: float, place: int) -> None:
    """A single night is none, however far off it is, and also if it is the latest."""
    logs = noise(1)
    logs[place] += size * SD
    assert ask(points(logs)) == []


def test_two_spikes_hide_no_step() -> None:
    """They move no level."""
    logs = noise(2)
    logs[-8:] += 5 * SD
    logs[[20, 57]] += 3.0
    (found,) = ask(points(logs))
    assert found.first_bad == night(52)


@pytest.mark.parametrize(("autocorrelation", "most"), [(0.0, 2.0), (0.3, 8.0)])
def test_quiet_series_stay_quiet(autocorrelation: float, most: float) -> None:
    """False nominations in 1000 nights, neighbours alike or not: the upper limit of 95 % is below that."""
    asked = [ask(points(noise(seed, 60, autocorrelation))) for seed in range(100)]
    false = sum(len(found) for found in asked)
    # Each history answers for the 60 nights that may be nominated; Poisson's limit, to the normal's accuracy.
    assert (false + 2 + 2 * math.sqrt(false + 1)) * 1000 / (100 * 60) < most


@pytest.mark.parametrize("nights", range(8))
def test_few_nights(nights: int) -> None:
    """None, one, and up to seven quiet nights: nothing is nominated and nothing fails."""
    assert ask(points(noise(3, nights))) == []


def test_five_nights_are_enough() -> None:
    """A gross step is nominated with three nights before it and two after."""
    (found,) = ask(points([0.0, 0.01, -0.01, 0.4, 0.41]))
    assert (found.last_good, found.first_bad) == (night(2), night(3))


def test_a_constant_series() -> None:
    """No spread at all: not a change, until there is one."""
    assert ask(points([0.0] * 30)) == []
    (found,) = ask(points([0.0] * 25 + [0.2] * 5))
    assert found.first_bad == night(25)


def test_an_event_explains_a_step_and_spread_survives_it() -> None:
    """A level begins with an epoch; the next nights are judged by the spread of those before."""
    logs = noise(4)
    logs[40:] += 0.3
    assert ask(points(logs), epochs=[night(40)]) == []
    logs[-6:] += 5 * SD
    (found,) = ask(points(logs), epochs=[night(40)])
    assert found.first_bad == night(54)
    wide = np.concatenate([noise(5, 40) * 10, 0.5 + np.tile([0.0, 2 * SD], 4)])
    assert ask(points(wide), epochs=[night(40)]) == []


def test_what_was_accepted_is_not_nominated_again() -> None:
    """Nor is what lies next to it."""
    logs = noise(6)
    logs[40:] += 0.1
    assert len(ask(points(logs))) == 1
    assert ask(points(logs), accepted=[night(40)]) == []
    assert ask(points(logs), accepted=[night(42)]) == []


def test_excluded_and_unfit_points_have_no_weight() -> None:
    """As if they were not there."""
    logs = noise(7)
    logs[-6:] += 0.1
    those = points(logs)
    bad = [
        replace(those[30], night=night(30), value=9.0, excluded="throttled"),
        *(replace(those[31], value=value) for value in (math.nan, math.inf, 0.0, -1.0)),
    ]
    assert ask([*those, *bad]) == ask(those)
    assert ask(bad) == []


def test_an_unsure_night_weighs_little() -> None:
    """Two nights that do not know their own value are no level."""
    logs = noise(8)
    logs[-3:] += 0.08
    sure = points(logs)
    assert len(ask(sure)) == 1
    assert ask([*sure[:-3], *(replace(p, error=0.1) for p in sure[-3:])]) == []


@pytest.mark.parametrize(("higher_is_better", "sign"), [(False, 1), (True, -1)])
def test_drift_is_told(higher_is_better: bool, sign: int) -> None:
    """Half a standard deviation a night is nominated, in the direction that is worse, within twenty nights."""
    series = replace(SERIES, higher_is_better=higher_is_better)
    logs = noise(9, 80)
    logs[60:] += sign * 0.5 * SD * np.arange(1, 21)
    told = [n for n in range(62, 81) if nominate(series, points(logs[:n]), (), (), PRIOR)]
    assert told and told[0] <= 75


def test_old_steps_are_not_nominated() -> None:
    """Indexes no longer hold their packages; looking back still names them."""
    logs = noise(10, 150)
    logs[50:] += 0.1
    assert ask(points(logs)) == []
    (found,) = changes(SERIES, points(logs), (), PRIOR)
    assert (found.last_good, found.first_bad) == (night(49), night(50))


def test_two_runs_in_a_night() -> None:
    """The last good night is before the first bad one, even where the change lies between two runs of one."""
    logs = np.array([0.0, 0.01] * 10 + [0.3, 0.31] * 3)
    those = [replace(p, night=night(i // 2 if i < 19 else (i + 1) // 2)) for i, p in enumerate(points(logs))]
    (found,) = ask(those)
    assert found.last_good < found.first_bad


def test_looking_back_is_quiet_where_nobody_would_see_anything() -> None:
    """White noise has no changes."""
    assert [changes(SERIES, points(noise(seed, 200)), (), PRIOR) for seed in range(10)] == [[]] * 10


@pytest.mark.parametrize(
    ("kind", "metric", "sd"),
    [("cpu", "latency", 0.12), ("cpu", "relative latency", 0.025), ("cuda", "latency", 0.025),
     ("tpu", "latency", 0.02), ("cpu", "peak memory", 0.02)],
)  # fmt: skip
def test_prior(kind: str, metric: str, sd: float) -> None:
    """What is believed where nothing was measured."""
    assert prior_of(kind, metric).sd == sd
