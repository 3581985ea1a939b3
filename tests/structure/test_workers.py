"""Forked workers run the real small SDXL as this process does."""

import re

import numpy as np
import pytest

from perfsuite.measuring import Plan
from perfsuite.pipelines import prepare, release
from perfsuite.workers import Server, WorkerError, measure_session
from perfsuite.workers.sessions import as_session

STEPS = 2


@pytest.fixture(scope="module")
def server():
    """Imports the stack once; each worker is a fork of it."""
    with Server(fork=True) as server:
        yield server


def ready(server, variant="fp32", **options):
    worker = server.worker(reply_limit_s=120)
    worker.ask("prepare", workload="shapes", variant=variant, device="cpu", steps=STEPS, **options)
    return worker


@pytest.mark.selftest
def test_forked_workers_are_processes_of_their_own_and_draw_the_same(server, tmp_path):
    """Bit for bit the picture of this process, with all steps of the workload."""
    from safetensors.numpy import load_file

    here = prepare("shapes", "fp32", "cpu")
    own = here.generate()
    release(here.pipe)
    pids = set()
    for number in range(2):
        worker = ready(server)
        pids.add(worker.hello["pid"])
        file = str(tmp_path / f"{number}.safetensors")
        assert worker.ask("pictures", workload="shapes", variant="fp32", file=file, count=1) == 1
        worker.close()
        found = load_file(file)
        assert list(found) == ["000"]
        assert np.array_equal(found["000"], own)
    assert len(pids) == 2


def test_session_is_a_valid_document(server):
    """As a baseline stores them."""
    worker = ready(server)
    plan = {"time_budget_s": 0.1, "least_rounds": 3, "most_rounds": 3, "warmup_limit": 2}
    session = as_session(worker.ask("session", variant="fp32", plan=plan))
    assert len(session.latency_s) == 3
    assert min(session.latency_s) > 0
    assert session.peak_memory_bytes > 0
    assert session.stages is not None
    assert len(session.stages.steps_s) == STEPS
    assert session.versions == worker.hello["versions"]
    assert re.fullmatch("[0-9a-f]{40}", session.git["torch"])
    assert session.relative is None
    worker.close()


def test_a_call_is_profiled_in_a_process_of_its_own(server):
    """By operator; a CPU launches no kernels and is never idle for the host."""
    worker = ready(server)
    found = worker.ask("profile", variant="fp32", hot=True)
    assert found["profile"] is None
    assert found["hot"]["aten::convolution"]["calls"] > 10
    assert worker.ask("profile", variant="fp32", hot=False) == {"profile": None, "hot": {}}
    worker.close()


def test_pieces_memory_and_release(server):
    """Turns go through call after call; a pipeline that was released is gone."""
    worker = ready(server)
    found = [worker.ask("advance", variant="fp32") for _ in range(2 * (STEPS + 2))]
    assert [name for name, _ in found] == ["text", "step", "step", "vae"] * 2
    assert all(seconds > 0 for _, seconds in found)
    assert worker.ask("pieces", variant="fp32") == {"text": 1, "step": STEPS, "vae": 1}
    assert worker.ask("pieces", variant="fp32", workload="shapes") == {"text": 1, "step": 30, "vae": 1}
    assert all(seconds > 0 for seconds in worker.ask("warm", variant="fp32", calls=2))
    assert worker.ask("memory") > 50 * 2**20
    assert worker.ask("free_memory") > 0
    assert worker.ask("device_kind") == "cpu"
    worker.ask("advance", variant="fp32")
    worker.ask("release", variant="fp32")  # in the middle of a call
    with pytest.raises(WorkerError, match="KeyError: 'fp32'"):
        worker.ask("advance", variant="fp32")
    worker.close()


def test_what_cannot_be_prepared_is_said(server):
    """The suite's own message, with the traceback; the worker takes the next command."""
    worker = server.worker()
    with pytest.raises(WorkerError, match=r"UnknownNameError: unknown variant.* did you mean 'bf16'"):
        worker.ask("prepare", workload="shapes", variant="bf61")
    with pytest.raises(WorkerError, match="WeightsError: "):
        worker.ask("prepare", workload="shapes", variant="fp32", device="cpu", weights="/no/such/folder")
    assert worker.ask("memory") > 0
    worker.close()


def test_a_session_of_the_suite(server):
    """`measure_session` is what the suite measures again."""
    worker = server.worker(reply_limit_s=120)
    session = measure_session(worker, "shapes", "fp32", "cpu", plan=Plan(time_budget_s=0.5), relative=False)
    assert len(session.latency_s) >= 5
    worker.close()
