"""Progress counts, and guesses the rest from what each benchmark took."""

from collections.abc import Callable, Mapping

import pytest

from perfsuite.report.progress import Progress


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said(clock: Clock) -> Callable[..., list[str]]:
    """The lines for these (seconds since the start, key, phase)."""

    def play(*events: tuple[float, str, str], last_time_s: Mapping[str, float] | None = None) -> list[str]:
        lines: list[str] = []
        progress = Progress(["a", "b", "c"], lines.append, last_time_s=last_time_s, clock=clock)
        for seconds, key, phase in events:
            clock.time = 1000.0 + seconds
            progress(key, phase)
        return lines

    return play


def test_first_run_cannot_guess_until_one_is_done(said: Callable[..., list[str]]) -> None:
    """Without earlier times the mean of those done is the guess, less what the current one has had."""
    events = (0, "a", "building"), (10, "a", "warm-up"), (20, "b", "building"), (25, "b", "5 rounds")
    assert said(*events, (60, "c", "building")) == [
        "[1/3] a: building (0 s elapsed)",
        "[1/3] a: warm-up (10 s elapsed)",
        "[2/3] b: building (20 s elapsed, about 40 s left)",
        "[2/3] b: 5 rounds (25 s elapsed, about 35 s left)",
        "[3/3] c: building (60 s elapsed, about 30 s left)",
    ]


def test_last_times_are_the_guess(said: Callable[..., list[str]]) -> None:
    """What each took the last time, from the first line on."""
    last = {"a": 10.0, "b": 20.0, "c": 300.0}
    assert said((0, "a", "x"), (4, "a", "y"), (9, "b", "x"), last_time_s=last) == [
        "[1/3] a: x (0 s elapsed, about 5.5 min left)",
        "[1/3] a: y (4 s elapsed, about 5.4 min left)",
        "[2/3] b: x (9 s elapsed, about 5.3 min left)",
    ]


def test_unknown_last_time_is_filled_by_the_mean(said: Callable[..., list[str]]) -> None:
    """One benchmark without an earlier time: no guess at first, then the mean of those done."""
    lines = said((0, "a", "x"), (30, "b", "x"), last_time_s={"a": 10.0, "b": 20.0})
    assert lines[0] == "[1/3] a: x (0 s elapsed)"
    assert lines[1] == "[2/3] b: x (30 s elapsed, about 50 s left)"


def test_guess_is_never_negative(said: Callable[..., list[str]]) -> None:
    """A benchmark that takes longer than ever has no less than nothing left."""
    lines = said((0, "c", "x"), (50, "c", "y"), last_time_s={"a": 1.0, "b": 1.0, "c": 20.0})
    assert lines[1] == "[3/3] c: y (50 s elapsed, about 0 s left)"


def test_what_was_not_announced_has_no_place(said: Callable[..., list[str]]) -> None:
    """The float32 reference is no benchmark: it is shown, but neither counted nor guessed."""
    assert said((150, "reference", "pictures"), last_time_s={"a": 1.0, "b": 1.0, "c": 1.0}) == [
        "[-] reference: pictures (2.5 min elapsed)"
    ]
