"""When each series was last there, measured or counted, from a file and from a server alike."""

from __future__ import annotations

from dataclasses import replace

from nights import counts, measured, night_run
from sample_runs import DEVICE

from perfsuite.records import Series, SeriesKind
from perfsuite.store.history import History

LATENCY = Series(DEVICE.slug, "shapes", "shapes 128x128", "bf16", "latency", "s", SeriesKind.NOISY)
ADDS = replace(LATENCY, metric="operators: aten.add", unit="count", kind=SeriesKind.EXACT)


def test_the_last_night_of_each_series(place: str) -> None:
    """A count that is the same every night is there every night; so is one of nothing."""
    with History.open(place, create=True) as history:
        history.add(night_run(0, measured(), measured("fp32")))
        history.add(night_run(1, measured(), measured("fp32", counts=None)))
        history.add(night_run(2, measured(counts=counts({"aten.mul": 1}))))
        last = history.last_nights("2026-03-31")
        assert last.keys() == set(history.series())
        for series, points in history.all_points():
            assert last[series] == points[-1].night, series.name
    assert (last[LATENCY], last[ADDS]) == ("2026-03-06", "2026-03-06")
    assert last[replace(LATENCY, variant="fp32")] == "2026-03-05"
    assert last[replace(ADDS, variant="fp32")] == "2026-03-04"


def test_until_a_night(place: str) -> None:
    with History.open(place, create=True) as history:
        for i in range(3):
            history.add(night_run(i))
        assert set(history.last_nights("2026-03-05").values()) == {"2026-03-05"}
        assert history.last_nights("2026-03-03") == {}
