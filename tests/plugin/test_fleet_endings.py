"""What a plan makes of a real run's exit code and files: a bad verdict FAILED, an accident is an ERROR."""

import pytest
from planned import planned

from perfsuite.fleet.blocks.endings import JUNIT, RESULTS, ending
from perfsuite.fleet.blocks.orders import order
from perfsuite.fleet.executors import Outcome
from perfsuite.records import Ending, Work

SLOW = {"bf16": {"latency_s": [3.0]}}
UNSUPPORTED = "fp16"


def run(suite, *arguments, variants="fp32,bf16", tests="test_latency.py"):
    """How a latency block ends that runs this."""
    options = (f"--junit-xml={JUNIT}", f"--perf-results={RESULTS}", *arguments)
    return judged(suite, suite.run(tests, *options, variants=variants))


def judged(suite, done):
    """How a latency block ends whose pytest ended so."""
    files = {
        name: (suite.path / name).read_bytes() for name in (JUNIT, RESULTS) if (suite.path / name).exists()
    }
    outcome = Outcome(
        machine="here", exit_code=int(done.ret), seconds=1.0, files=files, said="\n".join(done.outlines),
        clock="", free_bytes=1,
    )  # fmt: skip
    (block,) = planned(work=(Work.LATENCY,)).blocks
    return ending(block, outcome)


def test_nothing_is_bad(suite):
    """NEW passes, as does what is like its baseline."""
    assert run(suite, "--perf-update=new") == (Ending.PASSED, "")
    assert run(suite) == (Ending.PASSED, "")


def test_slower(suite):
    """A verdict, also beside an accident."""
    run(suite, "--perf-update=new", variants="fp32,bf16,bf16-sdpa")
    suite.replay(SLOW)
    found, cause = run(suite)
    assert found is Ending.FAILED
    assert cause.startswith("test_latency[shapes-bf16]: shapes bf16: REGRESSED")
    suite.replay({**SLOW, "bf16-sdpa": {"draw_error": ["RuntimeError", "an illegal instruction"]}})
    assert run(suite, variants="fp32,bf16-sdpa,bf16")[0] is Ending.FAILED


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ({"build_error": ["MemoryError", "no room"]}, "shapes bf16: out of memory in phase 'building'"),
        ({"draw_error": ["RuntimeError", "an illegal instruction"]}, "an illegal instruction"),
    ],
    ids=["building", "calling"],
)
def test_an_accident(suite, script, said):
    suite.replay({"bf16": script})
    found, cause = run(suite)
    assert found is Ending.ERROR
    assert "test_latency[shapes-bf16]: " in cause
    assert said in cause


def test_an_optimization_that_did_not_take_hold(suite, monkeypatch):
    """Said while the pipeline is built, and a verdict all the same."""
    monkeypatch.setattr("builtins.NotEngagedError", not_engaged(), raising=False)
    suite.replay({"bf16": {"build_error": ["NotEngagedError", "the UNet is float32"]}})
    found, cause = run(suite)
    assert found is Ending.FAILED
    assert "the UNet is float32" in cause


def not_engaged():
    from perfsuite.pipelines import NotEngagedError

    return NotEngagedError


def test_wrong_pictures(suite):
    suite.replay({"bf16": {"nan_prompts": [1]}})
    assert run(suite, "--benchmark-disable", tests="test_ssim.py")[0] is Ending.FAILED


def test_golden_pictures(suite):
    """Of a test that has no variant."""
    suite.golden(noise=0.3)
    found, cause = run(suite, "--benchmark-disable", variants="bf16", tests="test_ssim.py")
    assert found is Ending.FAILED
    assert cause.startswith("test_golden[shapes]: shapes float32 against golden")


def test_what_this_device_cannot_run(suite):
    """Beside others it is left out; alone nothing is judged, which is a verdict."""
    assert run(suite, variants=f"fp32,{UNSUPPORTED}") == (Ending.PASSED, "")
    assert run(suite, variants=UNSUPPORTED)[0] is Ending.FAILED


def test_another_machines_baselines_are_missing(suite):
    """Wrong options are no verdict."""
    found, cause = run(suite, "--perf-baselines=nowhere")
    assert found is Ending.ERROR
    assert "an option means nothing on that machine" in cause


def test_a_busy_machine_is_no_verdict(suite):
    suite.replay({"busy": "python (process 7) 0.97"})
    assert run(suite, "--perf-load=fail")[0] is Ending.ERROR


@pytest.mark.parametrize("slower", [False, True])
def test_an_order_runs_what_the_package_brings(suite, slower):
    """From a plan's block to its end, twin and all, without any test in the folder."""
    plan = planned(
        work=(Work.LATENCY,), variants=("bf16",), baselines=str(suite.path / "baselines"),
        options=("--perf-relative=no", "--perf-confirm=0"),
    )  # fmt: skip
    suite.latency("--perf-update=new")
    (suite.path / "test_latency.py").unlink()
    suite.replay(SLOW if slower else {})
    words = [word.replace("{out}", str(suite.path)) for word in order(plan, plan.blocks[0], 1).arguments]
    assert words[:3] == ["-P", "-m", "pytest"]
    done = suite.pytester.runpytest_inprocess("-p", "pytest_benchmark.plugin", *words[3:])
    found, cause = judged(suite, done)
    assert found is (Ending.FAILED if slower else Ending.PASSED), cause
    assert set(suite.junit(JUNIT)) == {
        f"test_{gate}[shapes-{variant}]"
        for gate in ("latency", "memory", "start")
        for variant in ("fp32", "bf16")
    }
    assert set(suite.results(RESULTS)) == {"fp32", "bf16"}
