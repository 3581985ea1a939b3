"""The real small model: CUDA's own error is raised half-way, and real fresh processes do the rest."""

import os
import shutil
from pathlib import Path

import pytest

from perfsuite.store import read_results

TESTS = Path(__file__).parents[1]
CONFTEST = """
pytest_plugins = ["perfsuite.plugin"]
import os
import torch
from perfsuite import pipelines

honest = pipelines.prepare
if os.environ["LOSES"] != "reference":
    from perfsuite import quality  # which holds the honest one then
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


@pytest.mark.selftest
@pytest.mark.parametrize(
    ("loses", "unet_calls", "phase"),
    [
        ("reference", 0, "float32, prompt 1 of 4"),
        ("fp32", 0, "first call"),
        # Four pictures are drawn first.
        ("fp32", 4 * STEPS, "components, modules, loop"),
    ],
)
def test_the_other_variants_get_all_their_results(pytester, cache, monkeypatch, loses, unet_calls, phase):
    """Sessions, pictures and looks, each taken in a fresh process and judged as in the first one."""
    for name in [name for name in os.environ if name.startswith("GITHUB_")]:
        monkeypatch.delenv(name)  # a planted loss is no news: nothing of it for a workflow's summary
    tests = ["test_ssim.py", "test_components.py"]  # in the order of a whole run
    if unet_calls == 0:
        tests.insert(0, "test_latency.py")
    for name in tests:
        shutil.copy(next(TESTS.glob(f"*/{name}")), pytester.path)
    pytester.makeconftest(CONFTEST)
    (pytester.path / "pytest.ini").write_text(INI)
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "2"))
    monkeypatch.setenv("LOSES", loses)
    monkeypatch.setenv("UNET_CALLS", str(unet_calls))
    folder = pytester.path / "own" if loses == "reference" else cache
    done = pytester.runpytest_subprocess(
        "--perf-workload=shapes@64x64+2steps", "--perf-variant=fp32,fp32-sdpa", "--perf-device=cpu",
        "--perf-time-budget=0.1", "--perf-load=measure", f"--perf-reference-cache={folder}", *tests,
    )  # fmt: skip
    text = done.stdout.str()
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert f"shapes@64x64+2steps {loses}: CUDA is lost to this process in phase '{phase}'" in text
    assert "AcceleratorError: CUDA error: an illegal memory access was encountered" in text
    assert "in fresh processes, since CUDA was lost" in text
    (path,) = (pytester.path / ".perfsuite" / "runs").glob("*.jsonl")
    results = {r.variant: r for r in read_results(path).results}
    other = results["fp32-sdpa"]
    assert {look.name: look.status.value for look in other.quality.looks} == {
        "pictures": "OK", "components": "OK", "modules": "OK", "loop": "OK",
    }  # fmt: skip
    assert all(look.count > 0 for look in other.quality.looks)
    assert other.evidence[-1].startswith("in a fresh process: ")
    failed = done.parseoutcomes().get("failed", 0) + done.parseoutcomes().get("errors", 0)
    assert failed == {"reference": 0, "fp32": 5 if unet_calls == 0 else 3}[loses]
    if unet_calls == 0:
        assert len(other.session.latency_s) >= 5
        assert len(other.session.stages.steps_s) == STEPS
        assert other.session.relative.reference == "fp32"
