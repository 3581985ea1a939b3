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


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        ([], None),
        ([("CPU", 0.0, 9e6, False)], None),
        ([("CUDA", 0.0, 4e5, False), ("CUDA", 0.0, 9e5, True), ("CPU", 0.0, 9e5, False)], (1, 0.4)),
    ],
)
def test_only_kernels_count_and_none_at_all_is_no_answer(
    events: list[tuple[str, float, float, bool]],
    wanted: tuple[int, float] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ranges that the host marks are no work; a profiler that saw nothing has not seen an idle GPU."""
    import torch.profiler

    from perfsuite.measuring import profiling

    class Recorded:
        def __init__(self, activities: Any) -> None:
            pass

        def __enter__(self) -> "Recorded":
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def events(self) -> list[SimpleNamespace]:
            return [
                SimpleNamespace(
                    device_type=SimpleNamespace(name=kind),
                    time_range=SimpleNamespace(start=start, end=end),
                    is_user_annotation=marked,
                )
                for kind, start, end, marked in events
            ]

    clock = iter([0.0, 1.0, 2.0])
    monkeypatch.setattr(torch.profiler, "profile", Recorded)
    monkeypatch.setattr(profiling, "now", lambda: next(clock))
    prepared: Any = SimpleNamespace(
        context=SimpleNamespace(device=SimpleNamespace(kind="cuda")), generate=lambda: None
    )
    found = profile(prepared)
    assert (None if found is None else (found.kernels, found.busy_s)) == wanted
