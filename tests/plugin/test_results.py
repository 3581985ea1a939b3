"""--perf-results: every finished test is on disk, however the run ends."""

import signal
import sys

import pytest

VARIANTS = ("fp32", "bf16", "bf16-sdpa")
ARGUMENTS = ("test_latency.py", f"--perf-variant={','.join(VARIANTS)}", "--perf-update=new")
unix = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")


def test_a_file_of_the_users_choice(suite):
    """Its folder is made, the summary says where it is."""
    run = suite.latency("--perf-results=deep/run.jsonl", variants="fp32")
    assert list(suite.results("deep/run.jsonl")) == ["fp32"]
    run.stdout.fnmatch_lines(["results as a page: perfsuite report deep/run.jsonl"])


def test_latency_and_pictures_of_a_variant_are_one_result(suite):
    """With the evidence of its optimizations."""
    suite.run()
    result = suite.results()["bf16"]
    assert result.session is not None
    assert result.quality is not None
    assert result.evidence == ("replayed bf16",)


def test_the_raw_samples_are_stored(suite):
    """Not rounded, warm-up and first call apart."""
    suite.replay({"fp32": {"latency_s": [2.0, 1.5, 1.25]}})
    suite.latency("--perf-time-budget=8", variants="fp32")
    session = suite.results()["fp32"].session
    assert session.first_call_s == pytest.approx(2.0)
    assert session.warmup_s[:3] == pytest.approx((1.5, 1.25, 2.0))
    assert sorted(set(map(float, map("{:.6f}".format, session.latency_s)))) == [1.25, 1.5, 2.0]
    assert len(session.latency_s) == 5


def test_each_result_is_on_disk_when_its_test_ends(suite):
    """The next test of the same run finds it."""
    suite.pytester.makepyfile(
        test_z_read="""
        import pytest
        from pathlib import Path
        from perfsuite.store import read_results

        @pytest.mark.parametrize("seen", [2])
        def test_read(pipeline, seen):
            (path,) = Path(".perfsuite/runs").glob("*.jsonl")
            results = read_results(path).results
            assert results[-1].session is not None
            assert results[-1].variant == pipeline.context.variant.name
        """
    )
    suite.run("test_latency.py", "test_z_read.py").assert_outcomes(passed=4)


@pytest.fixture
def blocked(suite):
    """Start a run whose third variant never ends its fourth call; the first two are finished then."""
    started = []

    def start(*arguments):
        suite.replay({VARIANTS[2]: {"block_at_call": 4}})
        process = suite.start(*ARGUMENTS, *arguments)
        started.append(process)
        suite.wait_for("blocked-*")
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def _next_run_works(suite):
    suite.replay()
    suite.latency("--perf-update=new", variants=",".join(VARIANTS)).assert_outcomes(passed=3)
    assert suite.sessions() == dict.fromkeys(VARIANTS, 1)


@unix
def test_what_was_finished_survives_a_kill(suite, blocked):
    """Results are readable, the old baseline is there byte for byte, and the next run works."""
    suite.latency("--perf-update=new", variants="fp32")
    before = suite.baseline_file.read_bytes()
    process = blocked()
    process.kill()
    assert process.wait(30) == -signal.SIGKILL
    results = suite.results()
    assert [v for v in VARIANTS if results[v].session is not None] == ["fp32", "bf16"]
    assert suite.baseline_file.read_bytes() == before
    _next_run_works(suite)


@unix
def test_what_was_finished_is_recorded_after_ctrl_c(suite, blocked):
    """The interrupted variant is not; the summary is printed; the exit code is that of an interrupt."""
    process = blocked()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == pytest.ExitCode.INTERRUPTED
    assert suite.sessions() == {"fp32": 1, "bf16": 1}
    assert suite.results()["bf16-sdpa"].session is None
    printed = (suite.path / "run-0.txt").read_text()
    assert "shapes/fp32, shapes/bf16 recorded" in printed
    assert "2 of 3 NEW; 1 without a figure" in printed
    assert "release bf16-sdpa" in suite.events()
    _next_run_works(suite)


@unix
def test_two_runs_at_once_lose_nothing_of_each_other(suite):
    """Both have read the baseline before either writes it; both append."""
    suite.latency("--perf-update=new", variants="fp32,bf16")
    suite.replay({"bf16": {"block_at_call": 4}})
    processes = [
        suite.start(
            "test_latency.py",
            "--perf-variant=fp32,bf16",
            "--perf-update=append",
            f"--perf-results={name}.jsonl",
        )
        for name in ("one", "two")
    ]
    try:
        suite.wait_for("blocked-*", 2)
        (suite.path / "go").touch()
        assert [process.wait(30) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    assert suite.sessions() == {"fp32": 3, "bf16": 3}
    stored = {session.id for session in suite.baseline()["bf16"].sessions}
    measured = {suite.results(f"{name}.jsonl")["bf16"].session.id for name in ("one", "two")}
    assert measured < stored


def test_no_torch_is_imported_to_collect(suite):
    """Neither by the plugin nor by the tests themselves, in a fresh process."""
    (suite.path / "conftest.py").write_text(
        'import sys\npytest_plugins = ["perfsuite.plugin"]\n\n\n'
        "def pytest_sessionfinish(session):\n"
        '    heavy = {"torch", "diffusers", "numpy", "scipy", "pydantic"} & set(sys.modules)\n'
        '    assert not heavy, f"imported to collect: {sorted(heavy)}"\n'
    )
    process = suite.start("--collect-only", "-q")
    assert process.wait(60) == 0, (suite.path / "run-0.txt").read_text()
