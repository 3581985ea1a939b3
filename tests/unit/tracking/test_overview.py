"""What is said of a whole history on one night."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_nights import COUNT, LATENCY, Stairs, Team, night, points, run, step

from perfsuite.records import Change, HistoryEvent, State
from perfsuite.tracking.overview import exit_code, is_one_sided, night_of, overview, tracked


def change(on: int, state: State = State.CONFIRMED, worse: bool = True, **of: object) -> Change:
    series = replace(LATENCY, **of)
    after = 1.1 if worse else 0.9
    id = f"{on}{series.variant}{worse}"
    return Change(id, series, step(on - 1, on, 1.0, after), state, worse, night(on), night(on))


@pytest.mark.parametrize(
    ("changes", "last_run", "code"),
    [
        ([], 10, 0),
        ([change(5)], 10, 1),
        ([change(5, State.FOUND), change(8, State.NOMINATED)], 5, 1),
        ([change(5, State.UNCONFIRMED)], 10, 3),
        ([change(5, State.ACKNOWLEDGED), change(5, State.IGNORED, variant="fp32")], 10, 0),
        ([change(5, worse=False)], 10, 0),
        ([change(5, State.DRIFTED)], 10, 0),
        ([], 7, 3),
    ],
)
def test_what_a_cron_job_ends_with(changes: list[Change], last_run: int, code: int) -> None:
    runs = [run(i) for i in range(1, last_run + 1)]
    assert exit_code(overview(night(10), runs, {LATENCY: night(last_run)}, changes)) == code


def test_a_group_is_one_finding_of_the_last_nights() -> None:
    changes = [
        change(100), change(100, variant="fp32"), change(70), change(60, worse=False), change(5),
        replace(change(90), series=COUNT),
    ]  # fmt: skip
    found = overview(night(101), [], {}, changes)
    assert (found.worse, found.better) == (2, 1)


def test_findings_that_all_point_one_way() -> None:
    assert is_one_sided(10, 0)
    assert not is_one_sided(9, 0)
    assert not is_one_sided(10, 3)
    assert not is_one_sided(0, 0)


@pytest.mark.parametrize(
    ("latest", "today", "meant"), [(10, 10, 10), (9, 10, 9), (5, 10, 9), (12, 10, 10), (0, 10, 9)]
)
def test_the_night_that_is_meant(latest: int, today: int, meant: int) -> None:
    """Today's run may be still to come, and no clock that was ahead makes a night of the future."""
    runs = [run(i) for i in range(1, latest + 1)]
    assert night_of(runs, night(today)) == night(meant)


def test_later_runs_take_no_part() -> None:
    assert len(overview(night(3), [run(i) for i in range(1, 9)], {}, []).runs) == 3


def test_series_as_they_are_drawn() -> None:
    values = [1.0] * 6 + [1.2] * 6
    driver = HistoryEvent("h100", night(3), "driver", "570 -> 580")
    other = HistoryEvent("h100", night(4), "protocol", "another", workload="shapes")
    changes = Team({LATENCY: values}).nights(1, 12)
    history = [(LATENCY, points(values)), (COUNT, points([3.0] * 12))]
    count, latency = sorted(tracked(history, [driver, other], changes, Stairs()), key=lambda t: t.series.unit)
    assert (count.levels, count.changes, len(count.points)) == ((), (), 12)
    assert [level.first for level in latency.levels] == [night(1), night(3), night(7)]
    assert (latency.epochs, latency.changes) == ((driver,), changes)
