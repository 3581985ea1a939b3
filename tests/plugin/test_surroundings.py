"""A baseline of another machine, though its name is the same: refused, or kept apart, and named."""

import pytest

CALLS = [1.01, 0.99, 1.0, 1.03, 0.98, 1.0]


def _around(suite, scripts=None, **environment):
    suite.replay({"environment": environment, **(scripts or {})})


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """No variable of this test run is named."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def test_other_instructions_are_not_compared(suite):
    """Shared runners hand out two processors under one name."""
    suite.latency("--perf-update=new", variants="fp32").assert_outcomes(passed=1)
    _around(suite, instruction_set="AVX2")
    suite.latency("--perf-strict", variants="fp32").assert_outcomes(failed=1)
    verdict = suite.results()["fp32"].verdict
    assert verdict.status == "INCOMPATIBLE"
    assert verdict.causes == ("ENVIRONMENT",)
    assert verdict.detail == "not the machine of the baseline: instruction_set AVX512 -> AVX2"


def test_they_are_never_appended(suite):
    suite.latency("--perf-update=new", variants="fp32")
    before = suite.baseline_file.read_bytes()
    _around(suite, instruction_set="AVX2")
    suite.latency("--perf-update=append", variants="fp32").assert_outcomes(failed=1)
    suite.latency("--perf-update=new", variants="fp32").assert_outcomes(failed=1)
    assert suite.baseline_file.read_bytes() == before


def test_fewer_threads_are_not_new(suite):
    """The same processor has a baseline: that says more than NEW, and nothing is stored beside it."""
    suite.latency("--perf-update=new", variants="fp32")
    _around(suite, threads="1")
    suite.latency("--perf-update=new", variants="fp32").assert_outcomes(failed=1)
    verdict = suite.results()["fp32"].verdict
    assert verdict.status == "INCOMPATIBLE"
    assert "threads 2 -> 1" in verdict.detail
    assert [p.name for p in suite.path.glob("baselines/*.json")] == ["cpu-replayed-2t.json"]


def test_they_are_kept_apart_where_that_is_wanted(suite):
    suite.latency("--perf-update=new", variants="fp32")
    _around(suite, threads="1")
    suite.latency("--perf-update=reset", variants="fp32").assert_outcomes(passed=1)
    names = sorted(p.name for p in suite.path.glob("baselines/*.json"))
    assert names == ["cpu-replayed-1t.json", "cpu-replayed-2t.json"]
    suite.latency(variants="fp32")
    assert suite.results()["fp32"].verdict.status != "INCOMPATIBLE"


def test_what_moved_is_named_before_a_regression(suite):
    suite.latency("--perf-update=new", variants="fp32")
    slow = {"latency_s": [4 * s for s in CALLS]}
    _around(suite, {"fp32": slow}, allocator="libjemalloc")
    run = suite.latency(variants="fp32")
    run.assert_outcomes(failed=1)
    verdict = suite.results()["fp32"].verdict
    assert verdict.causes[0] == "ENVIRONMENT"
    assert verdict.detail.startswith("the environment is not the baseline's (allocator glibc -> libjemalloc)")
    run.stdout.fnmatch_lines(["*REGRESSED*ENVIRONMENT*allocator glibc -> libjemalloc*"])


def test_what_moved_is_no_cause_of_a_good_verdict(suite):
    suite.latency("--perf-update=new", variants="fp32")
    for _ in range(2):
        suite.latency("--perf-update=append", variants="fp32")
    _around(suite, {"fp32": {"latency_s": [s / 8 for s in CALLS]}}, allocator="libjemalloc")
    suite.latency(variants="fp32")
    assert "ENVIRONMENT" not in suite.results()["fp32"].verdict.causes
