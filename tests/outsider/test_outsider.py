"""Somebody's own project: perfsuite and a package of theirs are installed, and their tests measure."""

import importlib.util
import json
import os
import shutil
import site
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from perfsuite.pipelines.models import shapes
from perfsuite.store import Runs, read_results

ROOT, HERE = Path(__file__).parents[2], Path(__file__).parent
KEY = "postcards/sliced"
FAST = ("--perf-time-budget=0.5", "--perf-relative=no", "--perf-confirm=1", "-p", "no:cacheprovider")
Run = Callable[..., subprocess.CompletedProcess[str]]


def started(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it with nothing of this checkout on the path."""
    kept = {
        k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTEST_ADDOPTS", "PIP_CONSTRAINT")
    }
    return subprocess.run(
        command, cwd=folder, env=kept, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment into which pip installed perfsuite and the example; what they need lies behind."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    python = folder / "bin" / "python"
    packages = started([str(python), "-c", "import site; print(site.getsitepackages()[0])"], folder)
    (Path(packages.stdout.strip()) / "shared.pth").write_text("\n".join(site.getsitepackages()))
    # Built here, where the build backend is; else pip fetches it.
    built = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    pip = [sys.executable, "-m", "pip", f"--python={python}", "install", "--quiet", "--no-deps",
           "--ignore-installed", *built, str(ROOT), str(HERE / "example")]  # fmt: skip
    done = started(pip, folder)
    assert done.returncode == 0, done.stderr
    return python


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with their conftest.py, their tests and their weights."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("pyproject.toml", "conftest.py", "test_postcards.py"):
        shutil.copy(HERE / "example" / name, folder)
    shutil.copytree(shapes.WEIGHTS, folder / "weights")
    return folder


@pytest.fixture(scope="module")
def perfsuite(python: Path, project: Path) -> Run:
    return lambda *words: started([str(python.parent / "perfsuite"), *words], project)


@pytest.fixture(scope="module")
def measure(python: Path, project: Path) -> Run:
    return lambda *words: started([str(python), "-m", "pytest", *FAST, *words], project)


def test_a_package_is_listed(perfsuite: Run) -> None:
    """Technique and variant of the installed package, and who brought them."""
    found = json.loads(perfsuite("list", "--json").stdout)
    assert found["optimizations"]["one-by-one"] == "the VAE decodes the pictures of a batch one by one"
    assert found["beside"]["sliced"] == ["fp32", "sdpa", "one-by-one"]
    who = found["registered"]["optimization one-by-one"]
    assert who.startswith("by package example-suite (entry point slicing = example_suite:register) at ")
    assert "postcards" not in found["workloads"]


def test_a_conftest_is_listed_where_it_is_named(perfsuite: Run, project: Path) -> None:
    """The command line asks the files that it is told of."""
    found = json.loads(perfsuite("--plugin", "conftest.py", "list", "--json").stdout)
    assert found["workloads"]["postcards"].startswith("ours 128x128 4 steps guidance 5 batch 2")
    assert found["registered"]["model ours"].startswith(f"at {project / 'conftest.py'}:")


def test_nothing_heavy_is_imported_to_know_them(python: Path, project: Path) -> None:
    """Collecting tests asks package and conftest.py, and imports no torch."""
    program = (
        "import sys, pytest; code = pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider']); "
        "print(int(code), 'torch' in sys.modules)"
    )
    done = started([str(python), "-c", program], project)
    assert done.stdout.splitlines()[-1] == "0 False", done.stdout + done.stderr
    assert "test_postcards.py::test_latency[postcards-sliced]" in done.stdout


@pytest.mark.selftest
def test_their_first_hour(measure: Run, perfsuite: Run, project: Path) -> None:
    """Fresh processes record the baseline, the tests are judged by it, and one that is slower is measured
    again in a fresh process and fails."""
    recorded = perfsuite(
        "--plugin", "conftest.py", "calibrate", "--sessions", "1", "--time-budget", "0.5",
        "--workload", "postcards", "--variant", "sliced",
    )  # fmt: skip
    assert recorded.returncode == 0, recorded.stderr
    (stored,) = (project / "baselines").glob("*.json")
    document = json.loads(stored.read_text())
    entry = document["entries"][KEY]
    assert " weights folder " in entry["protocol"]

    first = measure()
    assert first.returncode == 0, first.stdout
    (result,) = read_results(Runs(project / ".perfsuite" / "runs").last()).results
    assert result.verdict is not None
    assert result.verdict.baseline_s is not None
    assert "one-by-one: the decoder draws one picture a call" in result.evidence
    assert result.quality is not None
    assert len(result.quality.scores) == 2

    entry["sessions"][0]["latency_s"] = [s / 10 for s in entry["sessions"][0]["latency_s"]]
    stored.write_text(json.dumps(document))
    slower = measure("-k", "latency")
    assert slower.returncode == 1
    assert "REGRESSED" in slower.stdout
    assert "could not be measured again" not in slower.stdout

    (weights,) = (project / "weights" / "unet").glob("*.safetensors")
    content = bytearray(weights.read_bytes())
    content[-2] ^= 1
    weights.write_bytes(content)
    other = measure("-k", "latency")
    assert other.returncode == 1
    assert "INCOMPATIBLE [OTHER_WEIGHTS" in other.stdout  # another worker is another process
    assert "--perf-update=reset" not in other.stdout
