"""--perf-baselines: where baselines are, and files that are no good."""

import pytest


def test_another_folder(suite):
    """It is made, and the default one is not."""
    suite.latency("--perf-baselines=elsewhere/deep", "--perf-update=new", variants="fp32")
    assert list(suite.baseline("elsewhere/deep")) == ["fp32"]
    assert not (suite.path / "baselines").exists()


def _damage(path):
    path.write_bytes(path.read_bytes()[:-40])
    return path.read_bytes()


@pytest.mark.parametrize("mode", ["never", "reset"])
def test_a_truncated_file_ends_the_run_and_stays(suite, mode):
    """The message names the file and the remedy; nothing is built; no mode overwrites it."""
    suite.latency("--perf-update=new", variants="fp32")
    damaged = _damage(suite.baseline_file)
    suite.forget_events()
    run = suite.run(f"--perf-update={mode}")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    text = run.stdout.str()
    assert f"perfsuite: {suite.baseline_file}: not valid JSON, or cut short" in text
    assert f"git checkout -- {suite.baseline_file}" in text
    assert "Traceback" not in text + run.stderr.str()
    assert suite.events() == []
    assert suite.baseline_file.read_bytes() == damaged


def test_a_file_that_was_damaged_meanwhile_is_not_overwritten(suite):
    """The exit code says that the update failed, the summary why; the run's results are on disk."""
    suite.latency("--perf-update=new", variants="fp32")
    suite.pytester.makepyfile(
        test_z_damage=f"""
        from pathlib import Path

        def test_damage(pipeline):
            path = Path({str(suite.baseline_file)!r})
            path.write_bytes(path.read_bytes()[:-40])
        """
    )
    run = suite.run("test_latency.py", "test_z_damage.py", "--perf-update=append", variants="fp32")
    run.assert_outcomes(passed=2)
    assert run.ret == pytest.ExitCode.INTERNAL_ERROR
    run.stdout.fnmatch_lines([f"ERROR: baselines not updated: {suite.baseline_file}: not valid JSON*"])
    assert not suite.baseline_file.read_text().endswith("}\n")
    assert suite.results()["fp32"].session is not None


def test_a_bad_shape_file_ends_the_run(suite):
    """The ladder's bounds are read at the start as well."""
    (suite.path / "baselines").mkdir()
    (suite.path / "baselines" / "ladder-shape.json").write_text('{"schema_version": 1}')
    run = suite.latency()
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert "ladder-shape.json, field bounds: Field required" in run.stdout.str()
    assert suite.events() == []


def test_a_device_without_baseline_is_held_to_the_ladders_shape(suite):
    """A rung that gains nothing fails where the shape says that it must."""
    (suite.path / "baselines").mkdir()
    (suite.path / "baselines" / "ladder-shape.json").write_text(
        '{"schema_version": 1, "bounds": [{"device_kind": "cpu", "workload": "shapes", "variant": "bf16",'
        ' "over": "fp32", "least_speedup": 1.5, "source": "a test"}]}'
    )
    run = suite.latency()
    run.assert_outcomes(passed=1, failed=1)
    run.stdout.re_match_lines([r"E +AssertionError: shapes bf16: REGRESSED: over fp32: ", ".*LADDER_SHAPE"])
    suite.replay({"bf16": {"latency_s": [0.5]}})
    suite.latency().assert_outcomes(passed=2)
