"""What gets worse besides latency: memory and start, from the session that the latency test measured."""

import pytest

CALLS = [1.01, 0.99, 1.0, 1.03, 0.98, 1.0]
MIB = 2**20


@pytest.fixture
def worse(suite):
    """The suite with the tests of memory and start."""
    for name in ("test_memory.py", "test_start.py"):
        suite.add(name, "benchmarks")
    return suite


def _run(suite, *arguments, variants="fp32"):
    return suite.run("test_latency.py", "test_memory.py", "test_start.py", *arguments, variants=variants)


def _statuses(suite, what):
    return {q.name: q.verdict.status for q in getattr(suite.results()["fp32"], what)}


def _record(suite, sessions=3, **script):
    for number in range(sessions):
        suite.replay({"fp32": script})
        _run(suite, "--perf-update=new" if number == 0 else "--perf-update=append").assert_outcomes(passed=3)


def test_one_session_serves_all_three(worse):
    """Nothing is measured again, and without a baseline budgets hold."""
    _run(worse).assert_outcomes(passed=3)
    assert [e for e in worse.events() if e.startswith("build")] == ["build fp32"]
    assert set(_statuses(worse, "memory")) == {
        "growth", "resident growth", "thread growth", "file growth", "peak memory",
    }  # fmt: skip
    assert _statuses(worse, "start") == {"build": "NEW", "first call": "NEW"}
    assert worse.results()["fp32"].start[0].budget == pytest.approx(30.0, abs=0.1)


def test_memory_alone_measures_for_itself_and_becomes_no_baseline(worse):
    worse.run("test_memory.py", "--perf-update=new", variants="fp32").assert_outcomes(passed=1)
    assert worse.sessions() == {}
    assert worse.results()["fp32"].memory


def test_disabled_benchmarks_measure_nothing(worse):
    worse.run("test_memory.py", "test_start.py", "--benchmark-disable").assert_outcomes(passed=4)
    assert not any(e.startswith("wait") for e in worse.events())


def test_they_run_with_benchmark_only(worse):
    _run(worse, "--benchmark-only").assert_outcomes(passed=3)


def test_memory_that_grows_fails_without_a_baseline(worse):
    """And its session becomes none."""
    worse.replay({"fp32": {"kept_bytes": 100_000}})
    run = _run(worse, "--perf-update=new")
    run.assert_outcomes(passed=2, failed=1)
    assert _statuses(worse, "memory")["growth"] == "REGRESSED"
    run.stdout.fnmatch_lines(["*shapes fp32: growth REGRESSED: it grows by 10*.? kB a call*"])
    run.stdout.fnmatch_lines(["fp32 * growth REGRESSED*"])
    assert worse.sessions() == {}


@pytest.mark.parametrize("what", ["file", "thread"])
def test_a_file_or_a_thread_that_each_call_keeps_fails_too(worse, what):
    """It is less than a page, or memory that no allocator gave out, and ends the process all the same."""
    worse.replay({"fp32": {f"kept_{what}s": 1}})
    run = _run(worse)
    run.assert_outcomes(passed=2, failed=1)
    assert _statuses(worse, "memory")[f"{what} growth"] == "REGRESSED"
    run.stdout.fnmatch_lines([f"*shapes fp32: {what} growth REGRESSED: it grows by 1.00 a call*"])


def test_a_start_that_takes_longer(worse):
    _record(worse, build_s=2.0)
    worse.replay({"fp32": {"build_s": 12.0}})
    run = _run(worse)
    run.assert_outcomes(passed=2, failed=1)
    found = _statuses(worse, "start")
    assert found["build"] == "REGRESSED"
    assert found["first call"] != "REGRESSED"
    run.stdout.fnmatch_lines(["*build REGRESSED: 12.0 s, 2.0 s in the baseline: *"])
    run.stdout.fnmatch_lines(["*accept it: pytest --benchmark-only -k 'test_latency or test_start' *reset"])
    _run(worse, "--perf-update=reset").assert_outcomes(passed=3)
    _run(worse).assert_outcomes(passed=3)


def test_a_suspect_is_looked_at_in_fresh_processes(worse):
    """Those alone decide: here they start as fast as ever."""
    _record(worse, build_s=2.0)
    worse.ini("perf_confirm = 2")
    worse.replay({"fp32": {"build_s": 12.0, "fresh_build_s": 2.0, "fresh_latency_s": [CALLS]}})
    _run(worse).assert_outcomes(passed=3)
    assert "2 fresh sessions, at first 12.0 s" in worse.results()["fp32"].start[0].verdict.detail


def test_beside_others_a_start_says_nothing(worse):
    _record(worse, build_s=2.0)
    worse.replay({"fp32": {"build_s": 12.0, "build_contended": True}})
    _run(worse).assert_outcomes(passed=3)
    verdict = worse.results()["fp32"].start[0].verdict
    assert (verdict.status, verdict.causes[-1]) == ("INCONCLUSIVE", "OTHER_PROCESS")


def test_a_machine_that_is_slower_than_it_was_does_not_slow_the_start(worse):
    """Fixed work says so: it took as much longer as the build did."""
    _record(worse, build_s=2.0, fixed_work_s=[0.005, 0.005])
    worse.replay({"fp32": {"build_s": 3.2, "fixed_work_s": [0.0081, 0.0079]}})
    _run(worse).assert_outcomes(passed=3)
    verdict = worse.results()["fp32"].start[0].verdict
    assert (verdict.status, verdict.causes) == ("OK", ("EVERYTHING_SLOWER",))
    worse.replay({"fp32": {"build_s": 3.2, "fixed_work_s": [0.0051, 0.0049]}})
    run = _run(worse)
    run.assert_outcomes(passed=2, failed=1)
    run.stdout.fnmatch_lines(["*build REGRESSED: 3.2 s, 2.0 s in the baseline: *units of fixed work*"])


def test_a_variant_that_stays_in_memory_fails_the_run(worse):
    """Though every test passed, since it can be seen only once all is released."""
    worse.replay({"fp32": {"stays": True}})
    run = _run(worse, "--perf-update=new", variants="fp32,bf16")
    assert run.ret == 1
    assert _statuses(worse, "memory")["left behind"] == "REGRESSED"
    run.stdout.fnmatch_lines(["*shapes fp32: left behind REGRESSED: 1.0 MiB of its weights are held*"])
    assert set(worse.sessions()) == {"bf16"}


def test_what_a_variant_leaves_besides_its_weights_fails_the_run(worse):
    """Neither a call nor a peak shows it: each begins above what is there."""
    worse.replay({"fp32": {"leaves_bytes": 300 * MIB}, "bf16": {"leaves_bytes": 200 * MIB}})
    run = _run(worse, "--perf-update=new", variants="fp32,bf16")
    assert run.ret == 1
    run.assert_outcomes(passed=6)
    assert _statuses(worse, "memory")["held behind"] == "REGRESSED"
    run.stdout.fnmatch_lines(["*shapes fp32: held behind REGRESSED: 300 MiB more are held after it was rel*"])
    assert set(worse.sessions()) == {"bf16"}


@pytest.mark.parametrize("script", [{}, {"draw_error": ["MemoryError", "no room"]}], ids=["passed", "failed"])
def test_what_a_test_still_holds_is_not_left_behind(worse, script):
    """It holds its pipeline until it has ended: beyond the release, at a run's end and where it failed."""
    worse.replay({"fp32": {"own_bytes": 400 * MIB}, "bf16": {"own_bytes": 400 * MIB, **script}})
    _run(worse, "--perf-update=new", variants="fp32,bf16")
    every = [q.name for result in worse.results().values() for q in result.memory]
    assert "peak memory" in every
    assert "held behind" not in every


def test_the_first_pipeline_of_a_process_is_like_no_other(worse):
    """What libraries set up once it pays for: with what is stored of later ones it is not compared."""
    _record(worse, build_s=2.0, first=False)
    worse.replay({"fp32": {"build_s": 12.0}})
    _run(worse).assert_outcomes(passed=3)
    assert _statuses(worse, "start")["build"] == "NEW"
