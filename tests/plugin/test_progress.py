"""Progress lines: which variant of how many, which phase, how long."""

import os
import re
import sys

import pytest

PHASES = ["building", "first call", "warm-up", "6 rounds", "stages", "limits"]


def _lines(run):
    return [line for line in run.outlines if re.match(r"\[(\d+/\d+|-)\] ", line)]


def test_every_phase_of_every_variant_is_a_line(suite):
    """With place, phase and elapsed time, in order."""
    lines = _lines(suite.latency())
    expected = [
        rf"\[{n}/2\] shapes {variant}: {phase} \(\d+ s elapsed"
        for n, variant in ((1, "fp32"), (2, "bf16"))
        for phase in PHASES
    ]
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.match(pattern, line)


def test_the_reference_and_the_pictures_are_phases(suite):
    """Both may take minutes on a large model."""
    text = "\n".join(_lines(suite.pictures(variants="bf16")))
    assert "shapes reference: float32 pictures" in text
    assert "[1/1] shapes bf16: pictures" in text


def test_a_selection_counts_what_is_selected(suite):
    """Not what was collected."""
    lines = _lines(suite.latency("-k", "sdpa", variants="fp32,bf16,bf16-sdpa"))
    assert lines
    assert all(line.startswith("[1/1] shapes bf16-sdpa: ") for line in lines)


def test_the_rest_is_estimated_from_the_baseline(suite):
    """The first line of a second run says already how long it will take."""
    suite.latency("--perf-update=new")
    assert re.search(r"about \d+ s left\)$", _lines(suite.latency())[0])


def test_quiet_means_quiet(suite):
    """No progress line at all."""
    assert _lines(suite.latency("-q")) == []


@pytest.mark.parametrize("argument", ["-s", "--capture=sys", "-v", "-p no:terminal", "-p no:capture"])
def test_other_ways_of_writing_do_not_break_it(suite, argument):
    """Without capture, without a terminal reporter."""
    suite.latency(*argument.split(), "--junit-xml=junit.xml")
    assert [case.failure for case in suite.junit("junit.xml").values()] == [None, None]


def _screen(raw, width=140):
    """What a terminal shows: lines, with carriage returns and erased lines carried out."""
    rows, row, column = [[]], 0, 0
    for token in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|[\s\S]", raw):
        if token == "\n":
            row += 1
            rows.extend([] for _ in range(row + 1 - len(rows)))
        elif token == "\r":
            column = 0
        elif token == "\x1b[2K":
            rows[row] = []
        elif token == "\x1b[A":
            row -= 1
        elif re.fullmatch(r"\x1b\[\d+G", token):
            column = int(token[2:-1]) - 1
        elif not token.startswith("\x1b"):
            if column == width:
                row, column = row + 1, 0
                rows.extend([] for _ in range(row + 1 - len(rows)))
            rows[row].extend(" " * (column + 1 - len(rows[row])))
            rows[row][column] = token
            column += 1
    return ["".join(characters).rstrip() for characters in rows]


def _on_a_terminal(suite, *arguments):
    pty = pytest.importorskip("pty", reason="pseudo-terminals of Unix")
    ours, theirs = pty.openpty()
    process = suite.start(*arguments, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    raw = b""
    try:
        while part := os.read(ours, 65536):
            raw += part
    except OSError:  # Linux's way to say that the other end is closed
        pass
    finally:
        os.close(ours)
    assert process.wait(30) == 0
    return raw.decode(), _screen(raw.decode())


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals of Unix")
@pytest.mark.parametrize("verbosity", ["-v", "--verbosity=0"])
def test_on_a_terminal_one_line_is_rewritten_and_then_gone(suite, verbosity):
    """Nothing of it is left beside pytest's own output, which stays whole."""
    raw, screen = _on_a_terminal(suite, "test_latency.py", "--perf-variant=fp32,bf16", verbosity)
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
