"""Figures carry their unit and no more digits than they deserve."""

from collections.abc import Sequence

import pytest

from perfsuite.report import format as show


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.00123, "1.23 ms"),
        (0.83, "830 ms"),
        (0.99949, "999 ms"),
        (0.99951, "1 s"),
        (1.0, "1 s"),
        (1.249, "1.25 s"),
        (94.04, "94 s"),
        (99.99, "100 s"),
        (1234.5, "1234 s"),
    ],
)
def test_seconds(value: float | None, text: str) -> None:
    """Three digits, milliseconds below a second, and never an exponent."""
    assert show.seconds(value) == text


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        ([1.0], "n=1"),
        ([2.0, 2.0], "±0.0 %"),
        ([1.0, 2.0, 3.0, 4.0, 5.0], "±33.3 %"),
        ([0.99, 1.0, 1.0, 1.0, 1.01], "±0.0 %"),
        ([0.98, 0.99, 1.0, 1.01, 99.0], "±1.0 %"),
    ],
)
def test_spread(samples: Sequence[float], text: str) -> None:
    """Half the quartiles' distance over the median: one outlier does not show."""
    assert show.spread(samples) == text


@pytest.mark.parametrize(
    ("ratio", "text"), [(None, "-"), (1.042, "+4.2 %"), (1.0, "+0.0 %"), (0.5, "-50.0 %"), (2.5, "+150.0 %")]
)
def test_change(ratio: float | None, text: str) -> None:
    """Above 1 is slower and carries a plus."""
    assert show.change(ratio) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "-"),
        (0, "0 MiB"),
        (1400 * 2**20, "1400 MiB"),
        (10 * 2**30 - 2**20, "10239 MiB"),
        (10 * 2**30, "10.0 GiB"),
        (80 * 2**30, "80.0 GiB"),
    ],
)
def test_memory(size: int | None, text: str) -> None:
    """Binary units, and GiB only where MiB would be five digits."""
    assert show.memory(size) == text


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0.98765, "0.9877"), (1.0, "1.0000")])
def test_similarity(value: float | None, text: str) -> None:
    """Four decimals: honest variants differ in the third."""
    assert show.similarity(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(7.9e14, "790 TFLOP/s"), (9.996e11, "1 TFLOP/s"), (6.54321e10, "65.4 GFLOP/s"), (5.0, "5 FLOP/s")],
)
def test_rate(value: float, text: str) -> None:
    assert show.rate(value, "FLOP/s") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (99.4, "99 s"), (99.5, "1.7 min"), (5996, "99.9 min"), (5998, "1.7 h"), (9e4, "25.0 h")],
)
def test_durations_of_work(seconds: float, text: str) -> None:
    """No more digits than a person who waits needs, at each boundary."""
    assert show.duration(seconds) == text


def test_plain_text_carries_nothing_out() -> None:
    """Escape sequences and line breaks from a file do not reach the terminal."""
    assert show.plain("a\x1b[31mb\nc\td\x00é") == "a�[31mb c d�é"


SENTENCE = (
    "shapes bf16: INCONCLUSIVE: 6.8 % slower than the baseline of 1 session (95 % interval -26.2 to "
    "+54.6 %), of 330 ms and 744 MiB"
)


@pytest.mark.parametrize("width", range(30, 140))
def test_lines_are_broken_between_words(width: int) -> None:
    """None is too long, nothing is lost, a figure keeps its unit, what follows is indented."""
    lines = show.wrapped(SENTENCE, width)
    assert max(map(len, lines)) <= width
    assert " ".join(line.strip() for line in lines) == SENTENCE
    assert all(line.startswith("  ") for line in lines[1:])
    assert not [line for line in lines if line.strip().startswith(("%", "ms", "MiB"))]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_commands_are_continued_as_the_shell_does(width: int) -> None:
    """Their lines together, copied, are the command."""
    command = "pytest --benchmark-only -k test_latency --perf-workload=shapes --perf-variant=bf16-sdpa"
    lines = show.wrapped(f"  take it as the new baseline: {command}", width)
    assert max(map(len, lines)) <= width
    if width == 200:
        assert lines == [f"  take it as the new baseline: {command}"]
    else:
        assert lines[0] == "  take it as the new baseline:"
        assert all(line.endswith(" \\") for line in lines[1:-1])
        assert " ".join(line.removesuffix("\\").strip() for line in lines[1:]) == command


def test_a_word_longer_than_the_line_stays_whole() -> None:
    """A path can be copied; the terminal wraps it."""
    assert show.wrapped("results " + "/x" * 40, 20) == ["results", "  " + "/x" * 40]
