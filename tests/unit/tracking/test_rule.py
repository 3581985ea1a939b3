"""The evaluation with the rule that counts: one step is one change, noise is none, and nothing flickers."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from made_nights import COUNT, LATENCY, night, points, run

from perfsuite.records import Change, Decision, NightRun, Point, State
from perfsuite.tracking.life import states
from perfsuite.tracking.life.evaluate import Evidence, evaluate
from perfsuite.tracking.rule import Standard

if TYPE_CHECKING:
    from collections.abc import Collection

NIGHTS = 44
AROUND = {"cuda": "12.8"}


def gpu_runs() -> list[NightRun]:
    runs = [run(i) for i in range(1, NIGHTS + 1)]
    return [replace(r, environment=replace(r.environment, surroundings=AROUND)) for r in runs]


def noisy(seed: int, slow: Collection[int]) -> list[Point]:
    """Nights with noise of .8 %, of which each resembles the one before a little; some are 6 % slow."""
    draw, before = random.Random(seed), 0.0
    found = []
    for i in range(1, NIGHTS + 1):
        before = 0.2 * before + draw.gauss(0, 0.008)
        value = math.exp(before) * (1.06 if i in slow else 1.0)
        found.append(Point(night(i), f"run{i}", value, 0.003))
    return found


def followed(values: list[Point]) -> list[tuple[Change, ...]]:
    """The changes after each night; the second evaluation of each is the first."""
    runs, changes, found = gpu_runs(), (), []
    rule = Standard(runs)
    for i in range(1, NIGHTS + 1):
        for again in (False, True):
            evidence = Evidence([(LATENCY, values)], changes=changes, runs=runs[:i])
            now = evaluate(evidence, night(i), rule)
            assert not again or now == changes
            changes = now
        found.append(changes)
    return found


@pytest.mark.parametrize("seed", range(2))
def test_noise_is_no_change(seed: int) -> None:
    assert followed(noisy(seed, range(0)))[-1] == ()


@pytest.mark.parametrize("seed", range(2))
def test_a_step_is_one_change(seed: int) -> None:
    history = followed(noisy(seed, range(20, NIGHTS + 1)))
    (change,) = history[-1]
    assert (change.state, change.worse) == (State.NOMINATED, True)
    assert night(19) <= change.nomination.first_bad <= night(21)
    assert change.nominated <= night(25)


@pytest.mark.parametrize("seed", range(2))
def test_a_step_that_goes_recovers_and_returns(seed: int) -> None:
    slow = [*range(12, 22), *range(32, NIGHTS + 1)]
    history = followed(noisy(seed, slow))
    ids = {change.id for changes in history for change in changes if change.worse}
    assert len(ids) == 1
    states = [next((c.state for c in changes if c.worse), None) for changes in history]
    assert states[29] is State.RECOVERED
    assert states[-1] is State.NOMINATED


def test_what_comes_soon_after_an_accepted_step_is_found() -> None:
    """And what was accepted is not found again."""
    values = noisy(1, range(12, NIGHTS + 1))
    worse = [replace(p, value=1.2 * p.value) if p.night >= night(16) else p for p in values]
    runs, changes = gpu_runs(), ()
    for i in range(1, 31):
        changes = evaluate(
            Evidence([(LATENCY, worse)], changes=changes, runs=runs[:i]), night(i), Standard(runs)
        )
        if i == 15:
            (change,) = changes
            said = Decision(change.id, State.ACCEPTED, "ada", night(i), "worth it")
            changes = (states.decided(change, said, night(i)),)
    accepted, second = changes
    assert (accepted.state, second.state) == (State.ACCEPTED, State.NOMINATED)
    assert second.nomination.first_bad == night(16)


def test_what_is_counted_and_what_has_no_logarithm() -> None:
    rule = Standard([])
    (change,) = rule.nominations(COUNT, points([0.0, 0.0, 3.0]), [], [])
    assert (change.first_bad, change.after) == (night(3), 3.0)
    assert rule.levels(LATENCY, points([0.0, 1.0, 1.0]), [])[0].first == night(2)


def test_levels_begin_anew_with_an_epoch() -> None:
    levels = Standard(gpu_runs()).levels(LATENCY, points([1.0] * 8), [night(1), night(5), night(30)])
    assert [(level.first, level.last) for level in levels] == [(night(1), night(4)), (night(5), night(8))]
