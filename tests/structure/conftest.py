"""A pipeline on which a `verify` can be held to its word."""

import copy
import dataclasses
import gc

import pytest

from perfsuite.device.load import Stretch
from perfsuite.pipelines import models, optimizations, variants, workloads

WORKLOAD = dataclasses.replace(workloads.SHAPES, steps=2)
TEN = dataclasses.replace(workloads.SHAPES, steps=10)
EQUAL_BLOCKS = "unet.up_blocks.1.attentions."
"""What the names of two transformer blocks of the same shapes begin with; Dynamo traces them once."""


@pytest.fixture(scope="session", autouse=True)
def _libraries_stay():
    """What torch and diffusers consist of is not looked through in each garbage collection: that took longer
    than many a test here."""
    from diffusers import StableDiffusionXLPipeline  # noqa: F401
    from torch._inductor import compile_fx  # noqa: F401

    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def loaded():
    """The small model in float32; nobody changes it."""
    import torch

    from perfsuite.device import fingerprint

    return models.load(WORKLOAD, fingerprint("cpu"), torch.float32)


@pytest.fixture
def bench(loaded):
    """A float32 pipeline of the small model with nothing applied, its context, and a clean exit."""
    import torch

    from perfsuite.device import Snapshot, fingerprint
    from perfsuite.pipelines.technique import Context

    snapshot = Snapshot.take()
    device = fingerprint("cpu")
    torch.set_num_threads(device.count)
    pipe = copy.deepcopy(loaded)

    def context(variant):
        return Context(WORKLOAD, variants.get(variant), device)

    yield pipe, context
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    snapshot.restore()


@pytest.fixture
def rung(bench):
    """A function from a variant's name to its pipeline, whose optimizations are applied and not proven."""
    from perfsuite.device import Snapshot
    from perfsuite.pipelines import Prepared

    pipe, make = bench
    snapshot = Snapshot.take()

    def prepare(variant):
        context = make(variant)
        for step in context.variant.optimizations:
            step.apply(pipe, context)
        return Prepared(pipe, context, (), Stretch(), snapshot)

    return prepare


@pytest.fixture
def traced(rung):
    """The small pipeline with two equal blocks of its UNet compiled by Dynamo alone: tracing, guards and
    graph breaks are the real ones, what runs is eager code, and nothing is generated."""
    import torch

    from perfsuite.pipelines.optimizations.regional import repeated_blocks

    prepared = rung("fp32+sdpa+compile-regional")
    torch._dynamo.reset()
    every = repeated_blocks(prepared.pipe)
    for block in every.values():
        block._compiled_call_impl = None
    found = {name: block for name, block in every.items() if name.startswith(EQUAL_BLOCKS)}
    assert len(found) == 2, list(every)
    for block in found.values():
        block.compile(dynamic=False, backend="eager")
    return prepared, found


@pytest.fixture
def built(bench):
    """A function from a variant to its pipeline, its context, and the technique that was named last."""
    pipe, make = bench

    def build(name, workload=TEN, *, applied=True):
        context = dataclasses.replace(make(name), workload=workload)
        technique = optimizations.named(name.rpartition("+")[2], optimizations.known())
        for step in context.variant.optimizations:
            if applied or step.base != technique.base:
                step.apply(pipe, context)
        return pipe, context, technique

    return build
