"""--junit-xml: verdicts as properties, the message in the failure."""

import pytest


@pytest.fixture
def cases(suite):
    """The test cases of a run in which bf16 is slower and bf16-sdpa draws NaN."""
    suite.latency("--perf-update=new", variants="fp32,bf16")
    suite.replay({"bf16": {"latency_s": [3.0]}, "bf16-sdpa": {"nan_prompts": [1]}})
    suite.run("--junit-xml=junit.xml", variants="fp32,bf16,bf16-sdpa,fp16").assert_outcomes(
        passed=5, failed=2, skipped=2
    )
    return suite.junit("junit.xml")


def test_the_failing_test_carries_failure_and_properties(cases):
    """So that a dashboard tells a regression from a test that broke."""
    case = cases["test_latency[shapes-bf16]"]
    assert "shapes bf16: REGRESSED: 200.0 % slower" in case.failure
    assert "--perf-update=reset" in case.failure
    assert case.properties["perfsuite.verdict"] == "REGRESSED"
    assert float(case.properties["perfsuite.median_s"]) == pytest.approx(3.0)
    assert "200.0 % slower" in case.properties["perfsuite.detail"]


def test_a_passing_test_carries_properties(cases):
    """Also the verdict of a variant that has no baseline."""
    assert cases["test_latency[shapes-bf16-sdpa]"].properties["perfsuite.verdict"] == "NEW"
    assert cases["test_latency[shapes-bf16-sdpa]"].failure is None


def test_pictures_carry_their_status(cases):
    """Broken ones have no score; good ones have."""
    broken = cases["test_ssim[shapes-bf16-sdpa]"]
    assert "pictures BROKEN" in broken.failure
    assert broken.properties["perfsuite.pictures"] == "BROKEN"
    assert float(cases["test_ssim[shapes-bf16]"].properties["perfsuite.ssim"]) == 1.0


def test_an_unsupported_variant_is_a_skipped_case(cases):
    """Neither failure nor properties."""
    case = cases["test_latency[shapes-fp16]"]
    assert case.skipped
    assert case.failure is None
    assert case.properties == {}
