"""Which variants are looked into: those that compile, and none where nobody wants it."""

import shutil
from pathlib import Path

import pytest

QUALITY = Path(__file__).parents[1] / "quality"
BOTH = "bf16-sdpa,bf16-sdpa-compile"


@pytest.fixture
def looking(suite):
    """The suite with the look into compiled code, and another."""
    for name in ("test_compiled.py", "test_ssim.py"):
        shutil.copy(QUALITY / name, suite.path / name)
    return suite


def collected(run):
    return [line for line in run.outlines if "::test_compiled" in line]


def test_an_eager_variant_has_no_such_test(looking):
    """It is deselected; the other looks are taken of both."""
    run = looking.run("test_compiled.py", "test_ssim.py", "--collect-only", "-q", variants=BOTH)
    assert collected(run) == ["test_compiled.py::test_compiled[shapes-bf16-sdpa-compile]"]
    assert sum("test_ssim[" in line for line in run.outlines) == 2


def test_it_can_be_left_out(looking):
    """The option takes it out of the run."""
    options = ("--collect-only", "-q", "--perf-look-compiled=no")
    run = looking.run("test_compiled.py", "test_ssim.py", *options, variants=BOTH)
    assert collected(run) == []
    assert sum("test_ssim[" in line for line in run.outlines) == 2


@pytest.mark.parametrize(
    ("variants", "options", "why"),
    [
        ("bf16-sdpa", (), "nothing of bf16-sdpa is compiled"),
        ("bf16-sdpa-compile", ("--perf-look-compiled=no",), "left out by --perf-look-compiled=no"),
    ],
)
def test_who_chose_it_alone_is_told_why_it_is_not_taken(looking, variants, options, why):
    """A run in which nothing would be left."""
    run = looking.run("test_compiled.py", "-rs", *options, variants=variants)
    run.assert_outcomes(skipped=1)
    assert why in run.stdout.str()


def test_another_word_is_a_usage_error(looking):
    """With the choices."""
    run = looking.run("test_compiled.py", "--perf-look-compiled=maybe", variants=BOTH)
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert "--perf-look-compiled" in run.stderr.str()
