"""What is not there is an alert of its own, after as many nights as the device's own cadence wants."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_nights import COUNT, LATENCY, night, run

from perfsuite.records import Absence, Outcome
from perfsuite.tracking.absences import NO_RUN, RAN_NOTHING, absences

COMPILE = replace(LATENCY, metric="compile, cold")
WEEKDAYS = [i for i in range(2, 41) if i % 7 not in (0, 1)]  # night 2 is a Monday
DAILY = list(range(1, 11))


def away(nights: list[int], on: int, device: str = "h100") -> list[int]:
    """Nights without a run, as alarmed."""
    return [a.nights for a in absences([run(i, device) for i in nights], {}, night(on)) if a.what == NO_RUN]


@pytest.mark.parametrize(
    ("nights", "on", "said"),
    [
        (DAILY, 10, []),
        (DAILY, 11, []),
        (DAILY, 12, [2]),
        (DAILY, 13, [3]),
        (DAILY, 90, []),  # it is history
        ([1, 8, 15, 22], 35, []),  # weekly
        ([1, 8, 15, 22], 36, [2]),
        (WEEKDAYS, 42, []),  # ended on Friday 40; Sunday
        (WEEKDAYS, 43, []),  # Monday, whose run may be to come
        (WEEKDAYS, 44, [4]),
        ([1], 30, []),  # one night is no cadence
        ([1, 2], 30, []),
    ],
)
def test_nights_without_a_run(nights: list[int], on: int, said: list[int]) -> None:
    assert away(nights, on) == said


def test_one_device_is_away_while_others_run() -> None:
    runs = [run(i, device) for i in range(1, 9) for device in ("h100", "cpu") if device == "cpu" or i < 6]
    assert absences(runs, {}, night(8)) == (Absence("h100", NO_RUN, night(5), 3),)


def test_runs_that_measured_nothing() -> None:
    outcomes = [Outcome.COMPLETE, Outcome.PARTIAL, Outcome.NOTHING, Outcome.NOTHING]
    runs = [run(i, outcome=outcome) for i, outcome in enumerate(outcomes, 1)]
    assert absences(runs[:3], {}, night(3)) == ()
    assert absences(runs, {}, night(4)) == (Absence("h100", RAN_NOTHING, night(2), 2),)


def test_two_runs_of_a_night_of_which_one_worked() -> None:
    runs = [run(i, outcome=outcome) for i in (1, 2, 3) for outcome in (Outcome.NOTHING, Outcome.COMPLETE)]
    assert absences(runs, {}, night(3)) == ()


def test_a_series_that_stopped() -> None:
    runs = [run(i) for i in DAILY]
    last = {LATENCY: night(8), replace(LATENCY, metric="peak memory"): night(10)}
    assert absences(runs, last, night(10)) == (Absence("h100", LATENCY.name, night(8), 2),)
    assert absences(runs[:9], last, night(9)) == ()


def test_nights_on_which_nothing_ran_stop_no_series() -> None:
    runs = [run(i, outcome=Outcome.NOTHING if i > 8 else Outcome.COMPLETE) for i in DAILY]
    assert [a.what for a in absences(runs, {LATENCY: night(8)}, night(10))] == [RAN_NOTHING]


def test_a_variant_that_stopped_is_one_absence() -> None:
    runs = [run(i) for i in DAILY]
    other = replace(LATENCY, variant="fp32")
    last = {LATENCY: night(7), COUNT: night(7), COMPILE: night(6), other: night(10)}
    assert absences(runs, last, night(10)) == (Absence("h100", "bf16-sdpa, sdxl on h100", night(7), 3),)


@pytest.mark.parametrize(
    ("gone", "instead"),
    [
        (LATENCY, replace(LATENCY, protocol="p2")),
        (COMPILE, replace(COMPILE, metric="compile, warm")),
        (COUNT, replace(COUNT, metric="operators: aten.copy_")),
    ],
)
def test_another_in_its_place(gone: object, instead: object) -> None:
    assert absences([run(i) for i in DAILY], {gone: night(5), instead: night(10)}, night(10)) == ()


def test_more_patience() -> None:
    assert absences([run(i) for i in DAILY], {}, night(13), least=4) == ()
