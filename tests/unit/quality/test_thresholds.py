"""The least SSIM: the noise floor less a margin, of the variant or else of its relatives."""

from dataclasses import replace

import pytest

from perfsuite.pipelines import variants, workloads
from perfsuite.pipelines.loaded import loaded_by
from perfsuite.quality.thresholds import LEAST_SSIM, declared, for_variant, strange, threshold_of
from perfsuite.store import PromptThreshold, Thresholds


@pytest.mark.parametrize(
    ("floor", "margin", "threshold"),
    [
        (0.99, 3.0, 0.97),
        (0.99, 2.0, 0.98),
        (0.5, 3.0, LEAST_SSIM),
        (-0.9, 3.0, LEAST_SSIM),
        (1.0, 3.0, 0.9998),
        (0.99995, 3.0, 0.9998),
    ],
)
def test_threshold_of_a_floor(floor: float, margin: float, threshold: float) -> None:
    """A multiple of the distance from 1, never so near to 1 that rounding fails, nor beyond all likeness."""
    assert threshold_of(floor, margin) == pytest.approx(threshold, abs=1e-12)


@pytest.fixture
def stored() -> Thresholds:
    """Thresholds of four variants and two prompts; those of int8 are the widest."""
    values = {
        "bf16": {"p": 0.95, "q": 0.90},
        "bf16-sdpa": {"p": 0.94, "q": 0.91},
        "bf16-sdpa-compile-qkv-int8": {"p": 0.75, "q": 0.8},
        "fp16": {"p": 0.99, "q": 0.98},
        "bf16-sdpa-qkv": {"p": 0.7, "q": 0.7},
    }
    found = {
        name: {prompt: PromptThreshold(1.0, 3, least) for prompt, least in prompts.items()}
        for name, prompts in values.items()
    }
    return Thresholds("shapes", "protocol", 3.0, "Example CPU", {}, found)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("bf16-sdpa", {"p": 0.94, "q": 0.91}),
        ("bf16+sdpa+qkv", {"p": 0.7, "q": 0.7}),
        ("bf16-sdpa-compile", {"p": 0.7, "q": 0.7}),
        ("bf16+channels-last", {"p": 0.7, "q": 0.7}),
        ("bf16+sdpa+int8", {"p": 0.7, "q": 0.7}),
        ("fp16-sdpa", {"p": 0.99, "q": 0.98}),
        ("fp16+int8", {"p": 0.99, "q": 0.98}),
        ("fp32", {"p": 0.9998, "q": 0.9998}),
    ],
)
def test_thresholds_of_a_variant(name: str, wanted: dict[str, float], stored: Thresholds) -> None:
    """Its own, else the least of those of its precision; int8 counts for int8 only; float32 is itself."""
    assert for_variant(stored, variants.get(name), "shapes") == wanted


@pytest.mark.parametrize("name", ["bf16", "bf16+sdpa"])
def test_a_stored_threshold_beyond_all_likeness_is_not_believed(name: str) -> None:
    """Whoever stored it had a kernel that was wrong for everybody."""
    found = Thresholds("w", "p", 3.0, "CPU", {}, {"bf16": {"p": PromptThreshold(0.35, 3, -0.94)}})
    assert for_variant(found, variants.get(name), "shapes") == {"p": LEAST_SSIM}


def test_thresholds_of_what_is_not_exact_are_nobody_elses(stored: Thresholds) -> None:
    """DeepCache's wide threshold is not that of exact variants, whose narrow ones are not DeepCache's."""
    deep = {"p": PromptThreshold(1.0, 3, 0.55)}
    mixed = replace(stored, variants={**stored.variants, "bf16-sdpa-deepcache:3": deep})
    assert for_variant(mixed, variants.get("bf16+sdpa+channels-last"), "shapes") == for_variant(
        stored, variants.get("bf16+sdpa+channels-last"), "shapes"
    )
    assert for_variant(mixed, variants.get("bf16+sdpa+compile+deepcache:3"), "shapes") == {"p": 0.55}
    assert for_variant(mixed, variants.get("bf16+sdpa+deepcache:2"), "shapes") == {}
    assert for_variant(stored, variants.get("bf16+sdpa+cfg-cutoff"), "shapes") == {}


def test_the_widest_declared_threshold_of_several_holds() -> None:
    """Of an approximate variant without stored ones, for every prompt."""
    one = declared(variants.get("bf16+sdpa+deepcache:3"), workloads.SHAPES)
    both = declared(variants.get("bf16+sdpa+deepcache:3+layerwise-fp8"), workloads.SHAPES)
    assert set(one) == set(workloads.SHAPES.prompts)
    assert set(one.values()) == set(both.values()) == {0.7}
    assert set(declared(variants.get("bf16+layerwise-fp8"), workloads.SHAPES).values()) == {0.99}


@pytest.mark.parametrize("name", ["bf16-sdpa-registered-elsewhere", "bf16-sdpa-deepcache:1"])
def test_thresholds_of_what_nobody_knows_here_count_for_nobody(name: str, stored: Thresholds) -> None:
    """A technique that is registered where they were measured, or a value that it has no more."""
    strangers = {name: {"p": PromptThreshold(1.0, 3, 0.1)}}
    with_them = replace(stored, variants={**stored.variants, **strangers})
    found = for_variant(with_them, variants.get("bf16-sdpa-channels-last"), "shapes")
    assert found == for_variant(stored, variants.get("bf16-sdpa-channels-last"), "shapes") != {}


def test_thresholds_of_another_adapter_are_not_taken(stored: Thresholds) -> None:
    """Nor by relatives; one that does not say what was loaded is not this one's."""
    lora = {"p": PromptThreshold(1.0, 3, 0.9)}
    own, relative = variants.get("bf16+sdpa+lora"), variants.get("bf16+sdpa+channels-last+lora")
    for held, wanted in (
        ({own.name: loaded_by(own, "shapes")}, {"p": 0.9}),
        ({own.name: "lora-a.safetensors 0123456789ab"}, {}),
        ({}, {}),
    ):
        mixed = replace(stored, variants={**stored.variants, own.name: lora}, loaded=held)
        assert for_variant(mixed, own, "shapes") == for_variant(mixed, relative, "shapes") == wanted
        assert bool(strange(mixed, own, "shapes")) == (not wanted)
        assert not strange(mixed, relative, "shapes")
    assert not strange(stored, variants.get("bf16+sdpa"), "shapes")
