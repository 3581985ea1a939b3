"""Compiled code that no later process finds fails the test of the start; an empty cache does not."""

import json

import pytest

VARIANT = "fp32-sdpa-compile"
NAME = "compiled once more"
CALLS = [1.01, 0.99, 1.0, 1.03, 0.98, 1.0]


@pytest.fixture
def start(suite):
    """The suite with the test of start, which may ask fresh processes."""
    suite.add("test_start.py", "benchmarks")
    suite.ini("perf_confirm = 2")
    return suite


def _run(suite, *arguments, cache_off="", **script):
    suite.replay({VARIANT: {"fresh_latency_s": [CALLS], **script}, "cache_off": cache_off})
    return suite.run("test_latency.py", "test_start.py", *arguments, variants=VARIANT)


def _found(suite):
    (found,) = [q for q in suite.results()[VARIANT].start if q.name == NAME]
    return found


def _stored(suite):
    """Of each stored session, graphs that it compiled, and those that a later process compiled once more."""
    file = json.loads((suite.path / "baselines" / "cpu-replayed-2t.json").read_text())
    found = [s["compilation"] for s in file["entries"][f"shapes/{VARIANT}"]["sessions"]]
    return [(c["misses"], c["again"]) for c in found]


def _fresh(suite):
    return [e for e in suite.events() if e.startswith(("fresh", "worker prepare"))]


def test_an_empty_cache_begins_a_baseline_and_a_cleared_one_is_no_finding(start):
    """The fresh sessions with which a baseline begins know it; later one more process is asked."""
    _run(start, "--perf-update=new", compiled=[0, 2], fresh_compiled=[[2, 0], [2, 0]]).assert_outcomes(
        passed=2
    )
    assert (_found(start).verdict.status, _found(start).budget) == ("NEW", 0.0)
    assert _fresh(start) == [f"fresh {VARIANT}"] * 2
    assert _stored(start) == [(2, 0), (0, None), (0, None)]
    _run(start, compiled=[0, 2], fresh_compiled=[[2, 0]]).assert_outcomes(passed=2)
    assert _found(start).verdict.status == "OK"
    assert _fresh(start)[2:] == [f"worker prepare {VARIANT}"]


def test_a_key_of_each_process_fails_and_can_be_accepted(start):
    """Also where nothing is stored; the table says it."""
    _run(start, "--perf-update=new", compiled=[2, 0], fresh_compiled=[[2, 0], [2, 0]]).assert_outcomes(
        passed=2
    )
    broken = {"compiled": [0, 2], "fresh_compiled": [[0, 2], [0, 2]]}
    run = _run(start, **broken)
    run.assert_outcomes(passed=1, failed=1)
    run.stdout.fnmatch_lines([
        f"*shapes {VARIANT}: {NAME} REGRESSED: a later process over the same folder compiled 2 of 2 graphs*",
    ])  # fmt: skip
    run.stdout.fnmatch_lines([f"{VARIANT} * {NAME} REGRESSED*"])
    run.stdout.fnmatch_lines(["*accept it: pytest --benchmark-only -k 'test_latency or test_start' *reset"])
    reset = {**broken, "fresh_compiled": [[0, 2]] * 3}
    _run(start, "--perf-update=reset", **reset).assert_outcomes(passed=2)
    _run(start, **broken).assert_outcomes(passed=2)
    assert "as in the baseline" in _found(start).verdict.detail


def test_what_is_broken_begins_no_baseline(start):
    broken = {"compiled": [0, 2], "fresh_compiled": [[0, 2]] * 3}
    _run(start, "--perf-update=new", **broken).assert_outcomes(passed=1, failed=1)
    assert start.sessions() == {}


def test_a_switch_that_is_off_is_named(start):
    off = "torch._inductor.config.fx_graph_cache is False, by TORCHINDUCTOR_FX_GRAPH_CACHE=0"
    run = _run(start, compiled=[0, 2], cache_off=off)
    run.assert_outcomes(passed=1, failed=1)
    run.stdout.fnmatch_lines([f"*torch keeps no compiled code, for {off}: take that away*"])
    assert _fresh(start) == []
