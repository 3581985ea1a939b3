"""Pictures that are no longer right, and what becomes of the variant's latencies."""

import pytest

from perfsuite.pipelines.workloads import SHAPES


@pytest.fixture
def gated(suite):
    """Golden pictures and thresholds are stored."""
    suite.thresholds(0.99, "fp32", "bf16", "bf16-sdpa")
    suite.golden()
    return suite


def test_pictures_like_float32_pass(gated):
    """Golden, fp32 itself and a variant with a little noise."""
    gated.replay({"bf16": {"noise": 0.002}})
    gated.pictures("--perf-strict").assert_outcomes(passed=3)
    assert 0.99 < gated.results()["bf16"].quality.ssim < 1.0


def test_degraded_pictures_fail_by_name(gated):
    """The message names the prompt, its score and how far beyond the threshold it is."""
    gated.replay({"bf16": {"noise": 0.2}})
    run = gated.pictures()
    run.assert_outcomes(passed=2, failed=1)
    text = run.stdout.str()
    assert "shapes bf16: pictures DEGRADED" in text
    for prompt in SHAPES.prompts:
        assert f"DEGRADED {prompt!r}: SSIM 0." in text
    assert "times the allowed distance from float32" in text


def test_a_broken_picture_fails_by_name(gated):
    """One NaN in one picture; the bad prompt comes first, the others are OK."""
    gated.replay({"bf16": {"nan_prompts": [2]}})
    run = gated.pictures()
    run.assert_outcomes(passed=2, failed=1)
    run.stdout.fnmatch_lines(
        [
            "E *shapes bf16: pictures BROKEN",
            f"E *BROKEN '{SHAPES.prompts[2]}': no score 1 of 3072 values are NaN or Inf",
            f"E *OK '{SHAPES.prompts[0]}': SSIM 1.00000*",
        ]
    )
    scores = {s.prompt: s.status.value for s in gated.results()["bf16"].quality.scores}
    assert [scores[p] for p in SHAPES.prompts] == ["OK", "OK", "BROKEN", "OK"]


def test_a_golden_mismatch_fails_by_name(gated):
    """Float32 itself has moved: the golden test says so, and for which prompts."""
    gated.golden(noise=0.2)
    run = gated.pictures()
    run.assert_outcomes(passed=2, failed=1)
    assert "FAILED test_ssim.py::test_golden[shapes]" in run.stdout.str()
    run.stdout.fnmatch_lines(
        [
            "E *shapes float32 against golden: pictures DEGRADED",
            f"E *DEGRADED '{SHAPES.prompts[0]}': SSIM 0.*",
        ]
    )


def test_an_unreadable_golden_picture_fails_with_its_file(gated):
    """The error names the file and how to get it back."""
    path = gated.reference_folder / "prompt-1.png"
    path.write_bytes(path.read_bytes()[:50])
    run = gated.pictures(variants="bf16")
    run.assert_outcomes(passed=1, failed=1)
    run.stdout.fnmatch_lines(["E *GoldenError: *prompt-1.png: not a readable PNG*git checkout*"])


def test_golden_pictures_are_compared_with_benchmark_only(gated):
    """pytest-benchmark skips tests without its fixture; this one is part of the gate."""
    gated.golden(noise=0.2)
    gated.pictures("--benchmark-only", variants="bf16").assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize("script", [{"noise": 0.2}, {"nan_prompts": [0]}], ids=["degraded", "broken"])
@pytest.mark.parametrize("mode", ["new", "append"])
def test_latencies_with_wrong_pictures_are_not_recorded(gated, script, mode):
    """A fast variant that draws nonsense must not become the baseline; its timed calls drew it too."""
    gated.replay({"bf16": script})
    run = gated.run(f"--perf-update={mode}", variants="fp32,bf16,bf16-sdpa")
    run.assert_outcomes(passed=5, failed=2)
    run.stdout.fnmatch_lines(["E *the timed calls drew a wrong picture: *"])
    assert gated.sessions() == {"fp32": 1, "bf16-sdpa": 1}


def test_latencies_are_not_recorded_where_judging_the_pictures_raised(gated):
    """A damaged file of thresholds: no verdict on the pictures is no verdict in their favour."""
    (gated.reference_folder / "thresholds.json").write_text("{")
    run = gated.run("--perf-update=new", "-k", "not golden", variants="bf16")
    run.assert_outcomes(failed=2, deselected=1)
    run.stdout.fnmatch_lines(["E *StoreError: *thresholds.json: not valid JSON*"])
    assert gated.sessions() == {}


def test_the_summary_names_what_is_wrong(gated):
    """The table has verdict and pictures of the variant, a line below the first bad prompt."""
    gated.replay({"bf16": {"nan_prompts": [2]}})
    text = gated.run().stdout.str()
    assert "NEW, pictures BROKEN" in text
    assert f"shapes bf16: pictures BROKEN: {SHAPES.prompts[2]!r}: 1 of 3072 values" in text


def test_pictures_of_random_weights_are_not_judged(gated):
    """Far from float32 or not: the run says NOT_JUDGED and why, and stored golden ones are not theirs."""
    gated.replay({"bf16": {"noise": 0.2}})
    run = gated.pictures("--perf-weights=random")
    run.assert_outcomes(passed=3)
    text = " ".join(run.stdout.str().split())
    assert "pictures NOT_JUDGED" in text
    assert "random weights: what the likeness of their pictures is worth was not measured" in text
    result = gated.results()["bf16"]
    assert result.quality.status.value == "NOT_JUDGED"
    assert result.protocol.endswith(" weights random")
