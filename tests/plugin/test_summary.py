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
    headings = ["rung", "median", "speed-up", "baseline", "change", "verdict", "SSIM", "compile", "peak mem"]
    assert re.split(r" {2,}|(?<=\w) (?=compile|peak)", rows[1].strip())[:6] == headings[:6]
    assert rows[3].startswith("bf16 ")
    assert re.search(r"3\.05? s ±\d\.\d %  +0\.3\dx  1e?.*\(n=1\)  \+\d+\.\d %  REGRESSED", rows[3])
    assert re.search(r"^bf16-sdpa +250 ms ±0\.0 % +4\.\d+x +- +- +NEW", rows[4])
    assert len({row.index(word) for row, word in zip(rows[3:], ["REGRESSED", "NEW"], strict=True)}) == 1


def test_narrow(measured, monkeypatch):
    """Two lines a rung, none wider than the terminal, nothing cut off."""
    run = _measure(measured, monkeypatch, 80)
    lines = _section(run)[:7]
    assert lines[0].strip() == "shapes on Replayed CPU"
    assert lines[3] == "bf16  REGRESSED"
    assert re.search(r"^ {4}median 3\.05 s ±\d\.\d %  speed-up 0\.\d+x  baseline .* change \+\d+\.\d %", lines[4])
    assert lines[5] == "bf16-sdpa  NEW"
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("columns", [80, 140])
def test_colour_only_where_it_is_wanted(measured, monkeypatch, columns):
    """None by default into a file; with --color=yes the verdict has its own; NO_COLOR wins."""
    assert "\x1b[" not in _measure(measured, monkeypatch, columns).stdout.str()
    coloured = _measure(measured, monkeypatch, columns, "--color=yes").stdout.str()
    assert "\x1b[1;31mREGRESSED\x1b[0m" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in _measure(measured, monkeypatch, columns).stdout.str()


def test_force_color_and_no_color(measured, monkeypatch):
    """pytest's rules hold for the table as well."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[1;31mREGRESSED\x1b[0m" in _measure(measured, monkeypatch, 140).stdout.str()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in _measure(measured, monkeypatch, 140).stdout.str()


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
