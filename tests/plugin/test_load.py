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
    run.stdout.fnmatch_lines(["shapes bf16: the baseline begins with fewer sessions: no room"])
    assert confirming.sessions() == {"fp32": 3, "bf16": 1}


def test_disturbed_sessions_are_replaced_but_not_for_ever(confirming):
    """One more is measured for one without weight; after a second the machine is too busy."""
    why = "5 of 5 rounds were disturbed"
    once = {"fresh_latency_s": [CALLS], "fresh_unfit": [why, "", ""]}
    always = {"fresh_latency_s": [CALLS], "fresh_unfit": [why]}
    confirming.replay({"fp32": once, "bf16": always})
    run = confirming.latency("--perf-update=new")
    run.assert_outcomes(passed=2)
    assert [s["unfit"] for s in _sessions(confirming, "fp32")] == ["", why, "", ""]
    assert [s["unfit"] for s in _sessions(confirming, "bf16")] == ["", why, why]
    run.stdout.fnmatch_lines([f"shapes bf16: the baseline begins with fewer sessions: {why}"])
    assert run.stdout.str().count(f"stored without weight: {why}") == 3


def test_it_begins_with_three_also_where_the_ladders_shape_judges(confirming):
    """A verdict without a baseline is no baseline."""
    bound = {
        "device_kind": "cpu", "workload": "shapes", "variant": "bf16", "over": "fp32", "least_speedup": 0.5,
        "source": "none",
    }  # fmt: skip
    folder = confirming.path / "baselines"
    folder.mkdir()
    (folder / "ladder-shape.json").write_text(json.dumps({"schema_version": 1, "bounds": [bound]}))
    confirming.latency("--perf-update=new").assert_outcomes(passed=2)
    assert confirming.results()["bf16"].verdict.detail.startswith("over fp32: ")
    assert confirming.sessions() == {"fp32": 3, "bf16": 3}


def test_what_is_accepted_anew_begins_with_three_too(confirming):
    confirming.latency("--perf-update=new")
    confirming.forget_events()
    confirming.latency("--perf-update=reset").assert_outcomes(passed=2)
    assert confirming.sessions() == {"fp32": 3, "bf16": 3}
    assert [e for e in confirming.events() if e.startswith("fresh")] == ["fresh fp32"] * 2 + [
        "fresh bf16"
    ] * 2


def test_where_there_is_a_baseline_nothing_is_added_to_it(confirming):
    confirming.latency("--perf-update=new")
    confirming.forget_events()
    confirming.latency("--perf-update=new")
    assert confirming.sessions() == {"fp32": 3, "bf16": 3}
    assert not [e for e in confirming.events() if e.startswith("fresh")]


def test_a_busy_machine_is_said_so_at_once(confirming):
    """Before anything is built, with the names; and again at the end."""
    confirming.replay({"busy": BUSY, "fp32": {"build_error": ["RuntimeError", "no such model"]}})
    run = confirming.latency("-q")
    run.assert_outcomes(passed=1, errors=1)
    run.stdout.fnmatch_lines(
        [
            f"perfsuite: a busy machine: {BUSY}",
            "*no such model*",
            f"a busy machine when the run began: {BUSY}",
        ]
    )
    assert run.stdout.str().count("a busy machine") == 2


@pytest.mark.parametrize("arguments", [["--benchmark-disable"], ["test_ssim.py"]])
def test_nobody_looks_where_nothing_is_timed(confirming, arguments):
    confirming.replay({"busy": BUSY})
    file = [] if "test_ssim.py" in arguments else ["test_latency.py"]
    run = confirming.run(*file, *arguments, "--perf-load=fail", variants="fp32")
    assert run.ret == 0
    assert "busy machine" not in run.stdout.str()


def test_the_run_fails_at_once_where_the_user_wants_that(confirming):
    """Nothing is built or measured, not even the first variant."""
    confirming.replay({"busy": BUSY})
    run = confirming.latency("--perf-load=fail")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.fnmatch_lines([f"*perfsuite: a busy machine: {BUSY}; end them, or *--perf-load=wait*"])
    assert confirming.events() == []


def test_patience_is_spent_by_what_was_waited(confirming):
    """A session waits for 20 s at most, a run for 60; where it is quiet, the last may wait as the first."""
    confirming.replay({"waited_s": 19.0})
    confirming.latency(variants="fp32,bf16,bf16-sdpa,bf16-sdpa-qkv,fp32-sdpa")
    waits = [float(e.removeprefix("wait ")) for e in confirming.events() if e.startswith("wait ")]
    assert waits == [20.0, 20.0, 20.0, 3.0]
    confirming.forget_events()
    confirming.replay({"waited_s": 1.0})
    confirming.latency(variants="fp32,bf16,bf16-sdpa,bf16-sdpa-qkv,fp32-sdpa")
    assert confirming.events().count("wait 20.0") == 5


@pytest.mark.parametrize("mode", ["measure", "fail"])
def test_who_does_not_want_to_wait_does_not(confirming, mode):
    confirming.latency(f"--perf-load={mode}")
    assert not [e for e in confirming.events() if e.startswith("wait ")]


def test_a_session_outlives_what_comes_after_it(confirming):
    """A run that is cut off while a suspect is measured again has its session on disk; nobody has judged it,
    so it is added to no baseline."""
    confirming.latency("--perf-update=new")
    slow = [2 * s for s in CALLS]
    confirming.replay({"bf16": {"latency_s": slow, "fresh_cut_off": True}})
    options = ("--perf-variant=fp32,bf16", "--perf-update=append", "--perf-report=page")
    run = confirming.pytester.runpytest_inprocess("test_latency.py", *options, no_reraise_ctrlc=True)
    assert run.ret == pytest.ExitCode.INTERRUPTED
    found = confirming.results()["bf16"]
    assert found.verdict is None
    assert min(found.session.latency_s) > max(CALLS)
    assert confirming.sessions() == {"fp32": 4, "bf16": 3}


def test_an_unfit_session_is_stored_without_weight_and_the_next_run_begins_anew(confirming):
    """It is in the file with its reason, and nothing is held to it; three with a weight come beside it."""
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
    assert [bool(s.get("unfit")) for s in _sessions(confirming, "bf16")] == [True] + [False] * 3
