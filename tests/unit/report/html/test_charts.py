"""Where things are drawn."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from sample_runs import quality, result, session, verdict

from perfsuite.records import Deviation, DriftCurve, Numbers, PictureStatus, Status
from perfsuite.report.html import charts
from perfsuite.report.html.ladder import ladder
from perfsuite.report.html.numbers import looks
from perfsuite.report.html.overview import row


def test_an_axis_has_round_ticks():
    axis = charts.Axis(0.0, 0.7)
    assert [t.text for t in axis.ticks()] == ["0 ms", "200 ms", "400 ms", "600 ms"]
    assert [t.x for t in axis.ticks()] == [0.0, 28.57, 57.14, 85.71]
    assert charts.Axis(1.0, 1.0).ticks() == [charts.Tick(50.0, "1 s")]


def test_what_lies_beyond_is_on_the_edge():
    axis = charts.Axis(-0.1, 0.1)
    assert (axis.at(-5), axis.at(0), axis.at(5)) == (0.0, 50.0, 100.0)


def test_all_samples_are_drawn_on_one_scale():
    """This run's above the baseline's, the newest first."""
    now = replace(session("now", 0.5), latency_s=(0.5, 0.6, 0.7))
    before = [replace(session(f"b{i}", 0.5), latency_s=(0.4 + i / 10,), date=f"day {i}") for i in range(2)]
    axis, rows = charts.strips(now, before, str)
    assert [r.label for r in rows] == ["this run", "day 1", "day 0"]
    assert [r.path.count("M") for r in rows] == [3, 1, 1]
    assert rows[0].median == axis.at(0.6)
    assert (
        rows[1].median == rows[0].median - 100 * 0.1 / (axis.high - axis.low)
        or rows[1].median < rows[0].median
    )
    assert rows[2].text == "400 ms, n=1"


def test_throttled_calls_are_apart():
    now = replace(session("now", 0.5), latency_s=(0.5,), throttled_s=(0.9, 1.0))
    assert [r.kind for r in charts.strips(now, [], str)[1]] == ["now", "throttled"]
    beside = replace(now, contended_s=(0.7,))
    assert [r.label for r in charts.strips(beside, [], str)[1]] == [
        "this run", "throttled, not counted", "contended, not counted"
    ]  # fmt: skip
    # Where all calls were throttled, they are the samples.
    both = replace(now, latency_s=(0.9, 1.0))
    assert [r.kind for r in charts.strips(both, [], str)[1]] == ["now"]


def test_stages_fill_the_bar():
    parts = charts.stack(session("s", 1.0).stages)
    assert [p.kind for p in parts] == ["text", "unet", "vae", "rest"]
    assert sum(p.width for p in parts) == pytest.approx(100, abs=0.05)
    assert parts[1].x == parts[0].width


def curve(variant, budget=()):
    return DriftCurve("p", tuple(range(len(variant))), tuple(variant), (), tuple(budget))


def test_drift_is_logarithmic_and_broken_by_nan():
    """And the words say what the line cannot."""
    (found,) = charts.drift([curve([0.001, None, 0.1, 0.01], [0.05] * 4)])
    budget, variant = found.lines
    assert (budget.kind, variant.kind) == ("budget", "variant")
    assert re.findall("[ML]", variant.path) == ["M", "M", "L"]
    ys = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", variant.path)]
    assert ys == [100.0, 0.0, 50.0]
    assert (found.top, found.bottom) == ("0.1", "0.001")
    assert "2 of n=4 steps above the budget, first step 1" in found.summary
    assert "NaN or Inf at 1 steps" in found.summary


def test_no_drift_is_said_and_not_drawn():
    (found,) = charts.drift([curve([0.0, 0.0])])
    assert found.lines == ()
    assert "no drift" in found.summary


def test_errors_are_drawn_in_multiples_of_their_budget():
    """The worst of each place, in the order of a generation; an infinite one fills the bar."""
    errors = (
        Deviation("vae, prompt 0", 0.01, 0.01, 0.02),
        Deviation("unet, step 1, prompt 0", 0.02, 0.01, 0.02),
        Deviation("unet, step 2, prompt 0", 0.06, 0.01, 0.02),
        Deviation("loop.calls, prompt 0", None, 0.0, 1e-9),
    )
    found = looks(quality(PictureStatus.DEGRADED), Numbers((), {"components": errors}))[0]
    assert [(r.name, r.count, r.beyond) for r in found.rows] == [
        ("vae", 1, False), ("unet", 2, True), ("loop.calls", 1, True),
    ]  # fmt: skip
    vae, unet, calls = found.rows
    assert unet.at == "step 2, prompt 0"
    assert found.budget == 25.0
    assert (vae.width, unet.width, calls.width) == (12.5, 75.0, 100.0)
    assert vae.honest == 12.5
    assert (unet.share, calls.share) == ("3.00x", "∞")
    assert "NaN, Inf or another shape" in calls.text
    assert "4 of n=12 errors" in found.left_out


def test_without_kept_numbers_first_and_worst_are_drawn():
    components = looks(quality(PictureStatus.DEGRADED), Numbers())[0]
    assert [r.name for r in components.rows] == ["unet"]


def test_what_a_change_is_relative_to_is_said():
    """Seconds beside it may tell another story."""
    one = result("bf16", verdict=verdict(ratio=1.2, basis="relative to fp32"))
    found = ladder([one], ["a"], "shapes")
    assert found is not None
    assert (
        found.rungs[0].moved.sure == "95 % interval +17.0 to +23.0 %, relative to fp32, baseline n=3 sessions"
    )
    assert row(one, "a", [one]).cells[2].small == "+17.0 to +23.0 %, relative to fp32"


def test_the_ladder_has_speedups_intervals_and_baselines():
    results = [result("fp32", 0.8), result("bf16", 0.4, verdict=verdict(Status.INCONCLUSIVE, 1.2,
               interval=(0.5, 3.0)))]  # fmt: skip
    found = ladder(results, ["a", "b"], "shapes")
    assert found is not None
    fp32, bf16 = found.rungs
    assert bf16.speedup.startswith("2.0")
    assert fp32.latency > bf16.latency
    assert bf16.low <= bf16.latency <= bf16.high
    assert bf16.moved is not None
    assert bf16.moved.beyond
    assert not fp32.moved.beyond
    assert fp32.moved.low < fp32.moved.at < fp32.moved.high
    assert found.zero == 50.0
    assert [t.text for t in found.changes] == ["-100 %", "0 %", "+100 %"]
    assert ladder(results, ["a", "b"], "other") is None
