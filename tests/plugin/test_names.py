"""Words that mean nothing are usage errors which name the nearest, before anything is built."""

import pytest

WRONG = {
    "--perf-workload=shaeps": "unknown workload 'shaeps': did you mean 'shapes'?",
    "--perf-variant=bf16-sdap": "unknown variant 'bf16-sdap': did you mean 'bf16-sdpa",
    "--perf-variant=bf16+spda": "unknown optimization 'spda': did you mean 'sdpa'?",
    "--perf-variant=bf16+fp16": "name exactly one precision, got bf16 and fp16",
    "--perf-variant=sdpa": "name exactly one precision, got none",
    "--perf-variant=bf16+compile+channels-last": "channels-last and compile exclude each other",
    "--perf-device=cdua": "--perf-device=cdua: did you mean 'cuda'? one of auto, cpu, cuda, cuda:N",
    "--perf-update=apend": "--perf-update=apend: did you mean 'append'? one of never, new, append, reset",
    "--perf-time-budget=soon": "--perf-time-budget=soon: wanted a number of seconds above 0",
    "--perf-time-budget=0": "--perf-time-budget=0: wanted a number of seconds above 0",
    "--perf-time-budget=nan": "--perf-time-budget=nan: wanted a number of seconds above 0",
}


@pytest.mark.parametrize(("argument", "message"), WRONG.items(), ids=WRONG)
def test_a_wrong_word_is_a_usage_error(suite, argument, message):
    """Exit code 4, one line that says what was meant, nothing built, nothing written."""
    run = suite.run(argument, variants="")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    errors = [line for line in run.errlines if line.startswith("ERROR: perfsuite: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in run.stderr.str()
    assert suite.events() == []
    assert not (suite.path / ".perfsuite").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("perf_strict = perhaps", "perf_strict = perhaps: wanted yes or no"),
        ("perf_variant = bf17", "unknown variant 'bf17': did you mean 'bf16"),
        ("perf_update = nwe", "did you mean 'new'?"),
    ],
)
def test_a_wrong_word_in_the_ini_file_too(suite, line, message):
    """The ini file is held to the same words."""
    suite.ini(line)
    run = suite.run(variants="")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines([f"ERROR: perfsuite: *{message}*"])


def test_a_device_that_is_not_there_ends_the_run(suite):
    """Before anything is built: exit code 4, with what to do."""
    run = suite.run("--perf-device=cuda")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert "perfsuite: no CUDA device: this is a replay; use --perf-device=cpu" in run.stdout.str()
    assert suite.events() == []


@pytest.mark.parametrize(
    ("arguments", "tests"),
    [
        (["--perf-variant=sdpa+bf16"], ["bf16-sdpa"]),
        (
            ["--perf-variant=fp32,bf16", "--perf-variant=bf16+channels-last"],
            ["fp32", "bf16", "bf16-channels-last"],
        ),
        (["--perf-variant=bf16+sdpa,bf16-sdpa"], ["bf16-sdpa"]),
    ],
)
def test_a_variant_is_named_by_rung_or_sum(suite, arguments, tests):
    """In any order, several at a time, each once."""
    run = suite.latency("--collect-only", "-q", *arguments, variants="")
    listed = [line for line in run.outlines if "::" in line]
    assert listed == [f"test_latency.py::test_latency[shapes-{name}]" for name in tests]


def test_the_whole_ladder_is_the_default(suite):
    """fp32 and tf32, five rungs in either half precision, and the three that stand in for them in float32."""
    run = suite.latency("--collect-only", "-q", variants="")
    listed = [line for line in run.outlines if "::" in line]
    assert len(listed) == 15
    assert listed[0].endswith("[shapes-fp32]")
    assert listed[1].endswith("[shapes-tf32]")
    assert listed[6].endswith("[shapes-bf16-sdpa-compile-qkv-int8]")
    assert listed[-1].endswith("[shapes-fp32-sdpa-compile-qkv]")


def test_two_workloads_run_one_after_the_other(suite):
    """Each with every variant, each result under its own name."""
    run = suite.latency("--perf-workload=shapes,sdxl-base", "--perf-weights=random", "--perf-update=new")
    run.assert_outcomes(passed=4)
    text = suite.baseline_file.read_text()
    assert text.count('"sdxl-base/') == text.count('"shapes/') == 2


def test_other_weights_are_another_protocol(suite):
    """A baseline of the shipped weights does not hold random ones."""
    suite.latency("--perf-update=new", variants="fp32")
    suite.latency("--perf-weights=random", variants="fp32")
    assert suite.results()["fp32"].verdict.status == "INCOMPATIBLE"
