"""Progress lines: which variant of how many, which phase, how long."""

import re
import sys

import pytest
from screen import on_a_terminal

SLOW = {"latency_s": [12.0]}
"""Seconds of each call: every phase takes long."""


def _lines(run):
    return [line for line in run.outlines if re.match(r"\[(\d+/\d+|-)\] ", line)]


def test_without_a_terminal_what_took_long_is_a_line(suite):
    """Of each variant the phases of more than some seconds, once they are over: with place and time."""
    suite.replay({"bf16": SLOW})
    lines = _lines(suite.latency(variants="fp32,bf16"))
    expected = [
        rf"\[2/2\] shapes bf16: {phase} took \d+ (s|min) \([\d.]+ (s|min) elapsed, longer than expected\)"
        for phase in ("first call", "warm-up", "5 rounds", "stages")
    ]
    assert len(lines) == len(expected), lines
    for line, pattern in zip(lines, expected, strict=True):
        assert re.match(pattern, line), line


def test_what_is_quick_is_no_line(suite):
    """Six rounds of a second each, and all the rest, of two variants."""
    assert _lines(suite.run()) == []


def test_the_reference_and_the_pictures_are_phases(suite):
    """Both may take minutes on a large model."""
    suite.replay({"bf16": SLOW, "fp32": SLOW})
    text = "\n".join(_lines(suite.pictures(variants="bf16")))
    assert "[-] shapes reference: float32 pictures took 48 s (" in text
    assert "[1/1] shapes bf16: pictures took 48 s (" in text


def test_a_selection_counts_what_is_selected(suite):
    """Not what was collected."""
    suite.replay({"bf16-sdpa": SLOW})
    lines = _lines(suite.latency("-k", "sdpa", variants="fp32,bf16,bf16-sdpa"))
    assert lines
    assert all(line.startswith("[1/1] shapes bf16-sdpa: ") for line in lines)


def test_the_rest_is_estimated_from_the_baseline(suite):
    """The first line of a second run says already how long it will take."""
    suite.replay({"fp32": SLOW})
    suite.latency("--perf-update=new")
    assert re.search(r"(about|at least) .* left\)$", _lines(suite.latency())[0])


def test_quiet_means_quiet(suite):
    """No progress line at all."""
    suite.replay({"bf16": SLOW})
    assert _lines(suite.latency("-q")) == []


@pytest.mark.parametrize("argument", ["-s", "--capture=sys", "-v", "-p no:terminal", "-p no:capture"])
def test_other_ways_of_writing_do_not_break_it(suite, argument):
    """Without capture, without a terminal reporter."""
    suite.latency(*argument.split(), "--junit-xml=junit.xml")
    assert [case.failure for case in suite.junit("junit.xml").values()] == [None, None]


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals of Unix")
@pytest.mark.parametrize("verbosity", ["-v", "--verbosity=0"])
def test_on_a_terminal_one_line_is_rewritten_and_then_gone(suite, verbosity):
    """Nothing of it is left beside pytest's own output, which stays whole."""
    raw, screen = on_a_terminal(suite, "test_latency.py", "--perf-variant=fp32,bf16", verbosity)
    assert "shapes bf16: 6 rounds" in raw
    assert not [line for line in screen if "elapsed" in line], "\n".join(screen)
    shown = "\n".join(screen)
    if verbosity == "-v":
        assert re.search(
            r"^test_latency.py::test_latency\[shapes-fp32\] PASSED +\[ 50%\]$", shown, re.MULTILINE
        )
        assert re.search(
            r"^test_latency.py::test_latency\[shapes-bf16\] PASSED +\[100%\]$", shown, re.MULTILINE
        )
    else:
        assert re.search(r"^test_latency.py \.\. +\[100%\]$", shown, re.MULTILINE)


LONG = "bf16-sdpa-compile-qkv-int8"


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals of Unix")
@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_line_in_place_fits_the_terminal(suite, width, monkeypatch):
    """Of the longest name too: a line that wraps could not be taken away again."""
    monkeypatch.setenv("COLUMNS", str(width))
    raw, screen = on_a_terminal(suite, "test_latency.py", f"--perf-variant=fp32,{LONG}", width=width)
    shown = re.findall(r"\x1b\[2K([^\x1b]*)\x1b\[A", raw)
    assert any(LONG in line and "warm-up" in line for line in shown) or width == 60
    assert 0 < max(map(len, shown)) < width
    assert not [line for line in screen if "elapsed" in line], "\n".join(screen)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals of Unix")
@pytest.mark.parametrize(
    ("name", "value"), [("TERM", "dumb"), ("CI", "true"), ("NO_COLOR", "1")], ids=["dumb", "ci", "no-colour"]
)
def test_plain_lines_on_such_terminals(suite, name, value, monkeypatch):
    """No cursor is moved: each phase that took long is a line that stays."""
    suite.replay({"bf16": SLOW})
    monkeypatch.setenv(name, value)
    raw, screen = on_a_terminal(suite, "test_latency.py", "--perf-variant=bf16")
    assert "\x1b[2K" not in raw
    assert "\x1b[A" not in raw
    assert [line for line in screen if line.startswith("[1/1] shapes bf16: warm-up took ")]
    if name != "CI":
        assert "\x1b" not in raw


def test_rungs_that_the_device_has_not_are_not_counted(suite):
    """They are skipped at once: neither a place nor time left for them."""
    suite.replay({"bf16": SLOW})
    lines = _lines(suite.latency(variants="fp16,bf16,fp16-sdpa"))
    assert lines
    assert all(line.startswith("[1/1] shapes bf16: ") for line in lines)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals of Unix")
def test_nothing_is_left_after_an_interrupt(suite):
    """Ctrl-C while a rung is built: the line is gone before pytest says so."""
    suite.replay({"bf16": {"draw_error": ["KeyboardInterrupt", ""]}})
    raw, screen = on_a_terminal(suite, "test_latency.py", "--perf-variant=bf16", code=2)
    assert "shapes bf16: first call" in raw
    assert not [line for line in screen if "elapsed" in line], "\n".join(screen)
