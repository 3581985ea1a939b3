"""pytest-xdist: nothing can be timed while workers share a machine, and nothing breaks."""

import pytest

pytest.importorskip("xdist")


def test_two_workers_time_nothing_and_judge_the_pictures(suite):
    """Every test ends with an outcome; nothing is recorded."""
    suite.replay({variant: {"nan_prompts": [0, 1, 2, 3]} for variant in ("bf16", "bf16-sdpa")})
    suite.ini("    ignore::pytest_benchmark.logger.PytestBenchmarkWarning")
    run = suite.run("-p", "xdist", "-n2", "--perf-update=new", variants="bf16,bf16-sdpa")
    run.assert_outcomes(passed=3, failed=2)
    assert "pictures BROKEN" in run.stdout.str()
    assert suite.baseline() == {}


def test_workers_agree_on_what_is_not_for_the_device(suite):
    """Each leaves it out by itself; the counts are right, and so is the file for JUnit."""
    suite.ini("    ignore::pytest_benchmark.logger.PytestBenchmarkWarning")
    chosen = "tf32 or (bf16-sdpa and not compile)"
    run = suite.run("-p", "xdist", "-n2", "-k", chosen, "--junit-xml=junit.xml", variants="")
    run.assert_outcomes(passed=2)
    assert set(suite.junit("junit.xml")) == {"test_latency[shapes-bf16-sdpa]", "test_ssim[shapes-bf16-sdpa]"}
