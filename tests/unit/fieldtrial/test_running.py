"""A step is a real process in a fresh folder; here it is a stub that notes what it was given."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from sessions import make_session

from perfsuite.fieldtrial import running, slowing
from perfsuite.fieldtrial.running import Order, Ran, Runner
from perfsuite.records import Device, Result
from perfsuite.store import Baselines, ResultsWriter, StoreError

DEVICE = Device("cpu", "Some CPU", "some-cpu", 2, 1 << 30)
STUB = """#!{python}
import json, os, sys
json.dump([sys.argv[1:], os.getcwd(), dict(os.environ)], open("given.json", "w"))
print("first"); print("last", flush=True)
{body}
"""


def run(tmp_path: Path, body: str = "", **changes: Any) -> tuple[Ran, Any]:
    """Run one order with the stub as interpreter; how it ended, and what it was given."""
    python = tmp_path / "python"
    python.write_text(STUB.format(python=sys.executable, body=body))
    python.chmod(0o755)
    usual: dict[str, Any] = {
        "folder": tmp_path / "step", "baselines": tmp_path / "baselines", "update": "new",
        "workload": "shapes", "variants": ("bf16", "bf16-sdpa"), "load": "quiet", "seed": "1", "slower": 30,
        "time_budget_s": 1.5,
    }  # fmt: skip
    ran = Runner(python)(Order(**{**usual, **changes}))
    return ran, json.loads((tmp_path / "step" / "given.json").read_text())


def test_pytest_is_run_as_a_user_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "not ours")
    ran, (arguments, folder, environment) = run(tmp_path)
    assert arguments == [
        "-m", "pytest", "-p", "no:cacheprovider", "--benchmark-only", "--perf-update=new",
        f"--perf-baselines={tmp_path / 'baselines'}", f"--perf-results={tmp_path / 'step' / 'results.jsonl'}",
        "--perf-device=cpu", "--perf-workload=shapes", "--perf-variant=bf16", "--perf-variant=bf16-sdpa",
        "--perf-time-budget=1.5", "--pyargs", "perfsuite.workers.tests.test_latency",
    ]  # fmt: skip
    assert folder == str(tmp_path / "step")
    assert environment[slowing.PERCENT] == "30"
    assert "GITHUB_STEP_SUMMARY" not in environment
    assert (ran.exit_code, ran.run, ran.entries, ran.more_work) == (0, None, [], ())
    assert ran.said == "first\nlast"
    assert (tmp_path / "step" / "pytest.ini").read_text() == "[pytest]\n"
    _, (arguments, *_) = run(tmp_path, time_budget_s=None, update="never")
    assert "--perf-update=never" in arguments
    assert not any(a.startswith("--perf-time-budget") for a in arguments)


def test_what_it_wrote_is_read(tmp_path: Path) -> None:
    """Results, baselines, and the shares of more work of its processes."""
    found = Result("shapes", "bf16", "p", session=make_session())
    ResultsWriter(tmp_path / "r.jsonl", "r", "2025-01-02T03:04:05+00:00", DEVICE).add(found)
    Baselines(tmp_path / "baselines").update(DEVICE, [found], "new")
    body = (
        f"import shutil; shutil.copy({str(tmp_path / 'r.jsonl')!r}, 'results.jsonl')\n"
        f"open(os.environ[{slowing.PROOF!r}] + '/7', 'w').write('0.3001\\n'); sys.exit(1)"
    )
    ran, _ = run(tmp_path, body)
    assert ran.exit_code == 1
    assert ran.run is not None
    assert ran.run.results == (found,)
    assert [entry.key for entry in ran.entries] == ["shapes/bf16"]
    assert ran.more_work == (0.3001,)


def test_results_that_cannot_be_read_are_no_refusal(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"results\.jsonl"):
        run(tmp_path, "open('results.jsonl', 'w').write('{')")


def test_a_folder_of_an_interrupted_step_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "step").mkdir()
    (tmp_path / "step" / "results.jsonl").write_text("old")
    ran, _ = run(tmp_path)
    assert ran.run is None


def test_what_takes_too_long_ends_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "MOST_S", 1.5)
    body = (
        "import subprocess, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open('child', 'w').write(str(child.pid)); time.sleep(60)"
    )
    began = time.monotonic()
    ran, _ = run(tmp_path, body)
    assert time.monotonic() - began < 30
    assert ran.exit_code is None
    child = int((tmp_path / "step" / "child").read_text())
    for _ in range(500):
        if not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.01)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_load_is_beside_it(tmp_path: Path) -> None:
    """While it runs, and not after."""
    body = (
        "import psutil\n"
        f"beside = [p.cmdline() for p in psutil.Process({os.getpid()}).children() if p.pid != os.getpid()]\n"
        "json.dump(beside, open('beside.json', 'w'))"
    )
    run(tmp_path, body, load="busy", seed="7 quiet")
    (beside,) = json.loads((tmp_path / "step" / "beside.json").read_text())
    assert beside[-3:] == ["busy", "7 quiet", str(os.getpid())]
    assert not [p for p in psutil.Process().children() if "busy" in p.cmdline()]
