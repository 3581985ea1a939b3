"""pytest-xdist: nothing can be timed while workers share a machine, and nothing breaks."""

import pytest

pytest.importorskip("xdist")


def test_two_workers_time_nothing_and_judge_the_pictures(suite):
    """Every test ends with an outcome; nothing is recorded."""
    suite.thresholds(0.99, "fp32", "bf16")
    suite.replay({"bf16": {"nan_prompts": [0]}})
    suite.ini("    ignore::pytest_benchmark.logger.PytestBenchmarkWarning")
    run = suite.run("-n2", "--perf-update=new")
    run.assert_outcomes(passed=4, failed=1)
    assert "pictures BROKEN" in run.stdout.str()
    assert suite.baseline() == {}
