"""Prompts that the model never saw, and a protocol that tells workloads apart."""

import re
from dataclasses import replace
from typing import Any

import pytest

from perfsuite.pipelines.models.shapes import drawing
from perfsuite.pipelines.variants import UnknownNameError
from perfsuite.pipelines.workloads import SDXL_BASE, SHAPES, WORKLOADS, SizeError, get

SCENES = {scene.caption: scene for scene in drawing.scenes()}


@pytest.mark.parametrize("prompt", SHAPES.prompts)
def test_shapes_prompt_is_held_out(prompt: str) -> None:
    """The small model must compose what it was not trained on: each prompt is a held-out caption."""
    assert SCENES[prompt].held_out


@pytest.mark.parametrize("name", WORKLOADS)
def test_prompts_are_several_and_short(name: str) -> None:
    """At least four different prompts, none of which a CLIP tokenizer of 77 tokens need cut at a word."""
    prompts = WORKLOADS[name].prompts
    assert len(set(prompts)) == len(prompts) >= 4
    assert max(len(prompt.split()) for prompt in prompts) <= 75


def test_shapes_prompts_differ_in_what_they_show() -> None:
    """No two of them share a kind, a background texture or a position: one fault cannot hide in all."""
    scenes = [SCENES[prompt] for prompt in SHAPES.prompts]
    for field in ("kind", "texture", "position", "colour"):
        assert len({getattr(scene, field) for scene in scenes}) == len(scenes), field


@pytest.mark.parametrize(
    "change",
    [
        {"model": "other"},
        {"width": 256},
        {"height": 256},
        {"steps": 31},
        {"guidance": 5.5},
        {"seed": 1},
        {"prompts": ("another", *SHAPES.prompts[1:])},
    ],
    ids=lambda change: next(iter(change)),
)
def test_protocol_holds_what_changes_the_latency(change: dict[str, Any]) -> None:
    """Whatever the timed call depends on makes another protocol, so that no baseline is mixed up."""
    assert replace(SHAPES, **change).protocol != SHAPES.protocol


def test_protocol_leaves_out_untimed_prompts() -> None:
    """A further prompt for the pictures does not discard the latencies measured before."""
    assert replace(SHAPES, prompts=(*SHAPES.prompts, "one more")).protocol == SHAPES.protocol


def test_workload_by_name() -> None:
    """Names and objects are both accepted, and a typo is answered with the nearest name."""
    assert get("sdxl-base") is SDXL_BASE
    assert get(SHAPES) is SHAPES
    with pytest.raises(UnknownNameError, match=r"unknown workload 'shape': did you mean 'shapes'\?"):
        get("shape")


def test_another_size_has_a_name_and_a_protocol_of_its_own() -> None:
    """The same name however it is spelled, so that results and baselines find each other."""
    made = get("sdxl-base@512x256+4steps+b2")
    assert (made.width, made.height, made.steps, made.batch) == (512, 256, 4, 2)
    assert made.name == get("sdxl-base@b2+4steps+512x256").name == "sdxl-base@512x256+4steps+b2"
    assert get(made.name) == made
    assert made.protocol != SDXL_BASE.protocol
    assert "batch 2" in made.protocol
    assert made.prompts == SDXL_BASE.prompts


@pytest.mark.parametrize(
    "name", ["sdxl-base@1024x1024", "sdxl-base@30steps+b1", "sdxl-base@1024x1024+30steps"]
)
def test_the_own_size_is_the_workload_itself(name: str) -> None:
    """No second name for the same thing."""
    assert get(name) is SDXL_BASE


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sdxl-base@500x512", "width must be a multiple of 8, found 500; nearest 496"),
        ("sdxl-base@512x32", "height must be from 64 to 4096, found 32"),
        ("sdxl-base@0steps", "steps must be from 1 to 1000, found 0"),
        ("sdxl-base@b65", "batch must be from 1 to 64, found 65"),
        ("sdxl-base@4steps+5steps", "steps is given twice"),
        ("sdxl-base@", "'' is no size; write sdxl-base@512x512"),
        ("sdxl-base@big", "'big' is no size"),
        ("4steps", "join sizes by +"),
    ],
)
def test_sizes_that_mean_nothing_are_named(name: str, words: str) -> None:
    """What is wrong, what was found, and what can be."""
    with pytest.raises(SizeError, match=re.escape(words)):
        get(name)


def test_a_batch_of_one_is_what_baselines_were_recorded_with() -> None:
    """Stored protocols say so already: those of before are still comparable."""
    assert "guidance 5 batch 1 seed 0" in SHAPES.protocol
    assert replace(SHAPES, batch=2).protocol != SHAPES.protocol
