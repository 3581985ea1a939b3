"""Where things are drawn."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from overviews import by_metric, night

from perfsuite.records import HistoryEvent
from perfsuite.report.tracking import chart
from perfsuite.report.tracking.chart import HEIGHT, Days, letter, scale


@pytest.mark.parametrize(
    ("values", "unit", "labels"),
    [
        ((0.5002, 0.5006), "s", ["500.6 ms", "500.2 ms"]),
        ((2.3, 2.5), "s", ["2.5 s", "2.3 s"]),
        ((5 * 2**30, 9 * 2**30), "bytes", ["8 GiB", "6 GiB"]),
        ((3.0, 3.0), "count", ["3.1", "2.9"]),
        ((0.0, 0.0), "count", ["1", "-1"]),
        ((0.1 + 0.2, 0.3), "ratio", ["0.3", "0.31"]),
        ((1e12, 1e12 + 2), "FLOP", ["1000000000000 FLOP", "1000000000002 FLOP"]),
        ((1e13, 2e13), "FLOP", ["20000000000000 FLOP"]),
    ],
)
def test_labels_tell_values_apart_in_a_unit_that_is_read(values, unit, labels):
    found = [tick.text for tick in scale(values, unit).ticks()]
    assert len(set(found)) == len(found) >= 3
    assert set(labels) <= set(found)


def test_what_is_far_from_all_others_does_not_flatten_them():
    """It lies on the edge."""
    found = scale([*(1.0 + 0.01 * (i % 5) for i in range(40)), 50.0], "ratio")
    assert not found.holds(50.0)
    assert found.y(50.0) == 0.0
    assert found.y(1.0) - found.y(1.04) > HEIGHT / 6
    assert scale([1.0, 1.01, 50.0], "ratio").holds(50.0)  # of three nobody knows which is odd


def test_what_is_no_number_lies_at_the_lower_edge():
    assert scale([1.0, 2.0], "s").y(math.nan) == HEIGHT


def test_nights_lie_in_order_and_have_few_labels():
    days = Days("2026-01-01", "2026-12-31")
    places = [days.x(each) for each in ("2025-12-01", "2026-01-01", "2026-06-01", "2026-12-31", "2027-03-01")]
    assert places == sorted(places)
    assert places[0] == 0.0
    assert places[-1] == 100.0
    for last, most in (
        ("2026-01-01", 1),
        ("2026-01-02", 2),
        ("2026-03-01", 4),
        ("2026-12-31", 4),
        ("2036-01-01", 4),
    ):
        assert 1 <= len(Days("2026-01-01", last).ticks()) <= most


def test_flags_of_nearby_nights_lie_below_each_other(history):
    one = by_metric(history)["h100-80gb", "bf16-sdpa-compile", "latency"]
    events = [HistoryEvent("h100-80gb", night(n), "other", "x") for n in (10, 43, 45)]
    found = chart.chart(replace(one, epochs=tuple(events)), [(one.changes[0], "page")], history.night)
    assert [(flag.sign, flag.y, flag.kind) for flag in found.flags] == [
        ("1", 0, "event"), ("2", 0, "event"), ("A", chart.LANE, "worse"), ("3", 2 * chart.LANE, "event"),
    ]  # fmt: skip
    assert found.lanes == 3 * chart.LANE
    assert found.flags[2].start < found.flags[2].x


def test_levels_and_points_lie_on_one_scale(history):
    one = by_metric(history)["h100-80gb", "bf16-sdpa-compile", "latency"]
    found = chart.chart(one, [], history.night)
    before, after = found.levels
    assert after.y < after.bottom < before.y  # slower is higher
    assert after.top < after.y
    assert sum(dot.y > before.y - 40 for dot in found.dots[:40]) > 35
    assert found.intervals.count("M") == len(found.dots)


def test_a_sparkline_shows_its_nights_alone(history):
    one = by_metric(history)["h100-80gb", "bf16-sdpa-compile", "latency"]
    found = chart.spark(one, night(30), history.night, one.changes[0])
    assert found.line.count("L") == 29
    assert 40 < found.mark < 60
    assert chart.spark(one, night(50), history.night, one.changes[0]).mark is None
    assert chart.spark(replace(one, points=()), night(50), history.night, None) == chart.Spark("", "", None)


def test_noise_looks_like_none_in_a_sparkline(history):
    """Half a per cent of noise keeps to the middle."""
    one = by_metric(history)["h100-80gb", "fp32", "peak memory"]
    line = chart.spark(one, night(0), history.night, None).line
    heights = [float(place.split(" ")[1]) for place in line[1:].split("L")]
    assert max(heights) - min(heights) < chart.SPARK_HEIGHT / 3


def test_letters_go_on_behind_z():
    assert [letter(n) for n in (0, 25, 26, 51, 52)] == ["A", "Z", "AA", "AZ", "BA"]


def test_a_count_has_a_line_and_what_is_measured_has_none(history):
    """Between two of its nights a count was as on both."""
    of = by_metric(history)
    counted = of["h100-80gb", "bf16-sdpa-compile", "operators: aten.clone in BasicTransformerBlock"]
    found = chart.chart(counted, [], history.night)
    assert [found.line.count(letter) for letter in "ML"] == [1, 3]
    assert chart.chart(of["h100-80gb", "bf16", "latency"], [], history.night).line == ""
