"""Counts through the plugin: recorded, compared, accepted; what fails, and what is said."""

import json

import pytest

OPERATORS = {"aten.addmm in BasicTransformerBlock": 120, "aten.convolution in ResnetBlock2D": 60}
MORE = {**OPERATORS, "aten.clone in BasicTransformerBlock": 42}


@pytest.fixture
def counting(suite):
    """The suite with its test of counts, and one variant."""
    suite.add("test_counts.py", "structure")

    def run(*arguments, variants="bf16"):
        return suite.run("test_counts.py", *arguments, variants=variants)

    suite.counts = run
    return suite


def _stored(suite):
    from perfsuite.store import CountsStore

    return CountsStore(suite.path / "baselines", "cpu").load()


def test_a_first_run_is_new_and_passes_with_the_command(counting):
    """Nothing is recorded that nobody asked for."""
    run = counting.counts()
    run.assert_outcomes(passed=1)
    run.stdout.re_match_lines([
        r"shapes bf16: counts NEW: no counts of torch 2\.13 are stored for this variant",
        r"record it: pytest -k test_counts --perf-workload=shapes --perf-variant=bf16 --perf-update=new",
    ])  # fmt: skip
    assert _stored(counting) == {}


def test_new_fails_where_the_user_is_strict(counting):
    """Unless it is recorded by the same run."""
    run = counting.counts("--perf-strict")
    run.assert_outcomes(failed=1)
    said = ["E +AssertionError: shapes bf16: counts NEW: ", "E +record it: pytest -k test_counts "]
    run.stdout.re_match_lines(said)
    counting.counts("--perf-strict", "--perf-update=new").assert_outcomes(passed=1)
    counting.counts("--perf-strict").assert_outcomes(passed=1)


def test_record_pass_more_accept_pass(counting):
    """The life of stored counts, each mode of --perf-update in it."""
    run = counting.counts("--perf-update=new")
    run.assert_outcomes(passed=1)
    run.stdout.re_match_lines([r"baselines .*counts/cpu\.json: shapes/bf16 recorded"])
    counting.replay({"bf16": {"counts": {"operators": MORE, "flop": {"unet": 1_008_000_000}}}})
    for mode in ("never", "new", "append"):
        run = counting.counts(f"--perf-update={mode}")
        run.assert_outcomes(failed=1)
        run.stdout.re_match_lines([
            r"E +AssertionError: shapes bf16: counts REGRESSED: \+42 aten\.clone in .* 1 more",
            r"E +operators \+42:",
            r"E +\+42 aten\.clone in BasicTransformerBlock \(new\)",
            r"E +FLOPs of unet \+0\.8 % \(1 GFLOP -> 1\.008 GFLOP\)",
            r"E +accept it: pytest -k test_counts .*--perf-update=reset",
        ])  # fmt: skip
        assert dict(_stored(counting)["shapes/bf16"].counts["2.13"].operators) == OPERATORS
    run = counting.counts("--perf-update=reset")
    run.assert_outcomes(passed=1)
    run.stdout.re_match_lines([r"baselines .*counts/cpu\.json: shapes/bf16 reset"])
    counting.counts().assert_outcomes(passed=1)


def test_less_is_improved_and_to_be_taken_where_the_user_is_strict(counting):
    """It passes; strict users take it as the new baseline."""
    counting.counts("--perf-update=new")
    counting.replay({"bf16": {"counts": {"operators": {"aten.addmm in BasicTransformerBlock": 120}}}})
    run = counting.counts()
    run.assert_outcomes(passed=1)
    run.stdout.re_match_lines(
        [r"shapes bf16: counts IMPROVED: -60 aten\.convolution in ResnetBlock2D \(gone\)"]
    )
    counting.counts("--perf-strict").assert_outcomes(failed=1)


def test_an_unknown_minor_version_of_torch_is_new(counting):
    """And is recorded beside the known one."""
    counting.counts("--perf-update=new")
    counting.replay({"bf16": {"counts": {"versions": {"torch": "2.14.0.dev20260101"}, "operators": MORE}}})
    run = counting.counts()
    run.assert_outcomes(passed=1)
    run.stdout.re_match_lines(
        [r"shapes bf16: counts NEW: no counts of torch 2\.14 .*there are counts of torch 2\.13"]
    )
    counting.counts("--perf-update=new").assert_outcomes(passed=1)
    assert set(_stored(counting)["shapes/bf16"].counts) == {"2.13", "2.14"}


def test_a_torch_without_a_counter_has_the_rest_compared(counting):
    """The summary says what was not; a difference in the rest fails."""
    counting.counts("--perf-update=new")
    lacking = {"flop": None, "absent": {"flop": "this torch has no counter of floating point operations: x"}}
    counting.replay({"bf16": {"counts": lacking}})
    run = counting.counts()
    run.assert_outcomes(passed=1)
    run.stdout.re_match_lines([r"shapes bf16: FLOPs not compared: this torch has no counter of floating"])
    counting.replay({"bf16": {"counts": {**lacking, "operators": MORE}}})
    counting.counts().assert_outcomes(failed=1)


def test_counts_of_another_protocol_are_incompatible(counting):
    """They fail, for nothing was compared, and are replaced by a reset."""
    counting.counts("--perf-update=new")
    path = counting.path / "baselines" / "counts" / "cpu.json"
    path.write_text(path.read_text().replace("128x128", "64x64"))
    for argument in ("--perf-update=never", "--perf-update=append", "--perf-update=new"):
        run = counting.counts(argument)
        run.assert_outcomes(failed=1)
        run.stdout.re_match_lines([r"E +AssertionError: shapes bf16: counts INCOMPATIBLE: "])
    counting.counts("--perf-update=reset").assert_outcomes(passed=1)
    counting.counts("--perf-strict").assert_outcomes(passed=1)


def test_a_bad_file_ends_the_run_and_stays(counting):
    """Nothing is built; the message names the file."""
    counting.counts("--perf-update=new")
    path = counting.path / "baselines" / "counts" / "cpu.json"
    path.write_bytes(path.read_bytes()[:-40])
    damaged = path.read_bytes()
    counting.forget_events()
    run = counting.counts("--perf-update=reset")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert f"perfsuite: {path}: not valid JSON, or cut short" in run.stdout.str()
    assert counting.events() == []
    assert path.read_bytes() == damaged


def test_a_variant_whose_counts_regressed_gets_no_latency_baseline(counting):
    """Whatever was measured of it, in whichever order."""
    counting.counts("--perf-update=new")
    counting.replay({"bf16": {"counts": {"operators": MORE}}})
    run = counting.run("test_counts.py", "test_latency.py", "--perf-update=new", variants="bf16,fp32")
    run.assert_outcomes(passed=3, failed=1)
    assert counting.sessions() == {"fp32": 1}


def test_counting_that_fails_is_an_error_and_no_verdict(counting):
    """Neither counts nor latency of the variant are stored."""
    counting.replay({"bf16": {"count_error": ["RuntimeError", "out of memory"]}})
    run = counting.run("test_counts.py", "test_latency.py", "--perf-update=new", variants="bf16")
    run.assert_outcomes(passed=1, failed=1)
    run.stdout.re_match_lines([r"E +RuntimeError: out of memory"])
    assert _stored(counting) == {}
    assert counting.sessions() == {}


def test_counts_are_in_the_results_and_in_junit(counting):
    """With the verdict; `perfsuite explain` reads them there."""
    counting.counts("--junitxml=j.xml")
    result = counting.results()["bf16"]
    assert dict(result.counts.operators) == OPERATORS
    assert result.counted.status == "NEW"
    assert counting.junit("j.xml")["test_counts[shapes-bf16]"].properties["perfsuite.counts"] == "NEW"


def test_benchmark_only_does_not_skip_counts(counting):
    """They are part of every gate run."""
    run = counting.run("test_counts.py", "test_latency.py", "--benchmark-only", variants="bf16")
    run.assert_outcomes(passed=2)
    result = counting.results()["bf16"]
    assert result.counts is not None
    assert result.session is not None


def test_the_marker_chooses_them(counting):
    """It is registered: with --strict-markers an unknown one is an error."""
    run = counting.run("-m", "structure", variants="bf16")
    run.assert_outcomes(passed=1, deselected=3)


def test_profile_of_a_short_call_is_kept_where_asked_for(suite):
    """By operator; without the option there is none, and settings are always there."""
    suite.latency("--perf-profile=yes", variants="fp32")
    session = suite.results()["fp32"].session
    assert {name: hot.calls for name, hot in session.hot.items()} == {"aten::mm": 10}
    suite.latency(variants="fp32")
    session = suite.results()["fp32"].session
    assert session.hot == {}
    assert session.settings == {"torch.num_threads": "2"}


def test_results_of_before_are_readable(suite):
    """A file without counts, settings and profile."""
    from perfsuite.store import read_results

    suite.latency(variants="fp32")
    (path,) = suite.runs()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["schema_version"] = 1
    del lines[0]["asked"], lines[0]["timed"]
    for line in lines[1:]:
        del line["run"], line["counts"], line["counted"]
        if line["session"]:
            del line["session"]["settings"], line["session"]["hot"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (result,) = read_results(path).results
    assert result.counts is None
    assert result.session.settings == {}
