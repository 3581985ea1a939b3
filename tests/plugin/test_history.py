"""--perf-history: a run goes into the history when it ends, and is never lost where it cannot."""

import pytest

from perfsuite.store import read_results
from perfsuite.store.history import History, connecting


def history(suite, name="nights.db"):
    return History.open(suite.path / name)


def test_every_run_is_added(suite):
    """Timed or not, with all that it measured, and the end says where."""
    suite.latency("--perf-history=nights.db").stdout.fnmatch_lines(
        ["history *nights.db: night * on cpu-replayed-2t"]
    )
    suite.latency("--perf-history=nights.db", "--perf-strict", "--perf-update=new")
    runs = history(suite).runs()
    assert [run.id for run in runs] == [read_results(path).id for path in suite.runs()]
    assert {run.outcome for run in runs} == {"complete"}
    latency = [s for s in history(suite).series() if s.metric == "latency"]
    assert [s.variant for s in latency] == ["bf16", "fp32"]
    assert [len(history(suite).points(s)) for s in latency] == [2, 2]


def test_without_it_nothing_is_kept(suite):
    suite.latency()
    assert not list(suite.path.rglob("*.db"))


def test_a_run_that_measured_nothing_says_so(suite):
    """Nor is a history begun."""
    run = suite.latency("--perf-history=nights.db", "-k", "nothing")
    run.stdout.fnmatch_lines(["perfsuite: nothing for the history: no test of this run measured anything *"])
    assert not (suite.path / "nights.db").exists()


@pytest.fixture
def impatient(monkeypatch):
    """A server is not asked for long."""
    monkeypatch.setattr(connecting, "PATIENCE_S", 0.0)


AWAY = "--perf-history=postgresql://me:s3cret@127.0.0.1:9/h"


def test_a_server_that_is_away_is_a_warning(suite, impatient):
    """The results are kept, and the command that adds them is said; without the password."""
    run = suite.latency(AWAY)
    assert run.ret == pytest.ExitCode.OK
    run.stdout.fnmatch_lines(
        [
            "WARNING: not added to the history: postgresql://me:*@127.0.0.1:9/h: *refused*",
            "add it later: perfsuite track add .perfsuite/runs/*.jsonl --db 'postgresql://me:*@127.0.0.1:9/h'",
        ]
    )
    run.stdout.no_fnmatch_line("*s3cret*")
    assert set(suite.results()) == {"fp32", "bf16"}


def test_it_fails_a_strict_run(suite, impatient):
    """Somebody counts on the night."""
    suite.latency("--perf-update=new")
    run = suite.latency(AWAY, "--perf-strict")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.fnmatch_lines(["ERROR: not added to the history: *"])
    assert len(suite.runs()) == 2


def test_an_address_that_means_nothing_ends_the_run_before_it_begins(suite):
    run = suite.latency("--perf-history=mysql://me:s3cret@host/h")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines(["ERROR: perfsuite: mysql://: no database that a history can be kept in; *"])
    run.stderr.no_fnmatch_line("*s3cret*")
    assert suite.runs() == []


def test_a_damaged_history_keeps_the_results(suite):
    (suite.path / "nights.db").write_text("not a database\n" * 100)
    run = suite.latency("--perf-history=nights.db")
    assert run.ret == pytest.ExitCode.OK
    run.stdout.fnmatch_lines(["WARNING: not added to the history: *nights.db: file is not a database; *"])
    assert len(suite.runs()) == 1
