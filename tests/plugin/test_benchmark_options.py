"""pytest-benchmark's own options keep working."""

import json

import pytest


def test_its_json_has_variant_and_verdict(suite):
    """In extra_info, beside all samples that were judged."""
    suite.run("--benchmark-json=bench.json", variants="fp32,bf16")
    benchmarks = {b["name"]: b for b in json.loads((suite.path / "bench.json").read_text())["benchmarks"]}
    timed = benchmarks["test_latency[shapes-bf16]"]
    info = timed["extra_info"]
    assert (info["workload"], info["variant"], info["verdict"]) == ("shapes", "bf16", "NEW")
    assert info["evidence"] == ["replayed bf16"]
    assert info["first_call_s"] == pytest.approx(1.01)
    assert timed["stats"]["data"] == list(suite.results()["bf16"].session.latency_s)
    pictures = benchmarks["test_ssim[shapes-bf16]"]["extra_info"]
    assert pictures["pictures"] == "NEW"
    assert set(pictures["ssim"].values()) == {1.0}


def test_its_table_is_printed(suite):
    """Latencies and pictures are groups of their own."""
    text = suite.run().stdout.str()
    assert "benchmark 'latency': 2 tests" in text
    assert "benchmark 'pictures (one for each prompt)': 2 tests" in text
    assert "test_latency[shapes-bf16] " in text


def test_disable_draws_once_and_judges_nothing(suite):
    """The pictures are still compared."""
    suite.latency("--perf-update=new")
    before = suite.baseline_file.read_bytes()
    suite.slower("bf16", 3.0)
    run = suite.run(
        "--benchmark-disable", "--perf-update=append", "--perf-strict", "-k", "not (golden or ssim)"
    )
    run.assert_outcomes(passed=2, deselected=3)
    assert suite.results()["bf16"].verdict is None
    assert suite.results()["bf16"].session is None
    assert suite.baseline_file.read_bytes() == before
    suite.replay({"bf16": {"nan_prompts": [0]}})
    suite.run("--benchmark-disable").assert_outcomes(passed=4, failed=1)


def test_disable_says_that_nothing_was_timed(suite):
    """No verdict in the summary, and no word of a regression."""
    text = suite.latency("--benchmark-disable").stdout.str()
    assert "NEW" not in text
    assert " rounds (" not in text
    assert "rung" not in text


def test_skip_builds_nothing(suite):
    """Only the golden pictures, which are no benchmark, are drawn."""
    run = suite.run("--benchmark-skip")
    run.assert_outcomes(passed=1, skipped=4)
    assert [e for e in suite.events() if e.startswith("build")] == ["build fp32"]


def test_only_leaves_other_tests_out(suite):
    """Tests of other kinds in the same run are skipped, gates are not."""
    suite.pytester.makepyfile(test_other="def test_other(): raise AssertionError")
    suite.run("--benchmark-only").assert_outcomes(passed=5, skipped=1)


def test_compare_fail_needs_no_perfsuite(suite):
    """pytest-benchmark's own storage and comparison still gate, beside the verdict."""
    suite.latency("--benchmark-save=first", variants="fp32")
    suite.slower("fp32", 2.0)
    run = suite.latency("--benchmark-compare", "--benchmark-compare-fail=median:50%", variants="fp32")
    assert run.ret != 0
    assert "Performance has regressed" in run.stdout.str() + run.stderr.str()
