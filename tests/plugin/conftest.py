"""A folder with the suite's own tests and a replay in place of models, see replay.py."""

from __future__ import annotations

import gc
import importlib.util
import json
import pkgutil
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import _pytest.pytester
import pytest

import perfsuite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
TESTS = {"test_latency.py": "benchmarks", "test_ssim.py": "quality"}
INI = """
[pytest]
addopts = --import-mode=importlib --strict-markers --strict-config -p pytest_benchmark.plugin
{defaults}
filterwarnings = error
{lines}
"""
# Both would start real processes and pipelines; tests of them say otherwise.
DEFAULTS = ("perf_relative = no", "perf_confirm = 0")
SLUG = "cpu-replayed-2t"
PATIENCE_S = 60.0


@pytest.fixture(scope="module", autouse=True)
def imports_stay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what runs in this process import, all but the tests in their own folders.

    pytester forgets it, and a second import makes classes that are not those that others hold: torch refuses
    it, and typer no longer knows its own ranges. Ours come first, lest one keeps what a replay replaced.
    """
    for module in pkgutil.walk_packages(perfsuite.__path__, "perfsuite."):
        # Training the small model imports torch, which no test here needs.
        if not module.name.endswith("__main__") and ".shapes.train" not in module.name:
            importlib.import_module(module.name)
    folders = tmp_path_factory.getbasetemp()

    def stays(name: str) -> bool:
        file = getattr(sys.modules[name], "__file__", None)
        return file is None or not Path(file).is_relative_to(folders)

    class Snapshot(_pytest.pytester.SysModulesSnapshot):
        def __init__(self, preserve: object) -> None:
            super().__init__(stays)

    patch = pytest.MonkeyPatch()
    patch.setattr(_pytest.pytester, "SysModulesSnapshot", Snapshot)
    yield
    patch.undo()
    gc.unfreeze()


@pytest.fixture(scope="session")
def replay() -> Any:
    """The replay as a module, for its `draw`."""
    spec = importlib.util.spec_from_file_location("perfsuite_replay", HERE / "replay.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Suite:
    """The folder of one test, and the runs of the suite in it."""

    def __init__(self, pytester: pytest.Pytester, draw: Callable[..., Any]) -> None:
        self.pytester, self.path, self._draw = pytester, pytester.path, draw
        shutil.copy(HERE / "replay.py", self.path / "conftest.py")
        for name, folder in TESTS.items():
            self.add(name, folder)
        self.ini()
        self.replay()

    # -- before a run ------------------------------------------------------------------------------

    def ini(self, *lines: str) -> None:
        """Write the ini file, with these lines at its end."""
        names = {line.split(" = ")[0] for line in lines}
        defaults = "\n".join(line for line in DEFAULTS if line.split(" = ")[0] not in names)
        (self.path / "pytest.ini").write_text(INI.format(defaults=defaults, lines="\n".join(lines)))

    def add(self, name: str, folder: str) -> None:
        """Copy one of the suite's own tests from its folder."""
        shutil.copy(HERE.parent / folder / name, self.path / name)

    def replay(self, scripts: dict[str, Any] | None = None) -> None:
        """Say what each variant does from now on, see replay.py."""
        (self.path / "replay.json").write_text(json.dumps(scripts or {}))

    def slower(self, variant: str, factor: float) -> None:
        """Replay one variant's calls `factor` times as long."""
        self.replay({variant: {"latency_s": [factor * s for s in (1.01, 0.99, 1.0, 1.03, 0.98, 1.0)]}})

    def thresholds(self, least_ssim: float, *variants: str) -> None:
        """Store thresholds of the pictures of these variants."""
        from perfsuite.pipelines.workloads import SHAPES
        from perfsuite.store import PromptThreshold, Thresholds, write_thresholds

        prompts = {prompt: PromptThreshold(1.0, 1, least_ssim) for prompt in SHAPES.prompts}
        self.reference_folder.mkdir(parents=True, exist_ok=True)
        write_thresholds(
            self.reference_folder / "thresholds.json",
            Thresholds("shapes", SHAPES.protocol, 3.0, "replay", {}, dict.fromkeys(variants, prompts)),
        )

    def golden(self, noise: float = 0.0) -> None:
        """Store golden pictures that differ by noise from those of the replay."""
        from perfsuite.pipelines.workloads import SHAPES
        from perfsuite.quality import Reference
        from perfsuite.quality.golden import write_golden

        pictures = tuple(self._draw(prompt, noise) for prompt in SHAPES.prompts)
        write_golden(self.reference_folder, Reference(SHAPES, pictures))

    # -- runs --------------------------------------------------------------------------------------

    def run(self, *arguments: str, variants: str = "fp32,bf16") -> pytest.RunResult:
        """Run the tests in this process."""
        chosen = [f"--perf-variant={variants}"] if variants else []
        return self.pytester.runpytest_inprocess(*chosen, *arguments)

    def latency(self, *arguments: str, variants: str = "fp32,bf16") -> pytest.RunResult:
        """Run the latency tests in this process."""
        return self.run("test_latency.py", *arguments, variants=variants)

    def pictures(self, *arguments: str, variants: str = "fp32,bf16") -> pytest.RunResult:
        """Run the picture tests in this process."""
        return self.run("test_ssim.py", *arguments, variants=variants)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start the tests in a process of their own; what it prints goes to run-<n>.txt."""
        number = len(list(self.path.glob("run-*.txt")))
        with (self.path / f"run-{number}.txt").open("wb") as printed:
            options = {"stdout": printed, "stderr": subprocess.STDOUT, **options}
            command = [sys.executable, "-m", "pytest", *arguments]
            # A shell starts background jobs with Ctrl-C ignored, and a child would inherit that.
            inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
            try:
                return subprocess.Popen(command, cwd=self.path, **options)
            finally:
                signal.signal(signal.SIGINT, inherited)

    def wait_for(self, pattern: str, count: int = 1) -> None:
        """Wait until a process has made so many files of that name."""
        give_up = time.monotonic() + PATIENCE_S
        while len(list(self.path.glob(pattern))) < count:
            printed = [p.read_text() for p in self.path.glob("run-*.txt")]
            assert time.monotonic() < give_up, f"no {pattern} in {PATIENCE_S:g} s\n" + "\n".join(printed)
            time.sleep(0.02)

    # -- after a run -------------------------------------------------------------------------------

    @property
    def reference_folder(self) -> Path:
        return self.path / "baselines" / "reference" / "shapes"

    @property
    def baseline_file(self) -> Path:
        return self.path / "baselines" / f"{SLUG}.json"

    def baseline(self, folder: str = "baselines") -> dict[str, Any]:
        """Stored entries by variant; none without a file."""
        from perfsuite.store import Baselines

        stored = Baselines(self.path / folder).load(SLUG)
        return {} if stored is None else {e.variant: e for e in stored.entries.values()}

    def sessions(self) -> dict[str, int]:
        """How many sessions are stored, by variant."""
        return {variant: len(entry.sessions) for variant, entry in self.baseline().items()}

    def runs(self) -> list[Path]:
        """The results files of all runs that named none, the oldest first."""
        return sorted((self.path / ".perfsuite" / "runs").glob("*.jsonl"))

    def last(self) -> Path | None:
        """The results file of the last ladder."""
        from perfsuite.store import Runs

        return Runs(self.path / ".perfsuite" / "runs").last()

    def results(self, file: str | None = None) -> dict[str, Any]:
        """Results on disk by variant, of the newest run."""
        from perfsuite.store import read_results

        path = self.runs()[-1] if file is None else self.path / file
        return {r.variant: r for r in read_results(path).results}

    def events(self) -> list[str]:
        """What was built, released and freed, in order."""
        log = self.path / "events.log"
        return log.read_text().splitlines() if log.exists() else []

    def forget_events(self) -> None:
        """Begin anew, with nothing of earlier runs in memory."""
        gc.collect()
        (self.path / "events.log").unlink()

    def junit(self, file: str) -> dict[str, SimpleNamespace]:
        """Test cases of a JUnit file by name: properties, and message of the failure."""
        cases = {}
        for case in ElementTree.parse(self.path / file).iter("testcase"):
            failure = case.find("failure")
            cases[case.attrib["name"]] = SimpleNamespace(
                properties={p.attrib["name"]: p.attrib["value"] for p in case.iter("property")},
                failure=None if failure is None else failure.attrib["message"],
                failed=failure is not None or case.find("error") is not None,
                skipped=case.find("skipped") is not None,
            )
        return cases


@pytest.fixture
def suite(pytester: pytest.Pytester, replay: Any, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A folder with the suite's own tests, driven by a replay."""
    for name in (
        "PYTEST_ADDOPTS", "NO_COLOR", "FORCE_COLOR", "PY_COLORS", "CI", "BUILD_NUMBER", "GITHUB_ACTIONS",
        "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")
    # Whatever else is installed is not under test, and takes time to load.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    gc.collect()
    gc.freeze()  # each run collects garbage, which takes long where so much is imported
    return Suite(pytester, replay.draw)


def section(text: str) -> str:
    """The part of a run's output that perfsuite writes at its end."""
    return re.split(r"=+ perfsuite =+", text)[1].split("\n===")[0]
