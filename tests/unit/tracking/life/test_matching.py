"""One step is one change, however often and wherever it is seen; two are two."""

from __future__ import annotations

from dataclasses import replace

from made_nights import COUNT, LATENCY, night, step

from perfsuite.records import Change, Nomination, Shape, State
from perfsuite.tracking.life.evaluate import change_id
from perfsuite.tracking.life.matching import covers, matched, overlap

NIGHTS = [night(i) for i in range(1, 41)]


def change(nomination: Nomination, state: State = State.NOMINATED, id: str = "one") -> Change:
    return Change(id, LATENCY, nomination, state, True, night(20), night(20))


def test_its_place_may_move_a_little() -> None:
    known, seen = change(step(9, 10, 1.0, 1.1)), step(11, 12, 1.0, 1.1)
    assert matched([known], [seen], NIGHTS) == ({"one": seen}, [])


def test_not_far() -> None:
    known, seen = change(step(9, 10, 1.0, 1.1)), step(19, 20, 1.0, 1.1)
    assert matched([known], [seen], NIGHTS) == ({}, [seen])


def test_nights_without_a_figure_do_not_count() -> None:
    known, seen = change(step(9, 10, 1.0, 1.1)), step(30, 31, 1.0, 1.1)
    assert matched([known], [seen], [*NIGHTS[:10], *NIGHTS[29:]])[0] == {"one": seen}


def test_another_direction_is_another() -> None:
    known, seen = change(step(9, 10, 1.0, 1.1)), step(9, 10, 1.1, 1.0)
    assert matched([known], [seen], NIGHTS) == ({}, [seen])


def test_the_nearest_find_each_other() -> None:
    known = [change(step(9, 10, 1.0, 1.1), id="a"), change(step(12, 13, 1.1, 1.2), id="b")]
    seen = [step(10, 11, 1.0, 1.1), step(13, 14, 1.1, 1.2), step(16, 17, 1.2, 1.3)]
    assert matched(known, seen, NIGHTS) == ({"a": seen[0], "b": seen[1]}, [seen[2]])


def test_much_more_than_was_accepted_is_another() -> None:
    known, seen = step(9, 10, 1.0, 1.05), step(10, 11, 1.0, 1.2)
    assert matched([change(known, State.ACCEPTED)], [seen], NIGHTS) == ({}, [seen])
    assert matched([change(known, State.CONFIRMED)], [seen], NIGHTS)[1] == []


def test_a_slow_change_goes_on_after_it_was_accepted() -> None:
    known = change(step(10, 30, 1.0, 1.1, Shape.DRIFT), State.ACCEPTED)
    seen = step(30, 45, 1.1, 1.2, Shape.DRIFT)
    assert matched([known], [seen], NIGHTS) == ({}, [seen])


def test_a_slow_change_is_none_beside_its_own_step() -> None:
    slow = step(5, 30, 1.0, 1.1, Shape.DRIFT)
    assert covers(change(step(9, 10, 1.0, 1.1)), slow)
    assert not covers(change(step(9, 10, 1.0, 1.1), State.RECOVERED), slow)
    assert not covers(change(step(9, 10, 1.0, 1.02), State.ACCEPTED), slow)
    assert not covers(change(step(9, 10, 1.0, 1.1)), step(9, 10, 1.0, 1.1))


def test_intervals_begin_after_the_last_good_night() -> None:
    assert not overlap(step(6, 7, 1.0, 1.1), step(7, 8, 1.0, 1.1))
    assert overlap(step(6, 8, 1.0, 1.1), step(7, 9, 1.0, 1.1))
    assert overlap(step(7, 7, 1.0, 1.1), step(6, 7, 1.0, 1.1))


def test_ids_are_stable_and_never_shared() -> None:
    seen = step(9, 10, 1.0, 1.1)
    first = change_id(LATENCY, seen, set())
    assert first == "673f99a875" == change_id(LATENCY, replace(seen, before=1.01), set())
    others = {
        change_id(LATENCY, seen, {first}), change_id(COUNT, seen, set()),
        change_id(LATENCY, step(9, 10, 1.1, 1.0), set()), change_id(LATENCY, step(10, 11, 1.0, 1.1), set()),
    }  # fmt: skip
    assert len(others | {first}) == 5
