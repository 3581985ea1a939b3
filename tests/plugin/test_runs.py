"""Each run has a file of its own: what two at once write does not mix, and the last ladder is known."""

import json
import sys

import pytest

from perfsuite.store import StoreError, one_file, read_results, results_files

unix = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")


def _ids(path):
    return {json.loads(line).get("run") for line in path.read_text().splitlines()[1:]}


def test_each_run_has_its_own_file_and_says_so_in_every_line(suite):
    for _ in range(2):
        suite.run()
    assert len(suite.runs()) == 2
    for path in suite.runs():
        assert _ids(path) == {read_results(path).id}
        assert read_results(path).id.startswith(path.stem.rpartition("-")[2])


def test_an_untimed_pass_takes_no_ladders_place(suite):
    """Nor do pictures alone, or what is only listed."""
    suite.latency()
    ladder = suite.last()
    suite.run("--benchmark-disable")
    suite.pictures()
    suite.run("--collect-only")
    assert suite.last() == ladder
    assert [read_results(path).timed for path in suite.runs()] == [True, False, False]
    suite.latency(variants="fp32")
    assert suite.last() == suite.runs()[-1]


def test_a_file_of_the_users_choice_is_the_last_ladder_too(suite):
    suite.latency("--perf-results=night/monday.jsonl")
    assert suite.last().resolve() == suite.path / "night" / "monday.jsonl"
    assert suite.runs() == []


def test_old_runs_go_but_never_the_last_ladder(suite):
    """With what they kept for a report."""
    suite.run("--perf-report=page", "--perf-keep-runs=2")
    first = suite.last()
    for _ in range(3):
        suite.pictures("--perf-report=page", "--perf-keep-runs=2")
    assert first in suite.runs()
    assert len(suite.runs()) == 3
    kept = {f"{path.stem}-exhibits" for path in suite.runs()}
    folder = suite.path / ".perfsuite" / "runs"
    assert {path.name for path in folder.glob("*-exhibits")} == kept
    assert len(list(folder.glob(".*.lock"))) == 3
    suite.latency("--perf-keep-runs=1")
    assert suite.runs() == [suite.last()]


@pytest.fixture
def two_at_once(suite):
    """Start two runs that stand in the middle of their second variant together; then let them go on."""
    processes = []

    def start(*arguments, commands=None):
        suite.replay({"bf16": {"block_at_call": 4}})
        base = ("test_latency.py", "test_ssim.py", "--perf-variant=fp32,bf16", *arguments)
        for more in ((), ("--perf-time-budget=8",)):
            processes.append(suite.start(*base, *more))
        suite.wait_for("blocked-*", 2)
        (suite.path / "go").touch()
        return [process.wait(60) for process in processes]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_two_shells_at_once_do_not_mix(suite, two_at_once):
    """Each file has the sessions of one, and its pictures; the pointer is one of them, whole."""
    assert two_at_once() == [0, 0]
    one, two = suite.runs()
    assert _ids(one).isdisjoint(_ids(two))
    found = [{r.variant: r for r in read_results(path).results} for path in (one, two)]
    assert sorted(len(results["bf16"].session.latency_s) for results in found) == [6, 8]
    for results in found:
        assert len({len(r.session.latency_s) for r in results.values()}) == 1
        assert all(r.quality is not None for r in results.values())
    assert suite.last() in (one, two)


@unix
def test_one_file_is_one_runs(suite):
    """The second that wants it ends before it builds anything; once the first is killed it is free."""
    suite.replay({"bf16": {"block_at_call": 4}})
    arguments = ("test_latency.py", "--perf-variant=fp32,bf16", "--perf-results=run.jsonl")
    first = suite.start(*arguments)
    try:
        suite.wait_for("blocked-*")
        begun = (suite.path / "run.jsonl").read_bytes()
        assert suite.start(*arguments).wait(60) == pytest.ExitCode.USAGE_ERROR
        printed = (suite.path / "run-1.txt").read_text()
        assert "run.jsonl: another run writes its results there; " in printed
        assert (suite.path / "run.jsonl").read_bytes() == begun
    finally:
        first.kill()
        first.wait()
    suite.replay()
    suite.latency("--perf-results=run.jsonl").assert_outcomes(passed=2)
    assert set(suite.results("run.jsonl")) == {"fp32", "bf16"}


def test_a_run_that_is_not_over_is_not_removed(suite):
    suite.replay({"bf16": {"block_at_call": 4}})
    process = suite.start("test_latency.py", "--perf-variant=fp32,bf16")
    try:
        suite.wait_for("blocked-*")
        (live,) = suite.runs()
        suite.replay()
        for _ in range(2):
            suite.latency("--perf-keep-runs=1")
        assert live in suite.runs()
        (suite.path / "go").touch()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert {r.variant for r in read_results(live).results if r.verdict} == {"fp32", "bf16"}


def test_a_file_that_two_wrote_is_refused(suite):
    """By every reader, for all read it alike."""
    for _ in range(2):
        suite.latency()
    one, two = suite.runs()
    lines = one.read_text().splitlines(keepends=True), two.read_text().splitlines(keepends=True)
    one.write_text("".join([lines[0][0], lines[1][1]]))
    with pytest.raises(StoreError, match=r"line 2.*runs are mixed in it"):
        read_results(one)
    one.write_text("".join([*lines[0], *lines[1]]))
    with pytest.raises(StoreError, match="begins another run"):
        read_results(one)


def test_what_a_reader_may_be_given(suite, monkeypatch):
    """Nothing, or last: the last ladder; a folder: all in it; a file: itself."""
    runs = suite.path / ".perfsuite" / "runs"
    monkeypatch.chdir(suite.path)
    with pytest.raises(StoreError, match="no ladder was run here yet"):
        results_files([])
    suite.latency()
    suite.pictures()
    ladder, pictures = suite.runs()
    relative = [path.relative_to(suite.path) for path in suite.runs()]
    assert results_files([]) == results_files(["last"]) == relative[:1]
    assert results_files([runs]) == suite.runs()
    assert results_files([pictures]) == [pictures]
    assert one_file(runs) == ladder
    ladder.unlink()
    with pytest.raises(StoreError, match="not there any more"):
        results_files([])
