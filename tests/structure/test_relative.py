"""Relative latency on the real small model: a ratio, and nothing of the reference is left."""

import gc
import weakref

import numpy as np
import pytest

from perfsuite import pipelines
from perfsuite.device import Snapshot
from perfsuite.pipelines import building, workloads
from perfsuite.records import Relative
from perfsuite.workers.relative import measure_relative


@pytest.fixture(scope="module")
def prepared():
    """float32 with sdpa, which is neither slow nor the reference."""
    made = pipelines.prepare(workloads.SHAPES, "fp32+sdpa", "cpu")
    yield made
    pipelines.release(made.pipe)


@pytest.fixture(scope="module")
def seen(prepared):
    """What was there before and after one measurement."""
    import torch

    built = []
    prepare = pipelines.prepare

    def remembering(*arguments, **options):
        made = prepare(*arguments, **options)
        built.append(weakref.ref(made.pipe.unet))
        return made

    code = torch.compile(lambda x: 2 * x + 1, backend="eager", fullgraph=True)
    code(torch.ones(3))
    patch = pytest.MonkeyPatch()
    patch.setattr(pipelines, "prepare", remembering)
    try:
        before, picture, threads = Snapshot.take(), prepared.generate(), torch.get_num_threads()
        held = set(building._OPEN)
        found = measure_relative(prepared, 1, 0.5)
        after = Snapshot.take()
    finally:
        patch.undo()
    counted = dict(torch._dynamo.utils.counters["stats"])
    code(torch.ones(3))
    compiled_anew = dict(torch._dynamo.utils.counters["stats"]) != counted
    return {
        "found": found, "before": before, "after": after, "picture": picture, "built": built,
        "threads": (threads, torch.get_num_threads()), "compiled_anew": compiled_anew,
        "left_open": set(building._OPEN) - held,
    }  # fmt: skip


def test_a_ratio_of_each_pair_of_calls(seen):
    """Of one reference; sdpa makes no other magnitude of float32."""
    found = seen["found"]
    assert isinstance(found, Relative)
    assert found.reference == "fp32"
    assert len(found.ratio) >= 3
    assert 0.3 < np.median(found.ratio) < 3


def test_a_reference_that_does_not_fit_is_not_built(prepared, monkeypatch):
    """Its weights take four bytes each, also beside a pipeline of half precision, whose peak is lower."""
    from perfsuite.workers import relative

    numel = sum(p.numel() for name in ("unet", "vae", "text_encoder", "text_encoder_2")
                for p in getattr(prepared.pipe, name).parameters())  # fmt: skip
    monkeypatch.setattr(relative, "free_memory", lambda kind: int(4 * relative.HEADROOM * numel) - 1)
    monkeypatch.setattr(pipelines, "prepare", lambda *args: pytest.fail("it was built"))
    found = measure_relative(prepared, 1, 0.5)
    assert isinstance(found, str)
    assert "no memory for the reference beside it" in found
    assert found.endswith("GiB wanted")


def test_the_process_is_as_it_was(seen):
    """Settings and threads."""
    assert seen["before"].differences(seen["after"]) == {}
    assert len(set(seen["threads"])) == 1


def test_compiled_code_stays(seen):
    """Releasing the reference does not throw away what is compiled for the pipeline in use."""
    assert seen["compiled_anew"] is False


def test_the_pipeline_draws_the_same_picture_bit_for_bit(seen, prepared):
    """All steps of its workload, with its own methods."""
    assert np.array_equal(seen["picture"], prepared.generate())
    assert "encode_prompt" not in vars(prepared.pipe)
    assert prepared.context.workload is workloads.SHAPES


def test_the_reference_is_gone(seen):
    """Neither open nor in memory."""
    assert seen["left_open"] == set()
    assert len(seen["built"]) == 1
    gc.collect()
    assert seen["built"][0]() is None
