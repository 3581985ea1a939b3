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
    assert set(benchmarks) == {"test_latency[shapes-fp32]", "test_latency[shapes-bf16]"}


def test_its_table_is_not_printed_for_what_this_suite_shows(suite):
    """Latencies are in the suite's own; how long pictures take is nobody's question, and no benchmark."""
    text = suite.run().stdout.str()
    assert "2 of 2 measured" in text
    assert "benchmark 'latency'" not in text
    assert "test_latency[shapes-bf16] " not in text
    assert "ssim" not in text.partition("= perfsuite =")[0].partition("test session starts")[2].replace(
        "test_ssim.py", ""
    )


@pytest.mark.parametrize(
    "option", ["--benchmark-columns=median", "--benchmark-verbose", "--benchmark-sort=name"]
)
def test_its_table_is_printed_for_whoever_asks(suite, option):
    """By an option for how it looks; before the suite's own section."""
    text = suite.run(option).stdout.str()
    table, section = text.index("benchmark 'latency': 2 tests"), text.index("= perfsuite =")
    assert table < text.index("test_latency[shapes-bf16] ") < section


def test_benchmarks_of_others_keep_its_table(suite):
    """Which then holds theirs alone."""
    suite.pytester.makepyfile(test_other="def test_other(benchmark): benchmark(sum, [])")
    text = suite.run("test_latency.py", "test_other.py").stdout.str()
    assert "benchmark: 1 tests" in text
    assert "test_latency[" not in text.partition("benchmark: 1 tests")[2].partition("= perfsuite =")[0]


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


def test_skip_times_nothing(suite):
    """Pictures are no benchmark: they are drawn and judged."""
    run = suite.run("--benchmark-skip")
    run.assert_outcomes(passed=3, skipped=2)
    assert suite.results()["bf16"].session is None
    assert suite.results()["bf16"].quality is not None


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
