"""Two workers in lock step: whole calls, both at the same piece, and neither always first."""

import random
from collections import Counter
from types import SimpleNamespace

import pytest

from perfsuite.measuring.pieces import Piece
from perfsuite.workers import lockstep
from perfsuite.workers.lockstep import take_turns

NAMES = ("text", "step", "step", "vae")


class Side:
    """Pieces without end, which take so long on the clock of the test."""

    def __init__(self, label: str, seconds: float, clock: SimpleNamespace, order: list[str]) -> None:
        self.label, self.seconds, self.clock, self.order, self.count = label, seconds, clock, order, 0

    def __call__(self) -> Piece:
        name = NAMES[self.count % 4]
        self.count += 1
        self.order.append(self.label)
        self.clock.time_s += self.seconds
        return Piece(name, self.seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(time_s=0.0, slept=[])
    fake = SimpleNamespace(monotonic=lambda: clock.time_s, sleep=clock.slept.append)
    monkeypatch.setattr(lockstep, "time", fake)
    return clock


def both(clock: SimpleNamespace) -> tuple[Side, Side, list[str]]:
    order: list[str] = []
    return Side("base", 1.0, clock, order), Side("head", 2.0, clock, order), order


@pytest.mark.parametrize(("until", "calls"), [(0.0, 2), (24.0, 2), (24.5, 3), (100.0, 9)])
def test_whole_calls_until_the_time_is_over(until: float, calls: int, clock: SimpleNamespace) -> None:
    base, head, _ = both(clock)

    turns = take_turns(base, head, 4, until, random.Random(0))

    assert turns.names == NAMES * calls
    assert set(turns.base_s) == {1.0}
    assert set(turns.head_s) == {2.0}
    assert base.count == head.count == 4 * calls


def test_neither_side_is_always_first(clock: SimpleNamespace) -> None:
    """ABBA or BAAB within a call; which of them is drawn for each call."""
    base, head, order = both(clock)

    take_turns(base, head, 4, 0.0, random.Random(0), least_calls=200)

    calls = ["".join(label[0] for label in order[i : i + 8]) for i in range(0, len(order), 8)]
    counts = Counter(calls)
    assert counts.keys() == {"bhhbbhhb", "hbbhhbbh"}
    assert 70 < counts["bhhbbhhb"] < 130


@pytest.mark.parametrize("pause_s", [0.0, 0.25])
def test_pause_before_each_piece(pause_s: float, clock: SimpleNamespace) -> None:
    base, head, _ = both(clock)

    take_turns(base, head, 4, 0.0, random.Random(0), least_calls=1, pause_s=pause_s)

    assert clock.slept == [pause_s] * (8 if pause_s else 0)


def test_sides_that_are_not_at_the_same_piece_are_refused(clock: SimpleNamespace) -> None:
    base, head, _ = both(clock)
    head()

    with pytest.raises(RuntimeError, match="out of step: base ran 'text', head 'step'"):
        take_turns(base, head, 4, 0.0, random.Random(0))
