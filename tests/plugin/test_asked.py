"""What a run is asked to judge and what it judges: nothing that nobody left out goes missing in green."""

import fnmatch
import json
import subprocess
import sys

import pytest

from perfsuite.settings import EMPTY, OPTIONS

LOST = {"bfloat16": "emulated"}
PLAIN = ("-k", "not compile")
"""Whether there is a compiler is asked of torch, which these runs do without."""


@pytest.mark.parametrize("strict", [(), ("--perf-strict",)], ids=["", "strict"])
def test_a_run_that_can_judge_nothing_fails(suite, strict):
    """A runner that lost bfloat16: the status is in the sentence, in JUnit and in this run's results, so that
    nobody takes yesterday's for today's."""
    suite.latency("--perf-update=new", variants="bf16")
    yesterday = suite.runs()
    suite.replay(LOST)
    run = suite.latency(*strict, "--junit-xml=junit.xml", variants="bf16-sdpa")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.fnmatch_lines(["1 of 1 NOT_JUDGED", "shapes bf16-sdpa: NOT_JUDGED: bf16: *"])
    (case,) = suite.junit("junit.xml").values()
    assert case.failed
    assert case.properties["perfsuite.verdict"] == "NOT_JUDGED"
    assert case.properties["perfsuite.asked"] == "shapes/bf16-sdpa"
    assert suite.results()["bf16-sdpa"].verdict.status == "NOT_JUDGED"
    assert suite.last() == suite.runs()[-1] != yesterday[-1]
    assert [event for event in suite.events() if "bf16-sdpa" in event] == []


def test_pictures_alone_are_held_to_it_too(suite):
    """Golden pictures say nothing of the variant that was asked for."""
    suite.golden()
    suite.replay(LOST)
    run = suite.pictures(variants="bf16")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.assert_outcomes(passed=1, errors=1)


def test_a_variant_with_a_baseline_does_not_vanish(suite):
    """Nobody named it, the device cannot run it any more: LESS_JUDGED. What has no baseline is left out."""
    suite.latency(*PLAIN, "--perf-update=new", variants="").assert_outcomes(passed=3, deselected=12)
    suite.replay(LOST)
    run = suite.latency(*PLAIN, variants="")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    found = {name: result.verdict.status for name, result in suite.results().items()}
    assert {name for name, status in found.items() if status == "LESS_JUDGED"} == {"bf16", "bf16-sdpa"}
    assert found["fp32"] == "INCONCLUSIVE"
    run.stdout.fnmatch_lines(
        [
            "*2 of * LESS_JUDGED: bf16, bf16-sdpa; *",
            "judge it where it can be run, *: *",
        ]
    )
    assert suite.sessions() == {"fp32": 1, "bf16": 1, "bf16-sdpa": 1}


def test_nor_where_the_processor_goes_by_another_name_now(suite):
    """Without its instructions, or with fewer threads, it is another device: its former file knows."""
    suite.latency(*PLAIN, "--perf-update=new", variants="")
    suite.replay({**LOST, "environment": {"threads": "1"}})
    run = suite.latency(*PLAIN, variants="")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    found = {name: result.verdict.status for name, result in suite.results().items()}
    assert {name for name, status in found.items() if status == "LESS_JUDGED"} == {"bf16", "bf16-sdpa"}
    assert found["fp32"] == "INCOMPATIBLE"


@pytest.mark.parametrize(
    "less", [("--perf-variant=fp32",), ("--perf-variant=fp32,bf16", "-k", "fp32"), ("-k", "shapes-fp32]")]
)
def test_what_was_left_out_was_asked_for(suite, less):
    suite.latency("--perf-update=new")
    run = suite.latency(*less, variants="")
    assert run.ret == pytest.ExitCode.OK
    assert "JUDGED" not in run.stdout.str()


def test_a_variant_that_is_none_any_more_does_not_vanish(suite):
    """As when its registration goes: the whole ladder is judged, and less than the baseline has."""
    suite.latency("--perf-update=new", variants="fp32,bf16")
    document = json.loads(suite.baseline_file.read_text())
    entry = document["entries"].pop("shapes/bf16") | {"variant": "warp"}
    document["entries"]["shapes/warp"] = entry
    suite.baseline_file.write_text(json.dumps(document))
    assert suite.latency(variants="fp32").ret == pytest.ExitCode.OK
    run = suite.latency(*PLAIN, variants="")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.fnmatch_lines(["*LESS_JUDGED: warp*", "*perfsuite baselines prune --yes"])
    assert suite.results()["warp"].verdict.status == "LESS_JUDGED"


def test_a_workload_that_is_none_any_more_does_not_vanish(suite):
    """As when it was renamed: all of its entries are compared with nothing. Who names workloads chose."""
    suite.latency("--perf-update=new", variants="fp32")
    text = suite.baseline_file.read_text()
    suite.baseline_file.write_text(text.replace('"shapes/', '"figures/').replace('"shapes"', '"figures"'))
    run = suite.latency(*PLAIN, variants="")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.fnmatch_lines(["LESS_JUDGED: figures: there is a baseline, but no such workload any more"])
    assert suite.latency(*PLAIN, "--perf-workload=shapes", variants="").ret == pytest.ExitCode.OK


@pytest.mark.parametrize("body", ["pytest.skip('a reason')", "pass"])
def test_tests_that_judge_nothing_fail_the_run(suite, body):
    """Whoever skips them, and where a test forgets its gate."""
    suite.pytester.makepyfile(
        test_mine=f"import pytest\n\n\ndef test_latency(pipeline, latency_gate):\n    {body}\n"
    )
    run = suite.run("test_mine.py", variants="fp32")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.fnmatch_lines(["NOT_JUDGED: nothing was judged of shapes/fp32: *"])
    assert suite.results()["fp32"].verdict.status == "NOT_JUDGED"
    # In a process of its own: pytester's record of this one's hooks holds the skip, and that the pipeline.
    untimed = suite.start("test_mine.py", "--benchmark-disable", "--perf-variant=fp32")
    assert untimed.wait(60) == pytest.ExitCode.OK


SKIPPING = """
import pytest

def test_latency(pipeline, latency_gate):
    {body}
    check = latency_gate(pipeline)
    assert check, check.message

{mark}
def test_memory(pipeline, memory_gate):
    check = memory_gate(pipeline)
    assert check, check.message

def test_ssim(pipeline, picture_gate):
    check = picture_gate(pipeline)
    assert check, check.message
"""
ONLY = "if pipeline.context.variant.name == 'bf16': "


@pytest.mark.parametrize(
    ("body", "mark", "less", "said"),
    [
        ("pytest.skip('a reason')", "", {"fp32", "bf16"}, "shapes fp32: test_latency *: a reason"),
        (f"{ONLY}pytest.skip('a reason')", "", {"bf16"}, "shapes bf16: test_latency *: a reason"),
        (f"{ONLY}return", "", {"bf16"}, "shapes bf16: test_latency *: it came to no verdict"),
        ("", "@pytest.mark.skip('a reason')", set(), "shapes fp32: test_memory *: a reason"),
    ],
)
def test_what_has_a_baseline_is_not_skipped_in_green(suite, body, mark, less, said):
    """Though its pictures, or other variants, are judged."""
    suite.latency("--perf-update=new", "--perf-confirm=0")
    (suite.path / "test_mine.py").write_text(SKIPPING.format(body=body, mark=mark))
    # In a process of its own, as above.
    run = suite.start("test_mine.py", "--perf-variant=fp32,bf16")
    assert run.wait(60) == pytest.ExitCode.TESTS_FAILED
    printed = (suite.path / "run-0.txt").read_text()
    assert fnmatch.filter(printed.splitlines(), f"LESS_JUDGED: {said}; if that is meant, *"), printed
    found = {n: r.verdict and r.verdict.status for n, r in suite.results().items()}
    assert {name for name, status in found.items() if status == "LESS_JUDGED"} == less
    assert "REGRESSED" not in printed
    left_out = suite.start("test_mine.py", "--perf-variant=fp32,bf16", "-k", "test_ssim")
    assert left_out.wait(60) == pytest.ExitCode.OK


def test_a_skip_beside_what_is_judged_is_none(suite):
    """Named, not runnable here, and without a baseline: it is said; with --perf-strict it fails."""
    suite.replay(LOST)
    run = suite.latency(variants="fp32,bf16")
    run.assert_outcomes(passed=1, skipped=1)
    assert run.ret == pytest.ExitCode.OK
    run.stdout.fnmatch_lines(["1 of 2 measured, *"])
    suite.latency("--perf-strict", "--perf-update=new", variants="fp32,bf16").assert_outcomes(
        passed=1, errors=1
    )


def test_a_folder_that_is_not_there_is_no_baseline(suite):
    """A name mistyped: all would be NEW, and pass. Recorded into it is made."""
    run = suite.latency("--perf-baselines=baselins", variants="fp32")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert "perfsuite: --perf-baselines=baselins: there is no folder " in run.stdout.str()
    assert suite.events() == []
    suite.latency("--perf-baselines=baselins", "--perf-update=new", variants="fp32").assert_outcomes(passed=1)
    suite.latency("--perf-baselines=baselins", variants="fp32").assert_outcomes(passed=1)


def test_workers_that_skip_all_fail_the_run(suite):
    """Each has a part, and the process that has all reports says it."""
    pytest.importorskip("xdist")
    suite.ini("    ignore::pytest_benchmark.logger.PytestBenchmarkWarning")
    suite.pytester.makepyfile(
        test_mine="""
        import pytest

        def test_ssim(pipeline, picture_gate):
            pytest.skip("a reason")
        """
    )
    workers = ("-p", "xdist", "-n2")
    run = suite.run("test_mine.py", *workers, variants="fp32,bf16")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.fnmatch_lines(["*NOT_JUDGED: nothing was judged of shapes/*: a reason"])
    assert suite.run("test_mine.py", "test_ssim.py", *workers, variants="fp32,bf16").ret == pytest.ExitCode.OK


# -- weights that nobody chose -------------------------------------------------------------------------


@pytest.fixture
def offline(suite, monkeypatch):
    """Baselines of the hub's weights, and no hub."""
    from perfsuite.pipelines.models import sources

    monkeypatch.setattr(sources, "_is_cached", lambda *_: False)
    monkeypatch.setattr(sources, "_unreachable", lambda hub: "the hub cannot be reached (Timeout)")
    sources.resolve.cache_clear()
    suite.latency(
        "--perf-workload=sdxl-base", "--perf-weights=random", "--perf-update=new", variants="bf16"
    ).assert_outcomes(passed=1)
    text = suite.baseline_file.read_text()
    assert " weights random" in text
    suite.baseline_file.write_text(text.replace(" weights random", " weights hub"))
    yield suite
    sources.resolve.cache_clear()


@pytest.mark.parametrize("more", [(), ("--perf-strict",), ("--perf-update=reset",), ("--perf-update=new",)])
def test_weights_that_fell_back_fail_and_are_never_stored(offline, more):
    """Nothing is built; nobody is told to store random weights."""
    stored = offline.baseline_file.read_bytes()
    built = offline.events()
    run = offline.run("--perf-workload=sdxl-base", *more, variants="bf16")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    assert "NOT_JUDGED: the weights are random, for they are not in the hub's cache" in run.stdout.str()
    assert "--perf-update=reset" not in run.stdout.str().replace("pytest --perf-update=reset", "")
    assert offline.baseline_file.read_bytes() == stored
    assert offline.events() == built


def test_other_weights_that_were_asked_for_are_not_advised_either(offline):
    """They are INCOMPATIBLE, which fails."""
    run = offline.latency("--perf-workload=sdxl-base", "--perf-weights=random", variants="bf16")
    run.assert_outcomes(failed=1)
    assert offline.results()["bf16"].verdict.causes == ("OTHER_WEIGHTS",)
    assert "--perf-update=reset" not in run.stdout.str()
    run.stdout.fnmatch_lines(["*never record it anew; measure with the baseline's weights*"])


@pytest.mark.parametrize("mode", ["new", "append", "reset"])
def test_weights_that_nobody_chose_begin_no_baseline(offline, mode):
    """Nothing is stored that the hub's would be INCOMPATIBLE with later; it is said, and how to mean it."""
    offline.baseline_file.unlink()
    offline.ini("perf_confirm = 2")
    command = ("--perf-workload=sdxl-base", f"--perf-update={mode}")
    run = offline.latency("--perf-workload=sdxl-base", variants="bf16")
    assert "no baseline begins" not in run.stdout.str()  # nothing was to be stored
    run = offline.latency(*command, variants="bf16")
    run.assert_outcomes(passed=1)
    run.stdout.fnmatch_lines(
        ["*sdxl-base: no baseline begins with these weights: they are random, for they are not in*"]
    )
    assert "record it: " not in run.stdout.str()
    assert not offline.baseline_file.exists()
    assert not [e for e in offline.events() if e.startswith("fresh")]
    offline.replay({"bf16": {"fresh_latency_s": [[1.0] * 6]}})
    run = offline.latency(*command, "--perf-weights=random", variants="bf16")
    assert "no baseline begins" not in run.stdout.str()
    stored = offline.sessions()["bf16"]
    assert stored == (1 if mode == "append" else 3)
    # What is stored was meant, and its weights are the same ones.
    run = offline.latency("--perf-workload=sdxl-base", "--perf-update=append", variants="bf16")
    assert offline.sessions() == {"bf16": stored + 1}
    assert "no baseline begins" not in run.stdout.str()


# -- empty values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_refuses_an_empty_value(suite, option):
    """On the command line, as an unset shell variable leaves it, and in the ini file."""
    run = suite.run(f"{option.flag_name}=", "--collect-only", variants="")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    if not option.flag:
        run.stderr.fnmatch_lines([f"ERROR: perfsuite: {option.flag_name}: {EMPTY}"])
    suite.ini(f"{option.ini} = ")
    run = suite.run("--collect-only", variants="")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines([f"ERROR: perfsuite: {option.ini}: {EMPTY}"])


def test_the_summary_is_of_the_run_that_judged_nothing(suite):
    """Not of the one before."""
    suite.latency("--perf-update=new", variants="bf16")
    suite.replay(LOST)
    suite.latency(variants="bf16")
    command = [sys.executable, "-m", "perfsuite.cli", "summary"]
    done = subprocess.run(command, cwd=suite.path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("## perfsuite: 1 of 1 result not judged\n")
    assert "LESS_JUDGED" in done.stdout
    assert done.stderr == f"the last ladder: {suite.last().relative_to(suite.path)}\n"


@pytest.mark.parametrize("file", ["test_memory.py", "test_start.py"])
def test_memory_and_start_alone_are_held_to_it_too(suite, file):
    """What the device cannot run any more: NOT_JUDGED, and LESS_JUDGED where there is a baseline."""
    suite.add(file, "benchmarks")
    suite.replay(LOST)
    run = suite.run(file, variants="bf16")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    assert suite.results()["bf16"].verdict.status == "NOT_JUDGED"
    suite.replay()
    suite.latency("--perf-update=new", variants="bf16")
    suite.run(file, variants="bf16").assert_outcomes(passed=1)
    suite.replay(LOST)
    assert suite.run(file, variants="bf16").ret == pytest.ExitCode.TESTS_FAILED
    assert suite.results()["bf16"].verdict.status == "LESS_JUDGED"


def test_workers_measure_no_memory_beside_each_other(suite):
    """Nor a start: what one takes of the machine would be laid to the other."""
    pytest.importorskip("xdist")
    suite.ini("    ignore::pytest_benchmark.logger.PytestBenchmarkWarning")
    for file in ("test_memory.py", "test_start.py"):
        suite.add(file, "benchmarks")
    process = suite.start(
        "test_memory.py", "test_start.py", "-p", "xdist", "-n", "2", "--perf-variant=fp32,bf16"
    )
    assert process.wait(60) == pytest.ExitCode.OK
    results = [result for path in suite.runs() for result in suite.results(path).values()]
    assert {result.variant for result in results} == {"fp32", "bf16"}
    assert [r for r in results if r.session or r.memory or r.start] == []
