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
    sentence, *rows = _section(_measure(measured, monkeypatch, 140))[:6]
    assert sentence == "1 of 3 REGRESSED: bf16; 1 INCONCLUSIVE; 1 NEW"
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
    _, *lines = _section(_measure(measured, monkeypatch, 80))
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


def test_the_section_comes_last(measured, monkeypatch):
    """After pytest's list of failures, so that the verdict is what one sees; the commands are its end."""
    lines = _measure(measured, monkeypatch, 140).outlines
    (failures,) = (i for i, line in enumerate(lines) if "short test summary" in line)
    (section,) = (i for i, line in enumerate(lines) if "= perfsuite =" in line)
    assert failures < section
    assert lines[section + 1] == "1 of 3 REGRESSED: bf16; 1 INCONCLUSIVE; 1 NEW"
    assert re.search(r"= 1 failed, 2 passed in ", lines[-1])
    assert [line.partition(": ")[0] for line in lines[-5:-1]] == [
        "measure again", "accept it", "record it", "add a session, from three on OK can be said",
    ]  # fmt: skip


def test_a_first_run_says_what_it_was_and_what_is_next(suite):
    """The baseline is there now; the same command without a word of recording gates against it."""
    run = suite.latency("--perf-update=new", "--perf-device=cpu")
    run.stdout.fnmatch_lines(
        [
            "*= perfsuite =*",
            "2 of 2 measured, first baseline recorded; run again to gate",
            "baselines baselines/cpu-replayed-2t.json: shapes/fp32, shapes/bf16 recorded",
            "results as a page: perfsuite report .perfsuite/runs/*.jsonl",
            "gate against this baseline: pytest --benchmark-only -k test_latency --perf-workload=shapes "
            "--perf-variant=fp32 --perf-variant=bf16 --perf-device=cpu",
        ]
    )
    assert "NEW: " not in run.stdout.str()


def test_a_failure_elsewhere_is_in_the_sentence(suite):
    """Golden pictures are no variant's; a run that failed must not read as fine."""
    suite.golden(noise=0.2)
    run = suite.run(variants="bf16")
    run.assert_outcomes(passed=2, failed=1)
    run.stdout.fnmatch_lines(["1 test failed, see above; 1 of 1 measured, nothing to compare with: *"])


def test_quiet_keeps_the_verdicts(measured, monkeypatch):
    """-q leaves out the progress, not the outcome."""
    text = _measure(measured, monkeypatch, 140, "-q").stdout.str()
    assert "shapes bf16: REGRESSED: " in text
