"""Every option has a twin in the ini file; the command line wins."""

import re

from perfsuite.settings import OPTIONS


def _settings(suite, *arguments):
    suite.pytester.makepyfile(
        test_show="""
        from perfsuite.plugin.stash import SETTINGS

        def test_show(request):
            print()
            for name, value in vars(request.config.stash[SETTINGS]).items():
                print(f"{name}={value}")
        """
    )
    run = suite.run("test_show.py", "-s", *arguments, variants="")
    run.assert_outcomes(passed=1)
    return dict(line.split("=", 1) for line in run.outlines if re.match(r"\w+=", line))


CASES = {
    # option: ini value, what becomes of it; value on the command line, what becomes of it
    "workload": ("sdxl-base", "('sdxl-base',)", "shapes", "('shapes',)"),
    "variant": ("fp32 bf16", "('fp32', 'bf16')", "bf16+sdpa", "('bf16+sdpa',)"),
    "device": ("cpu", "cpu", "cuda", "cuda"),
    "weights": ("hub", "hub", "auto", "auto"),
    "baselines": ("stored", "{root}/stored", "given", "{root}/given"),
    "update": ("new", "new", "append", "append"),
    "time-budget": ("2.5", "2.5", "4", "4.0"),
    "strict": ("yes", "True", None, "True"),
    "confirm": ("2", "2", "0", "0"),
    "relative": ("yes", "True", "no", "False"),
    "load": ("measure", "measure", "fail", "fail"),
    "look-compiled": ("yes", "True", "no", "False"),
    "captions": ("50", "50", "60", "60"),
    "judge": ("a/b", "a/b", "c/d", "c/d"),
    "profile": ("yes", "True", "no", "False"),
    "results": ("a.jsonl", "{root}/a.jsonl", "b.jsonl", "{root}/b.jsonl"),
    "keep-runs": ("3", "3", "5", "5"),
    "artifacts": ("a", "{root}/a", "b", "{root}/b"),
    "report": ("r", "{root}/r", "off", "None"),
    "history": ("h.db", "{root}/h.db", "off", "None"),
    "compile-cache": ("code", "{root}/code", "off", "None"),
    "reference-cache": ("c", "{root}/c", "off", "None"),
}
FIELDS = {
    "workload": "workloads",
    "variant": "variants",
    "time-budget": "time_budget_s",
    "compile-cache": "compile_cache",
    "keep-runs": "keep_runs",
    "look-compiled": "look_compiled",
    "reference-cache": "reference_cache",
}


def test_every_option_is_held_here():
    """A new option needs a row."""
    assert set(CASES) == {option.name for option in OPTIONS}


def _expected(suite, column):
    found = {FIELDS.get(name, name): row[column].format(root=suite.path) for name, row in CASES.items()}
    return found | {"runs": str(suite.path / ".perfsuite" / "runs")}  # of no option


def test_the_ini_file_sets_it_and_the_command_line_wins(suite):
    """Each option."""
    suite.ini(*(f"perf_{name.replace('-', '_')} = {row[0]}" for name, row in CASES.items()))
    assert _settings(suite) == _expected(suite, 1)
    given = [f"--perf-{name}={row[2]}" for name, row in CASES.items() if row[2] is not None]
    assert _settings(suite, *given) == _expected(suite, 3)


def test_a_flag_on_the_command_line_wins_too(suite):
    """Over a no in the ini file; there is no way back from a yes."""
    suite.ini("perf_strict = no")
    assert _settings(suite)["strict"] == "False"
    assert _settings(suite, "--perf-strict")["strict"] == "True"


def test_all_at_once_from_the_ini_file(suite):
    """A run with nothing on the command line records where and what the ini file says."""
    suite.ini(
        "perf_variant = fp32, bf16",
        "perf_device = cpu",
        "perf_baselines = stored",
        "perf_update = new",
        "perf_time_budget = 30",
        "perf_strict = on",
        "perf_results = out/run.jsonl",
    )
    suite.latency(variants="").assert_outcomes(passed=2)
    assert set(suite.baseline("stored")) == {"fp32", "bf16"}
    assert len(suite.results("out/run.jsonl")["fp32"].session.latency_s) == 30


def test_pyproject_is_an_ini_file_too(suite):
    """With TOML's own booleans."""
    (suite.path / "pytest.ini").unlink()
    (suite.path / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\nperf_variant = "fp32, bf16+sdpa"\nperf_strict = true\n'
    )
    found = _settings(suite)
    assert found["variants"] == "('fp32', 'bf16+sdpa')"
    assert found["strict"] == "True"


def test_every_option_is_in_the_help(suite):
    """On the command line and as an ini name."""
    words = suite.pytester.runpytest_inprocess("--help").stdout.str().replace("=", " ").split()
    for option in OPTIONS:
        assert option.flag_name in words
        assert option.ini in words
