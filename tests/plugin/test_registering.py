"""What a conftest.py registers: known to the options, refused by name, forgotten at the end of the run."""

import pytest

from perfsuite.pipelines import variants
from perfsuite.pipelines.registry import REGISTRY

HOOK = "\n\ndef pytest_perfsuite_register(registry):\n    {0}\n"


@pytest.fixture
def register(suite):
    """Write the hook into a conftest.py of the suite."""

    def write(body, folder="."):
        path = suite.path / folder / "conftest.py"
        path.parent.mkdir(exist_ok=True)
        before = path.read_text() if path.exists() else ""
        path.write_text(before + HOOK.format(body))

    return write


def test_a_variant_of_a_conftest(suite, register):
    """It runs where it is named, is recorded under its name, and the next run knows nothing of it."""
    register("registry.variant('ours', 'bf16+channels-last')")
    run = suite.latency("--benchmark-only", "--perf-update=new", variants="ours")
    run.assert_outcomes(passed=1)
    assert suite.sessions() == {"ours": 1}
    assert "ours" not in variants.known()
    assert REGISTRY.files == ()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("1 / 0", "registering failed at *conftest.py:* with ZeroDivisionError: division by zero; correct*"),
        ("registry.variant('ours', 'bf16+tirck')", "variant 'ours', registered at *conftest.py:*'tirck'*"),
        ("registry.variant('bf16', 'fp16')", "variant 'bf16', *: the suite has one of that name*"),
    ],
)
def test_a_registration_that_fails_is_a_usage_error(suite, register, body, said):
    """With the file and the line; nothing is built."""
    register(body)
    run = suite.latency()
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines([f"ERROR: perfsuite: {said}"])
    assert "Traceback" not in run.stderr.str()
    assert suite.events() == []


def test_two_files_that_register_one_name(suite, register):
    """Both are named."""
    register("registry.variant('ours', 'bf16+channels-last')")
    # Not named as a folder of this repository: pytest would take that one's conftest.py, which is imported.
    register("registry.variant('ours', 'fp16+channels-last')", "test_more")
    run = suite.latency("test_more", variants="fp32")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines(
        ["*'ours' is registered twice: at *conftest.py:*, and at *conftest.py:*; rename*"]
    )


def test_a_conftest_that_comes_too_late(suite, register):
    """Found only while tests are collected: nobody could have named what it registers."""
    register("registry.variant('ours', 'bf16+channels-last')", "deep")
    (suite.path / "deep" / "test_deep.py").write_text("def test_nothing():\n    pass\n")
    run = suite.pytester.runpytest_inprocess()
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines(["*deep*conftest.py registers too late*move pytest_perfsuite_register to*"])


def test_a_latency_test_without_a_mark(suite):
    """Is timed by the clock that waits for the GPU, as the suite's own is."""
    (suite.path / "test_mine.py").write_text(
        "from perfsuite.device.clock import now\n\n"
        "def test_mine(pipeline, latency_gate, benchmark):\n"
        "    assert latency_gate(pipeline)\n"
        "    assert benchmark._timer is now\n"
    )
    suite.run("test_mine.py", "--benchmark-only", variants="fp32").assert_outcomes(passed=1)
