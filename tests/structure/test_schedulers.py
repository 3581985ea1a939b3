"""A weights folder with another scheduler is measured and judged like any other, or refused by name."""

import json
import shutil

import pytest
from machine import here

from perfsuite import quality
from perfsuite.pipelines import models, prepare, release, workloads
from perfsuite.pipelines.models import shapes
from perfsuite.pipelines.schedules import ScheduleError, calls
from perfsuite.quality.plausibility import judge_honest
from perfsuite.records import PictureStatus
from perfsuite.structure.gates import GATES

WAITS = {"DDIMScheduler": 4, "LCMScheduler": 2, "PNDMScheduler": 3, "EulerAncestralDiscreteScheduler": 0}
"""Lines in which each reads a table on the device, and so waits for it."""
CALLS = {"PNDMScheduler": 15}
"""Of the UNet in six steps."""


@pytest.fixture
def weights(request, tmp_path):
    """The small model's folder with the named scheduler."""
    folder = shutil.copytree(shapes.WEIGHTS, tmp_path / "weights")
    for file, key, value in (
        ("model_index.json", "scheduler", ["diffusers", request.param]),
        ("scheduler/scheduler_config.json", "_class_name", request.param),
    ):
        path = folder / file
        path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    models.resolve.cache_clear()
    return request.param, str(folder)


@pytest.mark.selftest
@pytest.mark.parametrize("weights", WAITS, indirect=True)
def test_gates_and_looks(weights, tmp_path):
    """Nothing crashes; waits are found where there are some, and every look is OK."""
    name, folder = weights
    workload = workloads.get("shapes@64x64+6steps")
    reference = quality.record_reference(workload, "cpu", folder)
    prepared = prepare(workload, here("bf16-sdpa"), "cpu", folder)
    try:
        assert type(prepared.pipe.scheduler).__name__ == name
        found = {gate: check(prepared) for gate, check in GATES.items()}
        prepared.generate()
        assert calls(prepared.pipe.scheduler) == CALLS.get(name, workload.steps)
        judged = quality.assess(prepared.pipe, reference, here("bf16-sdpa"))
    finally:
        release(prepared.pipe)
    assert len(found["syncs"].problems) == WAITS[name]
    assert all(not check.problems for gate, check in found.items() if gate != "syncs")
    assert judged.status is PictureStatus.OK, [look.detail for look in judged.looks]
    assert judge_honest(tmp_path, reference).status is PictureStatus.NEW


@pytest.mark.parametrize("weights", ["PNDMScheduler"], indirect=True)
def test_too_few_steps_are_refused(weights):
    """By the scheduler's name, with what it needs."""
    prepared = prepare("shapes@64x64+3steps", "fp32", "cpu", weights[1])
    try:
        with pytest.raises(ScheduleError, match="PNDMScheduler needs at least 4 steps"):
            prepared.generate()
    finally:
        release(prepared.pipe)
