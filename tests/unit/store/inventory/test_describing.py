"""An entry in figures, and devices by their name."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from perfsuite.pipelines.variants import UnknownNameError
from perfsuite.records import Session
from perfsuite.store import BaselineFile, Baselines
from perfsuite.store.inventory import age_days, describe, find, load_all

Write = Callable[..., BaselineFile]
Make = Callable[..., Session]
NOW = datetime(2025, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "days"),
    [
        ("2025-02-27T00:00:00+00:00", 2.0),
        ("2025-02-28T12:00:00", 0.5),
        ("2025-03-01T02:00:00+02:00", 0.0),
        ("yesterday", None),
        ("", None),
    ],
)
def test_age(date: str, days: float | None) -> None:
    """A date without a zone is UTC; what is no date has no age."""
    assert age_days(date, NOW) == days


def test_an_entry_in_figures(write: Write, session: Make) -> None:
    """Medians over the sessions, each set of versions with its count, the age of the newest."""
    file = write(
        session(
            "a", 1.0, 0.5, date="2025-01-01", versions={"torch": "1"}, peak_memory_bytes=10, compile_s=4.0
        ),
        session("b", 1.2, 0.51, date="2025-02-27", versions={"torch": "2"}, peak_memory_bytes=30),
        session(
            "c", 1.1, 0.52, date="2025-01-03", versions={"torch": "2"}, peak_memory_bytes=20, compile_s=6.0
        ),
    )
    found = describe(file.entries["shapes/fp32-sdpa"], "cpu", NOW)
    assert (found.variant, found.spread.sessions, found.spread.median_s) == ("fp32-sdpa", 3, 1.1)
    assert (found.relative, found.reference) == (0.51, "fp32")
    assert (found.peak_memory_bytes, found.compile_s) == (20, 5.0)
    assert (found.oldest, found.newest, found.age_days) == ("2025-01-01", "2025-02-27", 2.0)
    assert found.versions == (({"torch": "2"}, 2), ({"torch": "1"}, 1))
    assert found.spread.effect is not None
    assert found.spread.relative_effect is not None
    assert found.spread.relative_effect < found.spread.effect


def test_an_entry_without_relative_latency(write: Write, session: Make) -> None:
    found = describe(write(session("a")).entries["shapes/fp32-sdpa"], "cpu", NOW)
    assert (found.relative, found.reference, found.compile_s) == (None, None, None)


def test_a_device_by_a_near_name(store: Baselines, write: Write, session: Make) -> None:
    write(session("a"))
    with pytest.raises(UnknownNameError, match="exampel-2t': did you mean 'cpu-example-2t'"):
        find(store, "cpu-exampel-2t")
    with pytest.raises(UnknownNameError, match=r"unknown device '\.\./x'"):
        find(store, "../x")


def test_entries_are_chosen_by_name(store: Baselines, write: Write, session: Make) -> None:
    write(session("a"))
    write(session("b"), variant="fp32")
    write(session("c"), variant="fp32", workload="sdxl-base")

    def keys(*names: list[str]) -> list[str]:
        (device,) = load_all(store, NOW, store.slugs(), *names)
        return [f"{d.workload}/{d.variant}" for d in device.entries]

    assert sorted(keys()) == ["sdxl-base/fp32", "shapes/fp32", "shapes/fp32-sdpa"]
    assert sorted(keys([], ["fp32"])) == ["sdxl-base/fp32", "shapes/fp32"]
    assert keys(["shapes"], ["fp32"]) == ["shapes/fp32"]
    assert keys(["other"]) == []
