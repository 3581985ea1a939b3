"""The real small model: CUDA's own error is raised half-way, and real fresh processes do the rest."""

import json
import os
import shutil
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CONFTEST = """
pytest_plugins = ["perfsuite.plugin"]
import os
import torch
from perfsuite import pipelines

honest = pipelines.prepare  # `quality` holds this one
SAID = "CUDA error: an illegal memory access was encountered\\nSearch for `cudaErrorIllegalAddress'"

def prepare(workload, variant, *args, **kwargs):
    prepared = honest(workload, variant, *args, **kwargs)
    if variant.name == "fp32":
        left = int(os.environ["UNET_CALLS"])
        forward = prepared.pipe.unet.forward

        def failing(*args, **kwargs):
            nonlocal left
            left -= 1
            if left < 0:
                raise torch.AcceleratorError(SAID)
            return forward(*args, **kwargs)

        prepared.pipe.unet.forward = failing
    return prepared

pipelines.prepare = prepare
"""
INI = "[pytest]\naddopts = --import-mode=importlib\n"
STEPS = 2


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Where the runs of this module keep their float32 reference."""
    return tmp_path_factory.mktemp("references")


@pytest.mark.parametrize(
    ("unet_calls", "phase"), [(0, "first call"), (10**6, None), (None, "components, modules, loop")]
)
def test_the_other_variants_get_all_their_results(pytester, cache, monkeypatch, unet_calls, phase):
    """Sessions, pictures and looks; with nothing wrong they are the same looks, taken in this process."""
    for name in ("benchmarks/test_latency.py", "quality/test_ssim.py", "quality/test_components.py"):
        shutil.copy(TESTS / name, pytester.path)
    pytester.makeconftest(CONFTEST)
    (pytester.path / "pytest.ini").write_text(INI)
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "2"))
    # Four pictures are drawn after the session, by the looks' first call of the UNet at the latest.
    monkeypatch.setenv("UNET_CALLS", str(unet_calls if unet_calls is not None else 4 * STEPS))
    tests = ["test_ssim.py", "test_components.py"]
    if unet_calls is not None:
        tests.insert(0, "test_latency.py")
    done = pytester.runpytest_subprocess(
        "--perf-workload=shapes@64x64+2steps", "--perf-variant=fp32,fp32-sdpa", "--perf-device=cpu",
        "--perf-time-budget=0.1", f"--perf-reference-cache={cache}", *tests,
    )  # fmt: skip
    text = done.stdout.str()
    results = {}
    for line in (pytester.path / ".perfsuite/results.jsonl").read_text().splitlines()[1:]:
        found = json.loads(line)
        held = {k: v for k, v in found.items() if v is not None}
        results.setdefault(found["variant"], {}).update(held)
    other = results["fp32-sdpa"]
    assert {look["name"]: look["status"] for look in other["quality"]["looks"]} == {
        "pictures": "OK", "components": "OK", "modules": "OK", "loop": "OK",
    }  # fmt: skip
    assert all(look["count"] > 0 for look in other["quality"]["looks"])
    if unet_calls is not None:
        assert len(other["session"]["latency_s"]) >= 5
        assert len(other["session"]["stages"]["steps_s"]) == STEPS
        assert other["session"]["relative"]["reference"] == "fp32"
    if phase is None:
        assert "lost" not in text
        assert "session" in results["fp32"]
        return
    assert f"shapes@64x64+2steps fp32: CUDA is lost to this process in phase '{phase}'" in text
    assert "AcceleratorError: CUDA error: an illegal memory access was encountered" in text
    assert "in fresh processes, since CUDA was lost" in text
    assert other["evidence"][-1].startswith("in a fresh process: ")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert "fp32-sdpa] FAILED" not in text
