"""What speaks against stored sessions is found before a run is held to them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from perfsuite.records import Session
from perfsuite.store import BaselineFile
from perfsuite.store.inventory import check

NOW = datetime(2025, 2, 1, tzinfo=UTC)
Make = Callable[..., Session]
Write = Callable[..., BaselineFile]


def five(session: Make, **changes: Any) -> list[Session]:
    """Sessions that differ by a percent, all of them sound."""
    return [session(f"s{i}", 1 + i / 100, 0.5 * (1 + i / 100), **changes) for i in range(5)]


def said(file: BaselineFile) -> list[tuple[int | None, str]]:
    return [(each.session, each.what) for each in check(file, NOW)]


def test_sound_sessions_have_nothing_against_them(write: Write, session: Make) -> None:
    assert said(write(*five(session))) == []


def test_a_session_far_from_the_others(write: Write, session: Make) -> None:
    """In relative latency; its seconds, of another day, may well be another."""
    found = said(write(*five(session), session("odd", 1.02, 0.3)))
    assert found == [(5, "relative to fp32 -41.2 % from the others")]


def test_one_session_alone_cannot_be_odd(write: Write, session: Make) -> None:
    assert said(write(session("a", 1.0, 0.5), session("b", 1.0, 0.2))) == []


def test_a_session_without_weight_is_named_with_its_reason(write: Write, session: Make) -> None:
    """And is not called odd besides, however far off it is."""
    found = said(write(*five(session), session("bad", 9.0, 0.1, unfit="12 of 12 rounds contended")))
    assert found == [(5, "has no weight: 12 of 12 rounds contended")]


def test_an_entry_of_such_sessions_alone(write: Write, session: Make) -> None:
    found = said(write(*five(session, unfit="not steady")))
    assert found[0] == (None, "no session has a weight: record again")
    assert len(found) == 6


def test_a_session_from_the_future(write: Write, session: Make) -> None:
    found = said(write(session("a", date="2025-02-03T00:00:00+00:00")))
    assert found == [(0, "is from the future")]


def test_a_ratio_that_its_own_seconds_contradict(write: Write, session: Make) -> None:
    """As of a file that somebody edited: half a second beside a float32 of two is no 0.05."""
    sound = session("a", 1.0, 0.5)
    assert sound.relative is not None
    measured = replace(sound, relative=replace(sound.relative, reference_s=(2.0, 2.0, 2.0)))
    edited = replace(measured, id="b", relative=replace(measured.relative, ratio=(0.05, 0.05, 0.05)))
    assert said(write(measured)) == []
    found = said(write(measured, edited))
    assert found == [(1, "its ratio to fp32 means 0.1 s a call, its own calls took 1 s")]


def test_two_modes(write: Write, session: Make) -> None:
    ratios = (0.5, 0.501, 0.499, 0.56, 0.561, 0.559)
    found = said(write(*(session(f"s{i}", r * 2, r) for i, r in enumerate(ratios))))
    assert (None, "two modes, relative to fp32: 3 near 0.5 and 3 near 0.56") in found
