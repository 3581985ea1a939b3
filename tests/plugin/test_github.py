"""In GitHub Actions: a summary of the step, and annotations at the tests that somebody must look at."""

import re

import pytest


@pytest.fixture
def actions(suite, monkeypatch):
    """As in a step of a workflow."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(suite.path))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(suite.path / "summary.md"))
    return suite


def _summary(suite):
    return (suite.path / "summary.md").read_text()


def _annotations(run):
    return [line for line in run.outlines if line.startswith("::")]


def test_a_regression_is_annotated_and_summarized(actions):
    """At the test's line, with the message of its failure in one line; in the summary it comes first."""
    actions.latency("--perf-update=new")
    actions.slower("bf16", 3.0)
    run = actions.latency()
    run.assert_outcomes(passed=1, failed=1)
    (line,) = _annotations(run)
    found = re.fullmatch(r"::error file=test_latency\.py,line=(\d+),title=([^:]*)::(.*)", line)
    assert found, line
    source = (actions.path / "test_latency.py").read_text().splitlines()
    assert source[int(found[1]) - 1].startswith(("def test_latency", "@pytest.mark.benchmark"))
    assert found[2] == "perfsuite%3A shapes bf16 REGRESSED"
    assert found[3].startswith("shapes bf16: REGRESSED: ")
    assert "%0Aaccept it: pytest --benchmark-only -k test_latency" in found[3]
    assert re.search(r"\d %25 slower", found[3])
    last = _summary(actions).split("## perfsuite: ")[-1]
    assert last.startswith("1 of 2 results worse\n")
    assert "What to do" in last


def test_the_summary_is_appended(actions):
    """As GitHub asks: what other programs of the step wrote stays."""
    (actions.path / "summary.md").write_text("# of another program\n")
    actions.latency()
    actions.latency()
    text = _summary(actions)
    assert text.startswith("# of another program\n\n## perfsuite: ")
    assert text.count("## perfsuite: ") == 2


def test_the_summary_stays_below_githubs_limit(actions):
    """It counts what is there; of a summary that is too long GitHub shows nothing at all."""
    path = actions.path / "summary.md"
    path.write_text("x" * (2**20 - 300))
    actions.latency()
    assert 2**20 - 300 < path.stat().st_size <= 2**20
    assert "does not fit here" in _summary(actions)
    path.write_text("x" * (2**20 - 20))
    run = actions.latency()
    assert path.stat().st_size == 2**20 - 20
    assert "no room for a summary" in run.stdout.str()


def test_wrong_pictures_and_failed_builds_are_annotated(actions):
    """Each failing test once, whatever made it fail."""
    actions.thresholds(0.99, "bf16", "bf16-sdpa")
    actions.golden()
    error = ["RuntimeError", "no, 50 % memory: left"]
    actions.replay({"bf16": {"noise": 0.2}, "bf16-sdpa": {"build_error": error}})
    run = actions.run("test_ssim.py", variants="bf16,bf16-sdpa")
    run.assert_outcomes(passed=1, failed=1, errors=1)
    titles = sorted(re.search(r"title=([^:]*)", line)[1] for line in _annotations(run))
    assert titles == [
        "perfsuite%3A shapes bf16 pictures DEGRADED",
        "perfsuite%3A test_ssim[shapes-bf16-sdpa] failed in setup",
    ]
    (built,) = [line for line in _annotations(run) if "bf16-sdpa" in line]
    assert built.endswith("::RuntimeError: no, 50 %25 memory: left")


def test_a_golden_mismatch_is_annotated(actions):
    """It has no variant, and is this suite's test all the same."""
    actions.golden(noise=0.2)
    (line,) = _annotations(actions.pictures(variants="bf16"))
    assert "title=perfsuite%3A shapes float32 against golden DEGRADED::" in line
    assert "perfsuite calibrate --golden --workload=shapes" in line


def test_what_waits_for_a_person_is_a_warning(actions):
    """Faster than the baseline: until it is taken, a slowdown back to it goes unseen."""
    actions.latency("--perf-update=new")
    actions.latency("--perf-update=append")
    actions.latency("--perf-update=append")
    actions.slower("bf16", 0.2)
    run = actions.latency()
    run.assert_outcomes(passed=2)
    (line,) = _annotations(run)
    assert line.startswith("::warning file=test_latency.py,line=")
    assert "shapes bf16 IMPROVED::" in line
    assert "--perf-update=reset" in line
    assert _annotations(actions.latency("--perf-update=reset")) == []


@pytest.mark.parametrize("factor", [1.0, 1.02])
def test_nobody_is_called_for_nothing(actions, factor):
    """NEW, OK and INCONCLUSIVE are in the summary; nobody need act on one run of them."""
    assert _annotations(actions.latency("--perf-update=new")) == []
    actions.slower("bf16", factor)
    run = actions.latency()
    run.assert_outcomes(passed=2)
    assert _annotations(run) == []


def test_files_are_named_from_the_root_of_the_checkout(actions, monkeypatch):
    """Where the tests are in a folder of it."""
    monkeypatch.setenv("GITHUB_WORKSPACE", str(actions.path.parent))
    actions.replay({"bf16": {"draw_error": ["ValueError", "x"]}})
    (line,) = _annotations(actions.latency(variants="bf16"))
    assert f"::error file={actions.path.name}/test_latency.py,line=" in line


def test_other_tests_are_not_annotated(actions):
    """A failure that is not this suite's is none of its business."""
    actions.pytester.makepyfile(test_other="def test_other(): assert False")
    run = actions.run("test_other.py")
    run.assert_outcomes(failed=1)
    assert _annotations(run) == []
    assert not (actions.path / "summary.md").exists()


def test_nothing_of_it_elsewhere(suite):
    """Without GitHub's variables no line and no file."""
    suite.replay({"bf16": {"draw_error": ["ValueError", "x"]}})
    assert _annotations(suite.latency(variants="bf16")) == []
    assert not (suite.path / "summary.md").exists()


def test_a_summary_that_cannot_be_written_breaks_nothing(actions, monkeypatch):
    """The verdicts are there all the same; the reason is said."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(actions.path / "no" / "folder" / "summary.md"))
    run = actions.latency("--perf-update=new")
    run.assert_outcomes(passed=2)
    assert "ERROR: no summary for GitHub: " in run.stdout.str()
    assert actions.sessions() == {"fp32": 1, "bf16": 1}


def test_an_interrupted_run_says_so(actions):
    """Ctrl-C in the second rung: what was finished is summarized, and where it ended."""
    actions.replay({"bf16": {"draw_error": ["KeyboardInterrupt", ""]}})
    process = actions.start("test_latency.py", "--perf-variant=fp32,bf16")
    assert process.wait(60) == 2
    text = _summary(actions)
    assert "**The run was interrupted: this is what was finished.**" in text
    assert "Nothing was measured of <code>shapes bf16</code>" in text
    assert "<code>shapes fp32</code> | NEW |" in text
