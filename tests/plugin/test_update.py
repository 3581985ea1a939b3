"""--perf-update: what is recorded, added, replaced, and what is not."""

import json
import re
import shlex

import pytest


def test_a_first_run_is_new_and_passes(suite):
    """The summary says that nothing could be compared, and how to record; nothing is recorded."""
    run = suite.latency()
    run.assert_outcomes(passed=2)
    run.stdout.re_match_lines(
        [
            "2 of 2 measured, nothing to compare with: none has a baseline yet",
            "record it: pytest --benchmark-only .* --perf-update=new$",
        ]
    )
    assert not suite.baseline_file.exists()


def test_never_writes_nothing_even_if_there_is_a_baseline(suite):
    """The default leaves a recorded file as it is, byte for byte."""
    suite.latency("--perf-update=new")
    before = suite.baseline_file.read_bytes()
    suite.latency()
    suite.latency("--perf-update=never", variants="fp32,bf16,bf16-sdpa")
    assert suite.baseline_file.read_bytes() == before


def test_new_records_what_is_not_there_and_keeps_what_is(suite):
    """A second run adds the new variant only, and says what it wrote."""
    first = suite.latency("--perf-update=new", variants="fp32")
    first.stdout.re_match_lines([r"baselines .*cpu-replayed-2t\.json: shapes/fp32 recorded"])
    stored = suite.baseline()["fp32"]
    second = suite.latency("--perf-update=new")
    second.stdout.re_match_lines([r"baselines .*: shapes/bf16 recorded$"])
    assert suite.sessions() == {"fp32": 1, "bf16": 1}
    assert suite.baseline()["fp32"] == stored


def test_the_second_run_is_gated_against_the_first(suite):
    """After recording, the verdict rests on the stored session."""
    suite.latency("--perf-update=new")
    suite.latency().assert_outcomes(passed=2)
    verdict = suite.results()["bf16"].verdict
    assert verdict.baseline_sessions == 1
    assert verdict.ratio == pytest.approx(1.0)


def test_create_pass_slower_accept_pass(suite):
    """The life of a baseline: recorded, kept, broken by a slowdown, accepted, kept again."""
    suite.latency("--perf-update=new").assert_outcomes(passed=2)
    suite.latency().assert_outcomes(passed=2)
    suite.slower("bf16", 3.0)
    suite.latency().assert_outcomes(passed=1, failed=1)
    suite.latency("--perf-update=new").assert_outcomes(passed=1, failed=1)
    suite.latency("--perf-update=reset", "-k", "test_latency[shapes-bf16]").assert_outcomes(
        passed=1, deselected=1
    )
    suite.latency().assert_outcomes(passed=2)
    assert suite.sessions() == {"fp32": 1, "bf16": 1}
    assert min(suite.baseline()["bf16"].sessions[0].latency_s) > 2.9


def _stored_with_other_versions(suite):
    document = json.loads(suite.baseline_file.read_text())
    for entry in document["entries"].values():
        entry["sessions"][0]["versions"].update(torch="0.4.1", python="2.7.18")
    suite.baseline_file.write_text(json.dumps(document))


def test_a_regression_says_how_much_how_sure_and_what_differs(suite):
    """The message of the failing test holds all that a person needs to decide."""
    suite.latency("--perf-update=new")
    _stored_with_other_versions(suite)
    suite.slower("bf16", 3.0)
    text = suite.latency().stdout.str()
    assert re.search(r"shapes bf16: REGRESSED: 2\d\d\.\d % slower than the baseline of 1 session ", text)
    assert re.search(r"95 % interval \+\d+\.\d to \+\d+\.\d %", text)
    assert re.search(r"least slowdown this comparison can find: \d+\.\d %", text)
    assert re.search(r"differs from the baseline: python 2\.7\.18 -> 3\.\d+\.\d+, torch 0\.4\.1 -> \d", text)


def test_the_printed_command_accepts_the_regression(suite):
    """What the message tells to run, run as it stands, makes the next run pass, and nothing else."""
    suite.latency("--perf-update=new")
    suite.replay({v: {"latency_s": [3.0, 3.1, 2.9]} for v in ("fp32", "bf16")})
    text = suite.latency().stdout.str()
    command = re.search(r"accept it: (.*--perf-variant=bf16 .*)", text)
    program, *arguments = shlex.split(command[1])
    assert program == "pytest"
    suite.run(*arguments, variants="").assert_outcomes(passed=1, deselected=2)
    suite.latency().assert_outcomes(passed=1, failed=1)
    assert suite.results()["bf16"].verdict.ratio == pytest.approx(1.0)


def test_append_adds_a_session_each_run(suite):
    """Also to an entry that is there."""
    for count in (1, 2, 3):
        suite.latency("--perf-update=append")
        assert suite.sessions() == {"fp32": count, "bf16": count}


def test_a_regressed_session_is_not_appended(suite):
    """Else a slowdown would creep into the baseline; the other variant's session is."""
    suite.latency("--perf-update=append")
    suite.slower("bf16", 3.0)
    suite.latency("--perf-update=append").assert_outcomes(passed=1, failed=1)
    assert suite.sessions() == {"fp32": 2, "bf16": 1}


def _stored_with_another_protocol(suite, variant):
    document = json.loads(suite.baseline_file.read_text())
    document["entries"][f"shapes/{variant}"]["protocol"] = "shapes 64x64 10 steps"
    suite.baseline_file.write_text(json.dumps(document))


def test_another_protocol_is_incompatible(suite):
    """It fails, for there is something to judge by and nothing was judged."""
    suite.latency("--perf-update=new")
    _stored_with_another_protocol(suite, "bf16")
    run = suite.latency("--perf-update=new")
    run.assert_outcomes(passed=1, failed=1)
    run.stdout.re_match_lines([r"shapes bf16: INCOMPATIBLE: .*'shapes 64x64 10 steps'"])
    assert suite.results()["bf16"].verdict.ratio is None


def test_append_to_another_protocol_fails_that_variant_only(suite):
    """The other variant's session is stored all the same."""
    suite.latency("--perf-update=new")
    _stored_with_another_protocol(suite, "bf16")
    run = suite.latency("--perf-update=append")
    run.assert_outcomes(passed=1, failed=1)
    run.stdout.re_match_lines([r".*record it anew: .*--perf-update=reset"])
    assert suite.sessions() == {"fp32": 2, "bf16": 1}


def test_reset_replaces_another_protocol(suite):
    """And the next run is compared again."""
    suite.latency("--perf-update=new")
    _stored_with_another_protocol(suite, "bf16")
    suite.latency("--perf-update=reset").assert_outcomes(passed=2)
    suite.latency()
    assert suite.results()["bf16"].verdict.ratio == pytest.approx(1.0)


def test_reset_replaces_all_sessions_by_this_one(suite):
    """However many were stored."""
    for _ in range(3):
        suite.latency("--perf-update=append", variants="fp32")
    suite.latency("--perf-update=reset", variants="fp32")
    assert suite.sessions() == {"fp32": 1}
