"""--junit-xml: verdicts as properties, the message in the failure."""

import pytest


def test_verdicts_and_messages_are_in_the_file(suite):
    """So that a dashboard tells a regression, wrong pictures, a skip and a success apart."""
    suite.latency("--perf-update=new", variants="bf16")
    suite.replay({"bf16": {"latency_s": [3.0]}, "bf16-sdpa": {"nan_prompts": [1]}})
    run = suite.run("--junit-xml=junit.xml", variants="bf16,bf16-sdpa,fp16")
    run.assert_outcomes(passed=3, failed=2, skipped=2)
    cases = suite.junit("junit.xml")

    slower = cases["test_latency[shapes-bf16]"]
    assert "shapes bf16: REGRESSED: 2" in slower.failure
    assert "--perf-update=reset" in slower.failure
    assert slower.properties["perfsuite.verdict"] == "REGRESSED"
    assert float(slower.properties["perfsuite.median_s"]) == pytest.approx(3.0)
    assert " % slower than the baseline" in slower.properties["perfsuite.detail"]
    assert 2.5 < float(slower.properties["perfsuite.ratio"]) < 3.5
    low, high = map(float, slower.properties["perfsuite.interval"].split(","))
    assert low < float(slower.properties["perfsuite.ratio"]) < high
    assert 0 < float(slower.properties["perfsuite.minimum_detectable_effect"])
    assert "perfsuite.causes" not in slower.properties
    assert slower.properties["perfsuite.device"] == "cpu-replayed-2t"

    new = cases["test_latency[shapes-bf16-sdpa]"]
    assert (new.failure, new.properties["perfsuite.verdict"]) == (None, "NEW")

    broken = cases["test_ssim[shapes-bf16-sdpa]"]
    assert "pictures BROKEN" in broken.failure
    assert broken.properties["perfsuite.pictures"] == "BROKEN"
    assert float(cases["test_ssim[shapes-bf16]"].properties["perfsuite.ssim"]) == 1.0

    unsupported = cases["test_latency[shapes-fp16]"]
    assert (unsupported.skipped, unsupported.failure) == (True, None)
    assert unsupported.properties == {"perfsuite.asked": "shapes/fp16"}
