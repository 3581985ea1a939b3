"""--perf-strict: no comparable baseline is a failure too."""


def test_new_fails_with_the_command_that_records(suite):
    """The message says what to run."""
    run = suite.latency("--perf-strict", variants="fp32")
    run.assert_outcomes(failed=1)
    run.stdout.re_match_lines(
        [
            r"E +AssertionError: shapes fp32: NEW: ",
            r"E +record it: pytest --benchmark-only .*--perf-variant=fp32 --perf-update=new",
        ]
    )


def test_new_passes_where_it_is_recorded(suite):
    """Asking for a baseline to be recorded and failing because it is not there makes no sense."""
    suite.latency("--perf-strict", "--perf-update=new", variants="fp32").assert_outcomes(passed=1)
    suite.latency("--perf-strict", variants="fp32").assert_outcomes(passed=1)


def test_incompatible_fails(suite):
    """A baseline of another protocol holds nothing, strict or not."""
    suite.latency("--perf-update=new", variants="fp32")
    text = suite.baseline_file.read_text().replace("128x128", "64x64")
    suite.baseline_file.write_text(text)
    run = suite.latency("--perf-strict", variants="fp32")
    run.assert_outcomes(failed=1)
    run.stdout.re_match_lines([r"E +AssertionError: shapes fp32: INCOMPATIBLE: "])


def test_improved_fails(suite):
    """A rung that is held to less than it can do may lose it again unseen."""
    for _ in range(6):
        suite.latency("--perf-update=append", variants="fp32")
    suite.slower("fp32", 0.2)
    suite.latency(variants="fp32").assert_outcomes(passed=1)
    run = suite.latency("--perf-strict", variants="fp32")
    run.assert_outcomes(failed=1)
    run.stdout.re_match_lines([r"E +AssertionError: shapes fp32: IMPROVED: "])


def test_new_pictures_fail(suite):
    """Neither thresholds nor golden pictures are stored."""
    suite.pictures(variants="bf16").assert_outcomes(passed=2)
    suite.pictures("--perf-strict", variants="bf16").assert_outcomes(failed=2)
