"""A technique's value is part of its name, spelled one way, and what a technique promises is declared."""

import pytest

from perfsuite.pipelines import optimizations, variants
from perfsuite.pipelines.promises import ContradictionError, Parameter, ParameterError, Promise
from perfsuite.pipelines.registry import REGISTRY
from perfsuite.pipelines.technique import Optimization


def nothing(pipe, context):
    return ""


SKIPPING = Optimization(
    "skip-steps", "leaves out steps", nothing, nothing, phase=5,
    promise=Promise.APPROXIMATE, task_margin=0.1, least_ssim=lambda value: 0.9,
    parameter=Parameter("interval", 3, 1, 50),
)  # fmt: skip
CUTTING = Optimization(
    "cut", "cuts", nothing, nothing, phase=5, conflicts=("skip-steps",),
    promise=Promise.RESAMPLED, task_margin=0.1, parameter=Parameter("share", 0.4, 0.1, 1.0, whole=False),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _registered():
    before = REGISTRY.take()
    REGISTRY.optimization(SKIPPING)
    REGISTRY.optimization(CUTTING)
    yield
    REGISTRY.put(before)


@pytest.mark.parametrize(
    "spelled",
    ["bf16+sdpa+skip-steps:3", "bf16-sdpa-skip-steps:3", "bf16-sdpa-skip-steps", "skip-steps:03+sdpa+bf16"],
)
def test_one_value_has_one_name(spelled):
    """Two spellings would be two baselines."""
    found = variants.get(spelled)
    assert found.name == "bf16-sdpa-skip-steps:3"
    assert found.value("skip-steps") == 3
    assert "skip-steps" in found
    assert "skip-steps:3" in found
    assert "skip-steps:2" not in found


def test_another_value_is_another_variant():
    """Its baseline is not that of the first."""
    assert variants.get("bf16-skip-steps:2").name == "bf16-skip-steps:2"
    assert variants.get("bf16-cut:0.25").value("cut") == 0.25
    assert variants.get("bf16-cut:2.5e-1-sdpa").name == "bf16-sdpa-cut:0.25"
    assert variants.get("bf16+cut:1e-1").value("cut") == 0.1


@pytest.mark.parametrize(
    ("spelled", "said"),
    [
        ("bf16+skip-steps:0", "whole number from 1 to 50, as in skip-steps:3"),
        ("bf16-sdpa-skip-steps:-3", "'-3' is no interval"),
        ("bf16+cut:1e-2+sdpa", "'1e-2' is no share"),
        ("bf16+skip-steps:51", "'51' is no interval"),
        ("bf16+skip-steps:2.5", "'2.5' is no interval"),
        ("bf16+skip-steps:nan", "'nan' is no interval"),
        ("bf16+skip-steps:inf", "'inf' is no interval"),
        ("bf16+skip-steps:three", "'three' is no interval"),
        ("bf16+skip-steps:", "nothing stands behind the colon; write skip-steps:3"),
        ("bf16+sdpa:2", "sdpa takes no value; write sdpa"),
        ("bf16+cut:0", "a number from 0.1 to 1, as in cut:0.4"),
        ("bf16+skip-steps:2+skip-steps:3", "skip-steps is named twice"),
        ("bf16+skip-steps:2+cut:0.5", "exclude each other"),
    ],
)
def test_what_is_no_value_is_refused_with_what_is(spelled, said):
    """Also for two values of one technique, and two techniques that exclude each other at any value."""
    with pytest.raises(ContradictionError, match=said):
        variants.get(spelled)


def test_an_unknown_technique_with_a_value_is_unknown():
    """The message names the nearest."""
    with pytest.raises(variants.UnknownNameError, match="did you mean 'skip-steps'"):
        variants.get("bf16+skip-step:3")


def test_the_weakest_promise_is_the_variants():
    """And the eager float32 form keeps only what is not exact."""
    exact, lossy = variants.get("bf16-sdpa-compile-qkv"), variants.get("bf16-sdpa-compile-skip-steps:2")
    assert (exact.promise, exact.lossy) == (Promise.EXACT, ())
    assert lossy.promise is Promise.APPROXIMATE
    assert variants.twin_of(lossy).name == "fp32-skip-steps:2"
    assert variants.twin_of(exact) == variants.REFERENCE
    assert variants.without_loss(lossy).name == "bf16-sdpa"
    assert variants.get("bf16-cut").promise is Promise.RESAMPLED


def test_an_adapter_in_other_places_is_compared_with_the_same_adapter():
    """Its pictures are another model's: neither float32's own nor captions drawn without it say anything."""
    swapped = variants.get("bf16+sdpa+compile+lora-hotswap")
    assert (swapped.promise, swapped.lossy) == (Promise.EXACT, ())
    assert variants.twin_of(swapped).name == "fp32-lora"
    assert variants.twin_of(variants.get("fp32-lora")).name == "fp32-lora"
    both = variants.get("bf16+sdpa+lora-hotswap+skip-steps:2")
    assert both.promise is Promise.RESAMPLED
    assert variants.twin_of(both).kept == ("lora", "skip-steps:2")
    assert variants.without_loss(both).name == "bf16-sdpa-lora"


@pytest.mark.parametrize("margin", [0.0, 1.0, -0.1])
def test_what_is_not_exact_declares_what_it_may_cost(margin):
    """Without a margin its task gate could not fail, or not pass."""
    with pytest.raises(ValueError, match="give the share of captions"):
        Optimization("x", "", nothing, nothing, phase=5, promise=Promise.APPROXIMATE, task_margin=margin)


def test_an_approximate_one_declares_how_far_it_goes():
    """Else its pictures would have to be float32's to the bit."""
    with pytest.raises(ValueError, match="has no least_ssim, so no picture could pass; give how similar"):
        Optimization("x", "", nothing, nothing, phase=5, promise=Promise.APPROXIMATE, task_margin=0.1)


def test_a_promise_may_be_a_text():
    """It is the member then, which is what gates ask for."""
    declared = {"promise": "approximate", "task_margin": 0.1, "least_ssim": lambda value: 0.9}
    spelled = Optimization("x", "", nothing, nothing, phase=5, **declared)
    assert spelled.promise is Promise.APPROXIMATE
    with pytest.raises(ValueError, match=r"has the promise 'lossy'; give one of Promise\.EXACT, "):
        Optimization("x", "", nothing, nothing, phase=5, promise="lossy")


def test_a_whole_number_keeps_all_of_its_digits():
    """Two of many digits are two techniques."""
    tokens = Optimization(
        "tokens", "", nothing, nothing, phase=5, parameter=Parameter("count", 1234567, 1, 10_000_000)
    )
    assert (tokens.at().name, tokens.at().value) == ("tokens:1234567", 1234567.0)
    assert tokens.at("1234568").name == "tokens:1234568"


def test_a_value_is_read_once():
    """`named` is what every spelling goes through."""
    known = optimizations.known()
    assert optimizations.named("skip-steps:7", known).value == 7
    assert optimizations.named("nothing:7", known) is None
    with pytest.raises(ParameterError):
        optimizations.named("skip-steps:-1", known)
