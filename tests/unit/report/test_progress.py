"""Progress counts, and guesses the rest from what each benchmark took."""

import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from perfsuite.report.progress import Line, LiveLine, Progress, SlowPhases, is_plain, may_tick


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
        progress = Progress(
            ["a", "b", "c"], lambda line: lines.append(line().fit(200)), last_time_s=last_time_s, clock=clock
        )
        for seconds, key, phase in events:
            clock.time = 1000.0 + seconds
            progress(key, phase)
        return lines

    return play


def test_first_run_cannot_guess_until_one_is_done(said: Callable[..., list[str]]) -> None:
    """Without earlier times the mean of those done is a guess, and said to be one."""
    events = (0, "a", "building"), (10, "a", "warm-up"), (20, "b", "building"), (25, "b", "5 rounds")
    assert said(*events, (45, "c", "building")) == [
        "[1/3] a: building (0 s elapsed)",
        "[1/3] a: warm-up (10 s elapsed)",
        "[2/3] b: building (20 s elapsed, perhaps 40 s left)",
        "[2/3] b: 5 rounds (25 s elapsed, perhaps 35 s left)",
        "[3/3] c: building (45 s elapsed, perhaps 22 s left)",
    ]


def test_what_was_not_seen_may_take_longer(clock: Clock) -> None:
    """Eager rungs say nothing of how long one takes that is compiled."""
    lines: list[str] = []
    kinds = {"a": False, "b": False, "c": True}
    progress = Progress(["a", "b", "c"], lambda line: lines.append(line().fit(99)), kinds=kinds, clock=clock)
    for seconds, key in ((0, "a"), (10, "b"), (20, "c")):
        clock.time = 1000.0 + seconds
        progress(key, "x")
    assert lines[1:] == [
        "[2/3] b: x (10 s elapsed, at least 20 s left)",
        "[3/3] c: x (20 s elapsed, at least 10 s left)",
    ]


def test_last_times_are_the_guess(said: Callable[..., list[str]]) -> None:
    """What each took the last time, from the first line on."""
    last = {"a": 10.0, "b": 20.0, "c": 300.0}
    assert said((0, "a", "x"), (4, "a", "y"), (10, "b", "x"), last_time_s=last) == [
        "[1/3] a: x (0 s elapsed, about 5.5 min left)",
        "[1/3] a: y (4 s elapsed, about 5.4 min left)",
        "[2/3] b: x (10 s elapsed, about 5.3 min left)",
    ]


def test_a_run_that_does_more_takes_more(said: Callable[..., list[str]]) -> None:
    """The first took twice as long as the last time, with pictures perhaps: so will the others."""
    last = {"a": 10.0, "b": 20.0, "c": 30.0}
    lines = said((0, "a", "x"), (20, "b", "x"), (30, "b", "y"), last_time_s=last)
    assert lines[2] == "[2/3] b: y (30 s elapsed, about 90 s left)"


def test_unknown_last_time_is_filled_by_the_mean(said: Callable[..., list[str]]) -> None:
    """One benchmark without an earlier time: no guess at first, then the mean of those done."""
    lines = said((0, "a", "x"), (10, "b", "x"), last_time_s={"a": 10.0, "b": 20.0})
    assert lines[0] == "[1/3] a: x (0 s elapsed)"
    assert lines[1] == "[2/3] b: x (10 s elapsed, perhaps 30 s left)"


def test_one_that_takes_longer_than_ever(said: Callable[..., list[str]]) -> None:
    """Nobody knows how long it will: the others' time is the least, and at the end there is no time."""
    last = {"a": 1.0, "b": 1.0, "c": 20.0}
    lines = said((0, "b", "x"), (50, "b", "y"), (51, "c", "x"), (2000, "c", "y"), last_time_s=last)
    assert lines[1] == "[2/3] b: y (50 s elapsed, at least 20 s left)"
    assert lines[3] == "[3/3] c: y (33.3 min elapsed, longer than expected)"


def test_what_was_not_announced_has_no_place(said: Callable[..., list[str]]) -> None:
    """The float32 reference is no benchmark: it is shown, but neither counted nor guessed."""
    assert said((150, "reference", "pictures"), last_time_s={"a": 1.0, "b": 1.0, "c": 1.0}) == [
        "[-] reference: pictures (2.5 min elapsed)"
    ]


def test_a_log_has_a_line_of_each_phase_that_took_long(clock: Clock) -> None:
    """With what that phase took, and what had elapsed when it was over; what is quick takes no line."""
    written: list[str] = []
    shown = SlowPhases(lambda line: written.append(line.fit(200)), clock=clock)
    progress = Progress(["a", "b"], shown.show, last_time_s={"a": 30.0, "b": 30.0}, clock=clock)
    for seconds, key, phase in (
        (0, "a", "building"), (9, "a", "first call"), (19, "a", "6 rounds"), (25, "b", "building"),
    ):  # fmt: skip
        clock.time = 1000.0 + seconds
        progress(key, phase)
    assert written == ["[1/2] a: first call took 10 s (19 s elapsed, about 41 s left)"]
    clock.time = 1090.0
    shown.clear()
    shown.clear()
    assert written[1:] == ["[2/2] b: building took 65 s (90 s elapsed, longer than expected)"]


LONGEST = Line(
    "13/13", "sdxl-base bf16-sdpa-compile-qkv-int8", "float32, prompt 1 of 4", "123 s", "about 5 min left"
)


@pytest.mark.parametrize("width", range(20, 140))
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    """Words that explain go first, then the end of the phase; place and time stay as long as they can."""
    text = LONGEST.fit(width)
    assert len(text) <= width
    assert text.startswith("[13/13] sdxl")
    if width >= 60:
        assert "(123 s" in text
        assert text.endswith("about 5 min left)")
    assert LONGEST.fit(width, cut=False).startswith(
        "[13/13] sdxl-base bf16-sdpa-compile-qkv-int8: float32, prompt 1 of 4 (123 s"
    )


@pytest.mark.parametrize(
    ("environment", "plain"),
    [({}, False), ({"TERM": "xterm-256color"}, False), ({"TERM": "dumb"}, True), ({"CI": "true"}, True),
     ({"NO_COLOR": "1"}, True), ({"NO_COLOR": ""}, False), ({"BUILD_NUMBER": "7"}, True)],
)  # fmt: skip
def test_where_no_cursor_is_moved(environment: dict[str, str], plain: bool) -> None:
    """Logs, terminals that cannot, and people who asked for plain text."""
    assert is_plain(environment) is plain


@pytest.mark.parametrize(
    ("phase", "may"),
    [("building", True), ("first call", True), ("float32 pictures", True),
     ("components, modules, loop", True),
     ("warm-up", False), ("6 rounds", False), ("2 rounds again: the GPU was throttled", False),
     ("relative latency", False), ("stages", False), ("limits", False)],
)  # fmt: skip
def test_nothing_runs_beside_timed_calls(phase: str, may: bool) -> None:
    """Every phase that `measuring.session` times."""
    assert may_tick(phase) is may


def test_the_line_is_renewed_only_where_nothing_is_timed(tmp_path: Path) -> None:
    """While it builds time goes on; while it times calls nothing is written; cleared, nothing is left."""
    made = []

    def line(phase: str) -> Callable[[], Line]:
        return lambda: (made.append(phase), Line("1/1", "a", phase, f"{len(made)} s", ""))[1]

    path = tmp_path / "terminal"
    with path.open("w") as stream:
        live = LiveLine(stream, lambda: 80, lambda: 5, seconds=0.001)
        live.show(line("building"))
        give_up = time.monotonic() + 30
        while made.count("building") < 4:
            assert time.monotonic() < give_up, "it is not renewed"
            time.sleep(0.001)
        live.show(line("6 rounds"))
        before = len(os.read(os.open(path, os.O_RDONLY), 10**6))
        time.sleep(0.05)
        assert made.count("6 rounds") == 1
        assert path.stat().st_size == before
        live.clear()
        live.clear()
    pieces = re.findall(r"\n\r\x1b\[2K(.*?)\x1b\[A\x1b\[5G", path.read_bytes().decode())
    assert "".join(f"\n\r\x1b[2K{p}\x1b[A\x1b[5G" for p in pieces) == path.read_bytes().decode()
    assert pieces[0] == "[1/1] a: building (1 s elapsed)"
    assert pieces[1] == "[1/1] a: building (2 s elapsed)"
    assert "6 rounds" in pieces[-2]
    assert pieces[-1] == ""
