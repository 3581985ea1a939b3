"""Variants that cannot be built, and how many pipelines there are at a time."""

import pytest

TIME = "pytest --benchmark-only -k test_latency --perf-workload=shapes"
OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 20.00 GiB"


def test_an_unsupported_variant_is_skipped_with_the_reason(suite):
    """It is never built; the others run."""
    run = suite.run("-rs", variants="fp32,fp16")
    run.assert_outcomes(passed=3, skipped=2)
    run.stdout.re_match_lines([r"SKIPPED \[\d\].*fp16: float16 is emulated on a CPU"])
    assert "build fp16" not in suite.events()
    assert "fp16" not in suite.results()


@pytest.mark.parametrize(("bfloat16", "half"), [("native", "bf16"), ("emulated", "fp32")])
def test_the_default_ladder_climbs_in_what_the_cpu_computes(suite, bfloat16, half):
    """Five rungs in bfloat16, or three in float32 beside it; the others are no tests, but one line."""
    suite.replay({"bfloat16": bfloat16})
    # In a process of its own: whether there is a compiler only torch can tell, and it is imported once.
    process = suite.start("test_latency.py", "--junit-xml=junit.xml")
    assert process.wait(60) == pytest.ExitCode.OK
    wanted = [half + rung for rung in ("", "-sdpa", "-sdpa-compile", "-sdpa-compile-qkv")]
    if bfloat16 == "native":
        wanted = ["fp32", *wanted, "bf16-sdpa-compile-qkv-int8"]
    assert [e.removeprefix("build ") for e in suite.events() if e.startswith("build")] == wanted
    cases = suite.junit("junit.xml")
    assert list(cases) == [f"test_latency[shapes-{name}]" for name in wanted]
    assert not any(case.skipped for case in cases.values())
    said = {
        "native": "6 variants need a GPU (tf32, fp16), 3 a CPU without bfloat16: perfsuite list",
        "emulated": "11 variants need a GPU (tf32, bf16, fp16): perfsuite list",
    }
    printed = (suite.path / "run-0.txt").read_text()
    assert said[bfloat16] in printed.splitlines()
    assert f"= {len(wanted)} passed, {15 - len(wanted)} deselected in " in printed
    # Nobody named a variant, so the command need not.
    assert f"\nrecord it: {TIME} --perf-update=new\n" in printed


def test_whoever_chooses_nothing_else_is_told_why(suite):
    """By test name: all that remain fail with the reason, for nothing was judged."""
    run = suite.latency("-k", "fp16", variants="")
    run.assert_outcomes(errors=5, deselected=10)
    run.stdout.re_match_lines([r"shapes fp16: NOT_JUDGED: fp16: float16 is emulated on a CPU"])
    assert run.ret == pytest.ExitCode.TESTS_FAILED


def test_a_rung_that_is_left_out_is_not_what_is_planned(suite):
    """A reader of the results does not miss it, and it has no place in the count."""
    suite.replay({"bf16-sdpa": {"latency_s": [12.0]}})
    run = suite.latency("-k", "tf32 or (bf16-sdpa and not compile)", variants="")
    run.assert_outcomes(passed=1, deselected=14)
    run.stdout.fnmatch_lines(
        [
            "[[]1/1[]] shapes bf16-sdpa: *",
            "1 of 1 measured*",
            "1 variant needs a GPU (tf32): perfsuite list",
            f"record it: {TIME} --perf-variant=bf16-sdpa --perf-update=new",
        ]
    )


def test_without_the_device_that_was_asked_for_nothing_is_chosen(suite):
    """The whole ladder: its device must be known beforehand."""
    run = suite.latency("--perf-device=cuda", variants="")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines(["ERROR: perfsuite: no CUDA device: this is a replay; use --perf-device=cpu"])
    assert suite.events() == []


def test_a_float32_rung_that_is_named_runs(suite):
    """Also where bfloat16 is native."""
    suite.latency(variants="fp32-sdpa").assert_outcomes(passed=1)


@pytest.mark.parametrize("error", [("MemoryError", "no room"), ("RuntimeError", OUT_OF_MEMORY)])
def test_a_build_that_fails_takes_its_own_tests_only(suite, error):
    """Its message is shown; the other variants are judged and recorded."""
    suite.replay({"bf16": {"build_error": error}})
    run = suite.run("--perf-update=new", variants="fp32,bf16,bf16-sdpa")
    run.assert_outcomes(passed=5, errors=2)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.fnmatch_lines([f"E *{error[0]}: {error[1]}"])
    assert suite.sessions() == {"fp32": 1, "bf16-sdpa": 1}


def test_a_build_that_fails_is_not_tried_again(suite):
    """The variant's next test fails at once: a build may take minutes."""
    suite.replay({"bf16": {"build_error": ["MemoryError", "no room"]}})
    suite.run()
    assert suite.events().count("build bf16") == 1


def test_a_call_that_fails_takes_its_own_tests_only(suite):
    """Out of memory while drawing: the message is shown, the second test fails too, nothing is stored."""
    suite.replay({"bf16": {"draw_error": ["RuntimeError", OUT_OF_MEMORY]}})
    run = suite.run("--perf-update=new", variants="fp32,bf16,bf16-sdpa")
    run.assert_outcomes(passed=5, failed=1, errors=1)
    run.stdout.fnmatch_lines([f"E *RuntimeError: {OUT_OF_MEMORY}"])
    assert suite.sessions() == {"fp32": 1, "bf16-sdpa": 1}


def _most_at_once(events):
    alive, most = 0, 0
    for event in events:
        alive += {"build": 1, "free": -1}.get(event.split()[0], 0)
        most = max(most, alive)
    return most


def test_one_pipeline_at_a_time_is_in_memory(suite):
    """Whatever became of the one before, it is free before the next is built; also the reference's."""
    suite.latency("--perf-update=new", variants="fp32,bf16-sdpa")
    suite.forget_events()
    scripts = {
        "bf16": {"nan_prompts": [0]},
        "bf16-sdpa": {"latency_s": [3.0, 3.1]},
        "bf16-channels-last": {"build_error": ["MemoryError", "no room"]},
        "bf16-sdpa-qkv": {"draw_error": ["MemoryError", "no room"]},
    }
    suite.replay(scripts)
    variants = ["fp32", *scripts, "bf16-sdpa-int8"]
    # In a process of its own: pytester's record of this one's hooks holds what they were called with.
    process = suite.start(f"--perf-variant={','.join(variants)}", "--junit-xml=junit.xml")
    assert process.wait(60) == pytest.ExitCode.TESTS_FAILED
    failed = [name for name, case in suite.junit("junit.xml").items() if case.failed]
    # Of bf16 also the latency: its timed calls drew the NaN.
    assert len(failed) == 7, failed
    events = suite.events()
    assert [e.removeprefix("build ") for e in events if e.startswith("build")] == ["fp32", *variants]
    assert _most_at_once(events) == 1, events


def test_the_items_of_one_variant_stay_together(suite):
    """Both files run a variant's pipeline, which is built once; the reference comes first."""
    run = suite.run("-v", variants="fp32,bf16,bf16-sdpa")
    run.assert_outcomes(passed=7)
    builds = [event for event in suite.events() if not event.startswith(("free", "wait"))]
    reference = ["build fp32", "release fp32"]
    assert builds == reference + [
        f"{w} {v}" for v in ("fp32", "bf16", "bf16-sdpa") for w in ("build", "release")
    ]


@pytest.mark.parametrize(
    ("arguments", "built"),
    [
        (["-k", "bf16 and not sdpa"], ["fp32", "bf16"]),
        (["-k", "test_latency"], ["fp32", "bf16", "bf16-sdpa"]),
        (["-k", "test_golden"], ["fp32"]),
        (["-k", "test_ssim and sdpa"], ["fp32", "bf16-sdpa"]),
        (["test_latency.py::test_latency[shapes-bf16]"], ["bf16"]),
        (["test_ssim.py::test_ssim[shapes-bf16]", "test_latency.py"], ["fp32", "bf16", "fp32", "bf16-sdpa"]),
    ],
)
def test_a_selection_builds_what_it_needs(suite, arguments, built):
    """Nothing twice: the reference only if pictures are drawn, a pipeline only if a test wants it."""
    suite.run(*arguments, variants="fp32,bf16,bf16-sdpa")
    events = suite.events()
    assert [e.removeprefix("build ") for e in events if e.startswith("build")] == built
    assert _most_at_once(events) == 1


def test_a_test_without_a_pipeline_finds_none_in_memory(suite):
    """In whatever order tests run: a pipeline sets flags of torch that are not for the next one."""
    (suite.path / "test_beside.py").write_text(
        "def test_beside():\n    with open('events.log', 'a') as log:\n        log.write('beside\\n')\n"
    )
    (suite.path / "last.py").write_text(
        "import pytest\n\n"
        "@pytest.hookimpl(wrapper=True, tryfirst=True)\n"
        "def pytest_collection_modifyitems(items):\n"
        "    yield\n    items.sort(key=lambda item: 'beside' in item.name)\n"
    )
    suite.pytester.syspathinsert()
    run = suite.run("-p", "last", "test_latency.py", "test_beside.py", variants="fp32,bf16")
    run.assert_outcomes(passed=3)
    events = [event for event in suite.events() if event.startswith(("build", "release", "beside"))]
    assert events == ["build fp32", "release fp32", "build bf16", "release bf16", "beside"]


@pytest.mark.parametrize("kind", ["AdapterError", "ScheduleError"])
def test_what_was_given_and_cannot_be_used_is_said_in_one_line(suite, monkeypatch, kind):
    """An adapter of another architecture, too few steps: the message names the remedy."""
    from perfsuite.pipelines.optimizations.adapters import AdapterError
    from perfsuite.pipelines.schedules import ScheduleError

    for each in (AdapterError, ScheduleError):
        monkeypatch.setattr(f"builtins.{each.__name__}", each, raising=False)
    suite.replay({"bf16": {"build_error": [kind, "a.safetensors: of another architecture"]}})
    run = suite.run("test_latency.py", variants="fp32,bf16")
    run.assert_outcomes(passed=1, errors=1)
    printed = run.stdout.str()
    assert "shapes bf16: a.safetensors: of another architecture" in printed
    assert "fixtures.py" not in printed
    assert "Traceback" not in printed
    assert "During handling" not in printed
