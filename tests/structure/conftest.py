"""A pipeline on which a `verify` can be held to its word."""

import dataclasses

import pytest

from perfsuite import models, variants, workloads

WORKLOAD = dataclasses.replace(workloads.SHAPES, steps=2)


@pytest.fixture
def bench():
    """A float32 pipeline of the small model with nothing applied, its context, and a clean exit."""
    import torch

    from perfsuite.device import Snapshot, fingerprint
    from perfsuite.pipelines import Context

    snapshot = Snapshot.take()
    device = fingerprint("cpu")
    torch.set_num_threads(device.count)
    pipe = models.load(WORKLOAD, device, torch.float32)

    def context(variant):
        return Context(WORKLOAD, variants.get(variant), device)

    yield pipe, context
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    snapshot.restore()
