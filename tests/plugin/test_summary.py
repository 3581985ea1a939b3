"""The table after the run: narrow and wide, with and without colour."""

import re

import pytest


@pytest.fixture
def measured(suite):
    """fp32 is as it was, bf16 is slower, bf16-sdpa is new and faster."""
    suite.latency("--perf-update=new")
    suite.replay({"bf16": {"latency_s": [3.0, 3.1]}, "bf16-sdpa": {"latency_s": [0.25]}})
    return suite


def _section(run):
    return re.split(r"=+ perfsuite =+\n", run.stdout.str())[1].split("\n\n")[0].splitlines()


def _measure(suite, monkeypatch, columns, *arguments):
    monkeypatch.setenv("COLUMNS", str(columns))
    return suite.latency(*arguments, variants="fp32,bf16,bf16-sdpa")


def test_wide(measured, monkeypatch):
    """One row a rung under one row of headings, each column where its heading is."""
    rows = _section(_measure(measured, monkeypatch, 140))[:5]
    assert rows[0].strip() == "shapes on Replayed CPU"
    headings = ["rung", "median", "speed-up", "baseline", "change", "verdict"]
    assert rows[1].split()[:6] == headings
    assert re.match(r"bf16 +3\.1 s ±\d\.\d % +0\.32x +1 s \(n=1\) +\+2\d\d\.\d % +REGRESSED ", rows[3])
    assert re.match(r"bf16-sdpa +250 ms ±0\.0 % +4\.00x +- +- +NEW ", rows[4])
    assert rows[1].index("verdict") == rows[3].index("REGRESSED") == rows[4].index("NEW")
    assert max(map(len, rows)) <= 140


def test_narrow(measured, monkeypatch):
    """Two tables of the same rungs; none wider than the terminal, no figure left out. Only the tables: this
    goes to a file, where a statement stays one line."""
    lines = _section(_measure(measured, monkeypatch, 80))
    assert lines[0].strip() == "shapes on Replayed CPU"
    assert max(map(len, lines[:9])) <= 80
    assert lines[1].split() == ["rung", "median", "speed-up", "change", "verdict"]
    assert re.match(r"bf16 +3\.1 s ±\d\.\d % +0\.32x +\+2\d\d\.\d % +REGRESSED$", lines[3])
    assert re.match(r"bf16-sdpa +250 ms ±0\.0 % +4\.00x +- +NEW$", lines[4])
    assert lines[5].split() == ["rung", "baseline", "peak", "mem"]
    assert re.match(r"bf16 +1 s \(n=1\) +\d+ MiB$", lines[7])
    assert re.match(r"bf16-sdpa +- +\d+ MiB$", lines[8])


def test_colour_only_where_it_is_wanted(measured, monkeypatch):
    """Not in what goes to a file; if it is forced the verdict has its own; NO_COLOR wins over that."""
    red = "\x1b[1;31mREGRESSED\x1b[0m"
    assert "\x1b[" not in _measure(measured, monkeypatch, 140).stdout.str()
    assert red in _measure(measured, monkeypatch, 140, "--color=yes").stdout.str()
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert red in _measure(measured, monkeypatch, 80).stdout.str()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in _measure(measured, monkeypatch, 80).stdout.str()


def test_stages_are_shown(measured, monkeypatch):
    """Shares of one call, as the replay spends them."""
    text = _measure(measured, monkeypatch, 140).stdout.str()
    assert re.search(r"^  bf16 +TTTU+VVV +T 3\d\d ms  U 30 x \d+(\.\d)? ms  V 3\d\d ms$", text, re.MULTILINE)


def test_no_table_where_nothing_ran(suite):
    """Neither for a run without benchmarks nor for one that is deselected."""
    suite.pytester.makepyfile(test_other="def test_other(): pass")
    for arguments in (["test_other.py"], ["-k", "nothing"]):
        assert " perfsuite ==" not in suite.run(*arguments).stdout.str()


def test_quiet_keeps_the_verdicts(measured, monkeypatch):
    """-q leaves out the progress, not the outcome."""
    text = _measure(measured, monkeypatch, 140, "-q").stdout.str()
    assert "shapes bf16: REGRESSED: " in text
