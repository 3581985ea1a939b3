"""--perf-confirm: suspects are measured again in fresh processes before their tests fail."""

import json
import re

import pytest

AS_STORED = [1.01, 0.99, 1.0, 1.03, 0.98, 1.0]
SLOW = [3 * s for s in AS_STORED]


@pytest.fixture
def stored(suite):
    """The suite with six stored sessions of each variant."""
    suite.latency("--perf-update=new")
    document = json.loads(suite.baseline_file.read_text())
    for entry in document["entries"].values():
        entry["sessions"] = [
            {
                **entry["sessions"][0],
                "id": f"s{i}",
                "latency_s": [(1 + 0.004 * (i % 3)) * s for s in AS_STORED],
            }
            for i in range(6)
        ]
    suite.baseline_file.write_text(json.dumps(document))
    ini = suite.path / "pytest.ini"
    ini.write_text(ini.read_text().replace("perf_confirm = 0", "perf_confirm = 2"))
    suite.forget_events()
    return suite


def _fresh(suite):
    return [event for event in suite.events() if event.startswith("fresh")]


def _said(run):
    return [line for line in run.outlines if "suspect" in line]


def test_a_suspect_that_was_chance_passes(stored):
    """The summary says so with both figures: of the fresh processes, and of the first."""
    stored.replay({"bf16": {"latency_s": SLOW, "fresh_latency_s": [AS_STORED]}})
    run = stored.latency()
    run.assert_outcomes(passed=2)
    run.stdout.re_match_lines(
        [
            r"shapes bf16: OK: 0\.\d % (slower|faster) than the baseline of 6 sessions .*"
            r"; not confirmed by 2 fresh sessions; at first REGRESSED, \+19\d\.\d %$"
        ]
    )
    verdict = stored.results()["bf16"].verdict
    assert (verdict.status, verdict.candidate_sessions) == ("OK", 2)
    assert verdict.ratio == pytest.approx(1.0, abs=0.01)
    assert _fresh(stored) == ["fresh bf16"] * 2


def test_a_suspect_that_comes_again_fails(stored):
    """By the message of a regression, with the fresh sessions' figure."""
    stored.replay({"bf16": {"latency_s": SLOW, "fresh_latency_s": [[2 * s for s in AS_STORED]]}})
    run = stored.latency()
    run.assert_outcomes(passed=1, failed=1)
    run.stdout.re_match_lines(
        [
            r"E +AssertionError: shapes bf16: REGRESSED: 99\.\d % slower than the baseline of 6 sessions .*"
            r"; confirmed by 2 fresh sessions; at first REGRESSED, \+19\d\.\d %",
            r"E +accept it: pytest --benchmark-only .*--perf-variant=bf16 --perf-update=reset",
        ]
    )
    assert _fresh(stored) == ["fresh bf16"] * 2


def test_the_sequence_of_fresh_processes_is_shown(stored):
    """Each as long as it took, in the place of its variant; what came of them is in the table."""
    stored.replay({"bf16": {"latency_s": SLOW, "fresh_latency_s": [AS_STORED]}})
    lines = _said(stored.latency("--perf-confirm=3"))
    wanted = [rf"suspect \(REGRESSED, \+19\d\.\d %\): fresh process {n} of 3 took 12 s" for n in (1, 2, 3)]
    assert len(lines) == len(wanted)
    for line, pattern in zip(lines, wanted, strict=True):
        assert re.match(rf"\[2/2\] shapes bf16: {pattern} \(", line), line
    assert _fresh(stored) == ["fresh bf16"] * 3


def test_unchanged_benchmarks_start_no_process(stored):
    """Nor do those that are new."""
    run = stored.latency(variants="fp32,bf16,bf16-sdpa")
    run.assert_outcomes(passed=3)
    assert (_fresh(stored), _said(run)) == ([], [])


def test_none_is_started_where_none_is_allowed(stored):
    """One session decides then."""
    stored.replay({"bf16": {"latency_s": SLOW}})
    run = stored.latency("--perf-confirm=0")
    run.assert_outcomes(passed=1, failed=1)
    assert (_fresh(stored), _said(run)) == ([], [])
    assert "confirmed" not in stored.results()["bf16"].verdict.detail


def test_a_process_that_fails_leaves_the_first_verdict(stored):
    """And the message says why nothing was confirmed."""
    stored.replay({"bf16": {"latency_s": SLOW, "fresh_error": "no room for two\nand a tail"}})
    run = stored.latency()
    run.assert_outcomes(passed=1, failed=1)
    run.stdout.re_match_lines([r".*REGRESSED: 19\d.*; could not be measured again: no room for two$"])
    assert "and a tail" not in run.stdout.str()
    assert _fresh(stored) == ["fresh bf16"]


FAST = [0.3 * s for s in AS_STORED]


def test_an_improvement_that_was_chance_is_none(stored):
    """A session can be too fast by chance as well."""
    stored.replay({"bf16": {"latency_s": FAST, "fresh_latency_s": [AS_STORED]}})
    stored.latency().assert_outcomes(passed=2)
    assert stored.results()["bf16"].verdict.status == "OK"


def test_improved_passes_and_tells_how_to_take_it(stored):
    """Confirmed as well; the command makes the faster session the baseline."""
    stored.replay({"bf16": {"latency_s": FAST, "fresh_latency_s": [FAST]}})
    run = stored.latency()
    run.assert_outcomes(passed=2)
    run.stdout.re_match_lines(
        [
            "shapes bf16: IMPROVED: ",
            r"take it as the new baseline: pytest --benchmark-only -k test_latency "
            r"--perf-workload=shapes --perf-variant=bf16 --perf-update=reset$",
        ]
    )
    assert _fresh(stored) == ["fresh bf16"] * 2


def test_improved_fails_where_the_user_is_strict(stored):
    """A baseline that is too slow hides the next slowdown; taking it makes the next run pass."""
    stored.replay({"bf16": {"latency_s": FAST, "fresh_latency_s": [FAST]}})
    run = stored.latency("--perf-strict")
    run.assert_outcomes(passed=1, failed=1)
    command = re.search(r"E +take it as the new baseline: pytest (.*)", run.stdout.str())[1]
    stored.run("--perf-strict", *command.split(), variants="").assert_outcomes(passed=1, deselected=2)
    stored.latency("--perf-strict").assert_outcomes(passed=2)
    assert stored.sessions() == {"fp32": 6, "bf16": 3}
