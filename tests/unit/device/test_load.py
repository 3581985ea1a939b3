"""Whether others took cores that a session's threads needed, from recorded counters; no time passes."""

import pytest

from perfsuite.device.load import Needs, Reading, others, wait_until_quiet


def readings(*cores: float, step: float = 0.5, own: float = 2.0) -> list[Reading]:
    """Counters before and after stretches during which others kept so many cores busy."""
    found = [Reading(0.0, 0.0, 0.0)]
    for busy in cores:
        last = found[-1]
        found.append(Reading(last.at + step, last.every + step * (busy + own), last.own + step * own))
    return found


def test_cores_of_others_are_all_that_is_busy_less_ones_own() -> None:
    before, after = readings(0.75)
    assert others(before, after) == pytest.approx(0.75)


def test_cores_to_spare_are_no_contention() -> None:
    """Eight threads on sixteen cores leave eight to others."""
    before, after = readings(8.0)
    assert Needs(8, 16).contention(before, after) == 0
    assert Needs(10, 16).contention(before, after) == pytest.approx(2.0)
    assert Needs(2, 2).contention(before, after) == pytest.approx(8.0)


def test_contended_stretches_are_named_by_their_place() -> None:
    assert Needs(2, 2).contended(readings(0.05, 1.0, 0.1, 0.3, 0.2)) == [1, 3]
    assert Needs(2, 2).contended(readings(0.0, 0.0)) == []
    assert Needs(2, 2).contended([]) == []


def test_a_stretch_too_short_to_be_judged_is_judged_with_its_neighbours() -> None:
    """A hundredth of a second of the kernel's counting is a whole core of a stretch that short."""
    ticks = readings(*[1.0, 0.0, 0.0, 0.0] * 5, step=0.01)
    assert Needs(2, 2).contended(ticks) == []
    busy = readings(*[1.0] * 20, *[0.0] * 60, step=0.01)
    found = Needs(2, 2).contended(busy)
    assert found[:15] == list(range(15))
    assert max(found) < 20


@pytest.mark.parametrize(
    ("cores", "quiet", "waited"),
    [
        ([0.0, 0.0], True, 1.0),
        ([1.0, 1.0, 0.0, 1.0, 0.0, 0.0], True, 3.0),
        ([1.0] * 40, False, 10.0),
        ([0.0, 1.0] * 20, False, 10.0),
    ],
)
def test_it_waits_for_a_second_of_quiet_and_not_for_ever(
    cores: list[float], quiet: bool, waited: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfsuite.device.load.cores", lambda: 2)
    counters = iter(readings(*cores, own=0.0))
    slept: list[float] = []
    found = wait_until_quiet(2, 10.0, reader=lambda: next(counters), sleep=slept.append)
    assert found == (quiet, pytest.approx(waited))
    assert sum(slept) == pytest.approx(waited)
