"""Memory that runs out, and CUDA that is lost half-way: the other variants still get their results."""

import pytest

ILLEGAL = "CUDA error: an illegal memory access was encountered"
ASSERT = "CUDA error: device-side assert triggered"
BLAS = "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`"
NO_ROOM = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.11 GiB"
PHASES = {1: "first call", 2: "warm-up", 5: "6 rounds", 9: "6 rounds", 11: "stages", 12: "pictures"}
"""Calls of a pipeline by their number, and the phase that makes them."""


def _built(suite):
    return [e.removeprefix("build ") for e in suite.events() if e.startswith("build")]


def _workers(suite, command):
    start = f"worker {command} "
    return [e.removeprefix(start) for e in suite.events() if e.startswith(start)]


@pytest.mark.parametrize("at", PHASES)
def test_cuda_lost_at_any_call_costs_one_variant(suite, at):
    """Its message names the phase; the variants after it are built in fresh processes and nowhere else."""
    suite.replay({"bf16": {"draw_error": ["RuntimeError", ILLEGAL], "draw_error_at": at}})
    run = suite.run("--perf-update=new", variants="fp32,bf16,bf16-sdpa,bf16-sdpa-qkv")
    # The variant's second test fails likewise, without another try.
    run.assert_outcomes(**{"passed": 8, "failed": 1} if at >= 12 else {"passed": 7, "failed": 1, "errors": 1})
    said = f"shapes bf16: CUDA is lost to this process in phase '{PHASES[at]}': RuntimeError: {ILLEGAL}"
    run.stdout.fnmatch_lines([f"E *LostDeviceError: {said}*", f"{said}*"])
    run.stdout.fnmatch_lines(
        ["in fresh processes, since CUDA was lost to the first one by shapes bf16: shapes bf16-sdpa, shapes "
         "bf16-sdpa-qkv"]
    )  # fmt: skip
    after = ["bf16-sdpa", "bf16-sdpa-qkv"]
    assert _built(suite) == ["fp32", "fp32", "bf16"]  # the reference, and what came before
    assert "abandon bf16" in suite.events()
    assert "release bf16" not in suite.events()
    assert [_workers(suite, c) for c in ("prepare", "session", "pictures")] == [after] * 3
    assert suite.events().count("worker closed") == 2
    assert suite.sessions() == {"fp32": 1, "bf16-sdpa": 1, "bf16-sdpa-qkv": 1}


@pytest.mark.parametrize("said", [ASSERT, BLAS])
def test_cuda_lost_while_building(suite, said):
    """The variant's own tests are errors; results of the others say where they come from."""
    suite.replay({"bf16": {"build_error": ["RuntimeError", said]}})
    run = suite.run(variants="fp32,bf16,bf16-sdpa")
    run.assert_outcomes(passed=5, errors=2)
    run.stdout.fnmatch_lines([f"E *shapes bf16: CUDA is lost to this process in phase 'building': *{said}*"])
    found = suite.results()["bf16-sdpa"]
    assert found.session.id == "worker"
    assert found.quality.status == "NEW"
    assert found.evidence == (
        "replayed bf16-sdpa in a worker",
        "in a fresh process: CUDA was lost to the first one by shapes bf16",
    )


def test_pictures_of_a_fresh_process_are_judged(suite):
    """By the thresholds, against the float32 pictures that were drawn before."""
    suite.thresholds(0.99, "bf16", "bf16-sdpa", "bf16-sdpa-qkv")
    suite.replay({"bf16": {"build_error": ["RuntimeError", ILLEGAL]}, "bf16-sdpa": {"worker_noise": 0.2}})
    run = suite.run("--junit-xml=junit.xml", variants="bf16,bf16-sdpa,bf16-sdpa-qkv")
    run.assert_outcomes(passed=4, failed=1, errors=2)
    run.stdout.fnmatch_lines(["E *shapes bf16-sdpa: pictures DEGRADED"])
    results = suite.results()
    assert results["bf16-sdpa"].quality.status == "DEGRADED"
    assert results["bf16-sdpa-qkv"].quality.status == "OK"


def test_a_slowdown_is_found_in_a_fresh_process_too(suite):
    """The session is judged as any other."""
    suite.latency("--perf-update=new", variants="bf16-sdpa")
    suite.replay(
        {"bf16": {"build_error": ["RuntimeError", ILLEGAL]}, "bf16-sdpa": {"latency_s": [30.0, 31.0]}}
    )
    run = suite.latency(variants="bf16,bf16-sdpa")
    run.assert_outcomes(failed=1, errors=1)
    run.stdout.fnmatch_lines(["E *shapes bf16-sdpa: REGRESSED*"])


def test_a_fresh_process_that_fails_too_takes_its_own_tests_only(suite):
    """Its own words are shown, and the next variant gets another process."""
    suite.replay({"bf16": {"build_error": ["RuntimeError", ILLEGAL]}, "bf16-sdpa": {"worker_error": ASSERT}})
    run = suite.run(variants="bf16,bf16-sdpa,bf16-sdpa-qkv")
    run.assert_outcomes(passed=3, failed=2, errors=2)
    run.stdout.fnmatch_lines([f"E *WorkerError: {ASSERT}"])
    assert suite.results()["bf16-sdpa-qkv"].session is not None


def test_a_test_of_ones_own_is_skipped_with_the_reason(suite):
    """It would use a pipeline that this process cannot have."""
    suite.pytester.makepyfile(
        test_own="def test_own(pipeline, workbench):\n    assert pipeline.generate().std() > 0\n"
    )
    suite.replay({"bf16": {"build_error": ["RuntimeError", ILLEGAL]}})
    run = suite.run("test_own.py", "-rs", variants="fp32,bf16,bf16-sdpa")
    run.assert_outcomes(passed=1, errors=1, skipped=1)
    run.stdout.fnmatch_lines(["SKIPPED *in a fresh process: CUDA was lost to the first one by shapes bf16"])


@pytest.mark.parametrize("at", [*PHASES, 0])
def test_memory_that_runs_out_at_any_call_costs_one_variant(suite, at):
    """Phase, size and remedy are said; the variant is free before the next is built in this process."""
    script = {"draw_error": ["RuntimeError", NO_ROOM], "draw_error_at": at}
    suite.replay({"bf16": script if at else {"build_error": script["draw_error"]}})
    process = suite.start("--perf-variant=fp32,bf16,bf16-sdpa", "--junit-xml=junit.xml", "--perf-update=new")
    assert process.wait(60) == pytest.ExitCode.TESTS_FAILED
    cases = suite.junit("junit.xml")
    failed = {name for name, case in cases.items() if case.failed}
    assert failed == {f"test_{kind}[shapes-bf16]" for kind in (("latency", "ssim") if at < 12 else ("ssim",))}
    said = f"shapes bf16: out of memory in phase '{PHASES.get(at, 'building')}': 20.00 GiB wanted, "
    text = (suite.path / "run-0.txt").read_text()
    assert said in text
    assert "end other programs, or take a smaller workload" in text
    events = suite.events()
    assert _built(suite) == ["fp32", "fp32", "bf16", "bf16-sdpa"]
    assert events.index("free bf16") < events.index("build bf16-sdpa")
    assert ("release bf16" in events) == (at > 0)
    assert _workers(suite, "prepare") == []
    assert suite.sessions() == {"fp32": 1, "bf16-sdpa": 1}


def test_no_float32_pictures_cost_the_picture_tests_alone(suite):
    """Out of memory while they are drawn: latencies need none, pictures are never called OK."""
    suite.replay({"fp32": {"draw_error": ["MemoryError", "no room"]}})
    run = suite.run(variants="bf16,bf16-sdpa")
    run.assert_outcomes(passed=2, failed=3)
    run.stdout.fnmatch_lines(["E *shapes reference: out of memory in phase 'float32 pictures': *"])
    assert _built(suite).count("fp32") == 1


def test_cuda_lost_while_float32_draws(suite):
    """They are drawn again in a fresh process, where all else is done; the run fails though no test does."""
    suite.replay({"fp32": {"draw_error": ["RuntimeError", ILLEGAL]}})
    run = suite.run(variants="bf16,bf16-sdpa")
    run.assert_outcomes(passed=5)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.fnmatch_lines(
        ["shapes reference: CUDA is lost to this process in phase 'float32 pictures': *"]
    )
    assert _built(suite) == ["fp32"]
    assert _workers(suite, "session") == ["bf16", "bf16-sdpa"]
    assert _workers(suite, "pictures") == ["fp32", "bf16", "bf16-sdpa"]
