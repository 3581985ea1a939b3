"""--perf-report: a page after the run, with every variant's pictures, and the same page later from files."""

import re

from perfsuite.report import html


def _page(suite, folder="page"):
    return (suite.path / folder / "index.html").read_text()


def _without_date(text):
    return re.sub(r"Made [\d :-]+ UTC", "", text)


def test_nothing_is_written_or_kept_without_it(suite):
    suite.pictures().assert_outcomes(passed=3)
    assert not list(suite.path.rglob("*.html"))
    assert not list(suite.path.rglob("*-exhibits"))
    assert suite.results()["bf16"].exhibits is None


def test_a_page_with_the_pictures_of_every_variant(suite):
    """Those that pass too; the summary names the file."""
    run = suite.run("test_ssim.py", "test_latency.py", "--perf-report=page")
    run.stdout.fnmatch_lines(["*report *page/index.html"])
    found = _page(suite)
    assert "Replayed CPU" in found
    for variant in ("fp32", "bf16"):
        kept = suite.results()[variant].exhibits
        assert kept is not None
        assert len(kept.pictures) == 4
        for files in kept.pictures:
            assert (suite.path / ".perfsuite" / "runs" / files.variant).is_file()
            assert files.prompt in found
    assert found.count('type="range"') == 8


def test_the_same_page_from_files_alone(suite):
    """Before the baselines changed, and after: the sessions that this run stored are not its baseline."""
    suite.run("test_ssim.py", "test_latency.py", "--perf-report=page", "--perf-update=new")
    first = _page(suite)
    assert suite.sessions() == {"fp32": 1, "bf16": 1}
    html.write(suite.runs(), suite.path / "again", suite.path / "baselines")
    assert _without_date(_page(suite, "again")) == _without_date(first)


def test_an_interrupted_run_has_a_page(suite):
    """With what was finished, and what was not."""
    suite.replay({"bf16": {"draw_error": ["KeyboardInterrupt", "enough"]}})
    chosen = "--perf-variant=fp32,bf16,bf16-sdpa"
    assert suite.start("test_latency.py", "--perf-report=page", chosen).wait(60) == 2
    found = _page(suite)
    assert "Incomplete: 2 of 3 chosen variants have no result" in found
    assert "shapes/bf16, shapes/bf16-sdpa" in found


def test_a_run_in_which_nothing_could_be_built(suite):
    """No results of an earlier run are taken for this one's."""
    suite.latency()
    suite.replay({"bf16": {"build_error": ["RuntimeError", "no"]}})
    suite.latency("--perf-report=page", variants="bf16").assert_outcomes(errors=1)
    found = _page(suite)
    assert "This run has no results." in found
    assert "fp32</a>" not in found


def test_what_the_device_cannot_run_is_not_missing(suite):
    suite.latency("--perf-report=page", variants="fp32,fp16").assert_outcomes(passed=1, skipped=1)
    assert "Incomplete" not in _page(suite)


def test_a_page_that_cannot_be_written_is_an_error(suite):
    """The run's own outcome is still shown."""
    (suite.path / "page").write_text("in the way")
    run = suite.latency("--perf-report=page")
    run.stdout.fnmatch_lines(["*ERROR: no report: *page*"])
    assert run.ret != 0


def test_without_benchmarks_there_is_no_page(suite):
    suite.pytester.makepyfile(test_other="def test_other(): pass")
    run = suite.run("test_other.py", "--perf-report=page")
    run.stdout.fnmatch_lines(["*no report: no test of this run measured anything*"])
    assert not (suite.path / "page").exists()


def test_a_page_tells_of_the_baseline_that_its_run_began(suite):
    """And a reset's, of what it replaced."""
    suite.latency("--perf-report=page", "--perf-update=new")
    assert "It is the baseline of later runs." in _page(suite)
    suite.latency("--perf-report=page", "--perf-update=reset")
    assert "1 session for each of 2 variants" in _page(suite)
