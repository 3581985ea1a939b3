"""Prompts that the model never saw, and a protocol that tells workloads apart."""

from dataclasses import replace
from typing import Any

import pytest

from perfsuite.models.shapes import drawing
from perfsuite.variants import UnknownNameError
from perfsuite.workloads import SDXL_BASE, SHAPES, WORKLOADS, get

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
