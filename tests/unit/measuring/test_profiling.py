"""The GPU's busy time is the union of what ran; the profiler itself needs a GPU."""

from types import SimpleNamespace
from typing import Any

import pytest

from perfsuite.measuring.profiling import covered, hottest, profile
from perfsuite.records import Hot, Profile


@pytest.mark.parametrize(
    ("spans", "length"),
    [
        ([], 0.0),
        ([(1.0, 2.0)], 1.0),
        ([(1.0, 2.0), (3.0, 5.0)], 3.0),
        ([(1.0, 4.0), (2.0, 3.0)], 3.0),
        ([(3.0, 5.0), (1.0, 4.0), (2.0, 3.5)], 4.0),
        ([(1.0, 2.0), (2.0, 3.0)], 2.0),
    ],
)
def test_overlapping_spans_count_once(spans: list[tuple[float, float]], length: float) -> None:
    assert covered(spans) == pytest.approx(length)


def test_a_cpu_is_not_profiled() -> None:
    prepared: Any = SimpleNamespace(context=SimpleNamespace(device=SimpleNamespace(kind="cpu")))

    assert profile(prepared) is None


@pytest.mark.parametrize(("busy_s", "bound"), [(0.95, False), (0.9, False), (0.89, True), (0.0, True)])
def test_host_bound_below_nine_tenths(busy_s: float, bound: bool) -> None:
    assert Profile(kernels=10, busy_s=busy_s, wall_s=1.0).host_bound is bound


def test_the_hottest_are_kept_and_all_others_are_one() -> None:
    found = {"a": Hot(1, 0.1), "b": Hot(2, 0.3), "c": Hot(3, 0.2), "d": Hot(4, 0.05)}

    assert list(hottest(found, most=2).items()) == [
        ("b", Hot(2, 0.3)),
        ("c", Hot(3, 0.2)),
        ("(all others)", Hot(5, pytest.approx(0.15))),
    ]
    assert hottest(found, most=4) == found
    assert hottest({}) == {}
