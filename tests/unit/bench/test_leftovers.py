"""Weights that are alive after a release."""

import gc

import torch

from perfsuite.bench.leftovers import Leftovers, left_behind
from perfsuite.records import Status


class Pipe:
    """A pipeline with a component of 4 KiB of weights, and one without any."""

    def __init__(self) -> None:
        self.components = {"unet": torch.nn.Linear(32, 32, bias=False), "tokenizer": object()}


def test_what_nobody_holds_is_gone() -> None:
    pipe = Pipe()
    seen = Leftovers(pipe)
    assert seen.alive_bytes() == 4096
    del pipe
    gc.collect()
    assert seen.alive_bytes() == 0


def test_what_somebody_holds_is_seen() -> None:
    """A part is enough, also where the pipeline is gone."""
    pipe = Pipe()
    seen, kept = Leftovers(pipe), pipe.components["unet"]
    del pipe
    gc.collect()
    assert seen.alive_bytes() == 4096
    quantity = left_behind(seen.alive_bytes())
    assert (quantity.verdict.status, quantity.value) == (Status.REGRESSED, 4096)
    del kept
