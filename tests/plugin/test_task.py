"""Which variants draw captions: those that are not exact."""

import shutil
from pathlib import Path

import pytest

QUALITY = Path(__file__).parents[1] / "quality"
BOTH = "bf16-sdpa,bf16-sdpa-deepcache:3"


@pytest.fixture
def asking(suite):
    """The suite with the task gate, and another."""
    for name in ("test_task.py", "test_ssim.py"):
        shutil.copy(QUALITY / name, suite.path / name)
    return suite


def test_an_exact_variant_has_no_such_test(asking):
    """It is deselected; pictures are drawn of both."""
    run = asking.run("test_task.py", "test_ssim.py", "--collect-only", "-q", variants=BOTH)
    found = [line for line in run.outlines if "::test_task" in line]
    assert found == ["test_task.py::test_task[shapes-bf16-sdpa-deepcache:3]"]
    assert sum("test_ssim[" in line for line in run.outlines) == 2


def test_who_chose_it_alone_is_told_why_it_is_not_taken(asking):
    """A run in which nothing would be left."""
    run = asking.run("test_task.py", "-rs", variants="bf16-sdpa")
    run.assert_outcomes(skipped=1)
    assert "all of bf16-sdpa is exact" in run.stdout.str()


def test_what_has_no_meaning_is_not_built(asking):
    """Chosen alone it fails with the reason."""
    run = asking.run("test_task.py", variants="bf16-sdpa-deepcache:31")
    run.assert_outcomes(errors=1)
    assert "an interval of 31 is beyond the 30 steps of shapes" in run.stdout.str()


def test_a_value_that_is_none_is_a_usage_error(asking):
    """With what can be given."""
    run = asking.run("test_task.py", variants="bf16-sdpa-deepcache:0")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert "give a whole number from 2 to 100, as in deepcache:3" in run.stderr.str()


@pytest.mark.parametrize("count", ["9", "many"])
def test_too_few_captions_are_a_usage_error(asking, count):
    """Of nine nothing can be told."""
    run = asking.run("test_task.py", f"--perf-captions={count}", variants=BOTH)
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert "captions" in run.stderr.str()
