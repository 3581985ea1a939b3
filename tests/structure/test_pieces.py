"""Pieces of the real small SDXL: the pipeline's own call, cut where it hands over."""

import dataclasses
import random

import numpy as np
import pytest
from machine import here

from perfsuite.measuring.pieces import Pieces
from perfsuite.pipelines import prepare, release, workloads
from perfsuite.workers.lockstep import take_turns

WORKLOAD = dataclasses.replace(workloads.SHAPES, steps=2)


@pytest.fixture(scope="module")
def pipelines():
    """Two variants side by side."""
    made = [prepare(WORKLOAD, variant, "cpu") for variant in (here("bf16-sdpa"), "fp32")]
    yield made
    for prepared in reversed(made):
        release(prepared.pipe)


def test_pieces_of_one_call_draw_the_whole_calls_picture(pipelines):
    """Text encoders, a step each, VAE; bit for bit."""
    for prepared in pipelines:
        whole = prepared.generate()
        side = Pieces(prepared)
        found = [side.advance() for _ in range(side.per_call)]
        assert [piece.name for piece in found] == ["text", "step", "step", "vae"]
        assert all(piece.seconds > 0 for piece in found)
        assert np.array_equal(side.picture, whole)
        assert "encode_prompt" not in vars(prepared.pipe)


def test_two_in_turns_draw_the_same_as_alone(pipelines):
    """Calls that overlap, in changing order; gradients stay as they were."""
    import torch

    alone = [prepared.generate() for prepared in pipelines]
    sides = [Pieces(prepared) for prepared in pipelines]
    for index in (0, 1, 1, 0, 0, 1, 1, 0):
        sides[index].advance()
        assert torch.is_grad_enabled()
    assert [np.array_equal(s.picture, a) for s, a in zip(sides, alone, strict=True)] == [True, True]


def test_a_call_that_is_given_up_leaves_no_trace(pipelines):
    """In the middle of its steps: the next whole call is as ever."""
    import torch

    prepared = pipelines[0]
    whole = prepared.generate()
    side = Pieces(prepared)
    side.advance()
    side.advance()
    side.close()
    assert torch.is_grad_enabled()
    assert "encode_prompt" not in vars(prepared.pipe)
    assert np.array_equal(prepared.generate(), whole)


def test_an_error_of_the_pipeline_surfaces(pipelines, monkeypatch):
    """As itself, from the piece in which it happened."""
    prepared = pipelines[0]
    side = Pieces(prepared)
    side.advance()

    def fail(*args, **options):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(prepared.pipe.unet, "forward", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        side.advance()
    assert "encode_prompt" not in vars(prepared.pipe)


def test_two_pipelines_of_pndm_take_turns():
    """Stable Diffusion 1.5's scheduler ends one step more than it is asked for; both stay in step."""
    two = dataclasses.replace(workloads.get("tiny-sd15"), steps=2)
    made = [prepare(two, variant, "cpu") for variant in ("fp32", "fp32+sdpa")]
    try:
        whole = [prepared.generate() for prepared in made]
        sides = [Pieces(prepared) for prepared in made]
        turns = take_turns(
            sides[0].advance, sides[1].advance, sides[0].per_call, 0.0, random.Random(0), least_calls=3
        )
        assert turns.names == ("text", "step", "step", "step", "vae") * 3
        assert [np.array_equal(s.picture, w) for s, w in zip(sides, whole, strict=True)] == [True, True]
    finally:
        for prepared in reversed(made):
            release(prepared.pipe)
