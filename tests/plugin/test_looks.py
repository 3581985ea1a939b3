"""The looks below the pictures, in whole runs on the real small model with a fault planted."""

import json
import shutil
from pathlib import Path

import pytest
from machine import here

from perfsuite import pipelines
from perfsuite.quality.faults import plant
from perfsuite.store import read_results
from perfsuite.store.exhibits import read_numbers

QUALITY = Path(__file__).parents[1] / "quality" / "test_components.py"
CONFTEST = 'pytest_plugins = ["perfsuite.plugin"]'
INI = "[pytest]\naddopts = --import-mode=importlib\n"
WORKLOAD, STEPS = "shapes@64x64+6steps", 6


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Where the runs of this module keep their float32 reference."""
    return tmp_path_factory.mktemp("references")


@pytest.fixture
def run(pytester, cache, monkeypatch):
    """Run the looks on one rung with a fault planted, or none; in this process, which has torch."""
    shutil.copy(QUALITY, pytester.path)
    pytester.makeconftest(CONFTEST)
    (pytester.path / "pytest.ini").write_text(INI)
    honest = pipelines.prepare

    def started(fault, *options):
        def prepare(*args, **kwargs):
            prepared = honest(*args, **kwargs)
            if fault:
                plant(fault, prepared.pipe, prepared.context)
            return prepared

        monkeypatch.setattr(pipelines, "prepare", prepare)
        return pytester.runpytest_inprocess(
            f"--perf-workload={WORKLOAD}",
            f"--perf-variant={here('bf16-sdpa')}",
            "--perf-device=cpu",
            f"--perf-reference-cache={cache}",
            *options,
        )

    return started


def test_a_fault_fails_by_place_and_leaves_artifacts(run, pytester):
    """Module, step, prompt, error and budget are in the message; pictures, maps and drift are on disk."""
    done = run("keys-replaced-by-values", "-k", "modules", "--benchmark-only")
    done.assert_outcomes(failed=1, deselected=3)
    text = done.stdout.str()
    rung = here("bf16-sdpa")
    assert f"{WORKLOAD} {rung}: modules DEGRADED: first unet." in text
    assert "attn" in text
    assert "step" in text
    assert "allowed" in text
    folder = pytester.path / ".perfsuite" / "artifacts"
    assert f"pictures, maps and drift: {folder}" in text
    kinds = {path.name.removeprefix(f"{WORKLOAD}-{rung}-prompt-0-") for path in folder.glob("*-prompt-0-*")}
    assert kinds == {
        "float32.png", "variant.png", "ssim-map.png", "flip-map.png", "drift.png", "drift.json",
    }  # fmt: skip
    drift = json.loads((folder / f"{WORKLOAD}-{rung}-prompt-0-drift.json").read_text())
    assert len(drift["variant"]) == STEPS
    assert drift["variant"][-1] > drift["same_precision"][-1]


def test_honest_code_passes_and_is_recorded(run, pytester):
    """Nothing is beyond its budget; the results file holds all looks, and there is no artifact."""
    done = run("")
    done.assert_outcomes(passed=4)
    (path,) = (pytester.path / ".perfsuite" / "runs").glob("*.jsonl")
    lines = [json.loads(line) for line in path.read_text().split("\n")[:-1]]
    looks = {look["name"]: look for look in lines[-1]["quality"]["looks"]}
    assert set(looks) == {"pictures", "components", "modules", "loop"}
    assert all(look["status"] == "OK" and look["count"] > 0 for look in looks.values())
    assert not (pytester.path / ".perfsuite" / "artifacts").exists()


def test_a_damaged_stored_reference_is_named(run, cache):
    """A stored reference that was cut short: the file and what to delete, and it is left as it is."""
    run("", "-k", "loop").assert_outcomes(passed=1, deselected=3)
    (folder,) = cache.iterdir()
    trace = folder / "trace-1.safetensors"
    whole = trace.read_bytes()
    trace.write_bytes(whole[:1000])
    done = run("", "-k", "loop")
    trace.write_bytes(whole)
    done.assert_outcomes(errors=1, deselected=3)
    done.stdout.fnmatch_lines(["*WrongReferenceError: *trace-1.safetensors*damaged*delete the folder*"])


def test_a_report_keeps_the_numbers_behind_every_look(run, pytester):
    """Though all is well; pictures that are judged afterwards take nothing away."""
    shutil.copy(QUALITY.with_name("test_ssim.py"), pytester.path / "test_later.py")
    done = run("", "-k", "not golden", "--benchmark-only", "--perf-report=page")
    done.assert_outcomes(passed=5, deselected=1)
    folder = pytester.path / ".perfsuite" / "runs"
    (path,) = folder.glob("*.jsonl")
    (found,) = read_results(path).results
    assert [look.name for look in found.quality.looks] == ["pictures", "components", "modules", "loop"]
    assert len(found.exhibits.pictures) == 4
    assert all(score.flip is not None for score in found.quality.scores)
    numbers = read_numbers(folder, found.exhibits.numbers)
    for name in ("components", "modules", "loop"):
        worst = max(numbers.errors[name], key=lambda deviation: deviation.ratio)
        # The loop's worst may be in the real run, which the drift shows.
        assert worst == found.quality.look(name).worst or name == "loop"
    assert [len(curve.steps) for curve in numbers.drift] == [STEPS] * 4
    assert all(v <= most for c in numbers.drift for v, most in zip(c.variant, c.budget, strict=True))
    page = (pytester.path / "page" / "index.html").read_text()
    assert "unet.guided" in page
    assert f"of n={STEPS} steps above the budget" in page
