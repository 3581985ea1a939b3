"""--perf-load, and what a baseline begins with: other processes beside the run, sessions without weight."""

import json

import pytest

CALLS = [1.01, 0.99, 1.0, 1.03, 0.98, 1.0]
BUSY = "other processes keep 1.02 of 2 cores busy: python (process 7) 0.97"


@pytest.fixture
def confirming(suite):
    """The suite with fresh processes, which measure what each session does."""
    suite.ini("perf_confirm = 2")
    suite.replay({"bf16": {"fresh_latency_s": [CALLS]}, "fp32": {"fresh_latency_s": [CALLS]}})
    return suite


def _sessions(suite, variant):
    document = json.loads(suite.baseline_file.read_text())
    return document["entries"][f"shapes/{variant}"]["sessions"]


def test_a_new_baseline_begins_with_three_sessions(confirming):
    """Two of them of fresh processes, so that the next run can say OK."""
    confirming.latency("--perf-update=new").assert_outcomes(passed=2)
    assert confirming.sessions() == {"fp32": 3, "bf16": 3}
    run = confirming.latency()
    run.assert_outcomes(passed=2)


def test_without_fresh_processes_it_begins_with_one(confirming):
    confirming.latency("--perf-update=new", "--perf-confirm=0")
    assert confirming.sessions() == {"fp32": 1, "bf16": 1}


def test_a_fresh_process_that_fails_leaves_what_there_is(confirming):
    """And the summary says so."""
    confirming.replay({"bf16": {"fresh_error": "no room"}, "fp32": {"fresh_latency_s": [CALLS]}})
    run = confirming.latency("--perf-update=new")
    run.assert_outcomes(passed=2)
    run.stdout.fnmatch_lines(["shapes bf16: the baseline has fewer sessions: no room"])
    assert confirming.sessions() == {"fp32": 3, "bf16": 1}


def test_a_busy_machine_is_said_so_at_once(confirming):
    """Before the first variant is measured, with the names; and again at the end."""
    confirming.replay({"busy": BUSY})
    run = confirming.latency()
    run.assert_outcomes(passed=2)
    run.stdout.fnmatch_lines([f"*shapes fp32: a busy machine: {BUSY}*"])
    run.stdout.fnmatch_lines([f"a busy machine when the run began: {BUSY}"])
    assert run.stdout.str().count("a busy machine:") == 1


def test_it_fails_where_the_user_wants_that(confirming):
    confirming.replay({"busy": BUSY})
    run = confirming.latency("--perf-load=fail")
    run.assert_outcomes(passed=1, failed=1)
    run.stdout.fnmatch_lines([f"*BusyMachineError: {BUSY}; end them, or *--perf-load=wait"])


def test_an_unfit_session_is_stored_without_weight_and_the_next_run_adds_one(confirming):
    """It is in the file with its reason, and nothing is held to it."""
    confirming.replay({"bf16": {"latency_s": CALLS, "fresh_latency_s": [CALLS]}})
    confirming.latency("--perf-update=new", variants="bf16")
    document = json.loads(confirming.baseline_file.read_text())
    entry = document["entries"]["shapes/bf16"]
    entry["sessions"] = [{**entry["sessions"][0], "unfit": "12 of 12 rounds were disturbed"}]
    confirming.baseline_file.write_text(json.dumps(document))

    run = confirming.latency("--perf-update=new", variants="bf16")

    run.assert_outcomes(passed=1)
    verdict = confirming.results()["bf16"].verdict
    assert (verdict.status, verdict.causes) == ("INCONCLUSIVE", ("FEW_SESSIONS", "UNFIT_SESSION"))
    assert [bool(s.get("unfit")) for s in _sessions(confirming, "bf16")] == [True, False]
