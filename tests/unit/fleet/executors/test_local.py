"""Blocks on this machine: what they are given, how they end, and that what is timed is alone."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from orders import CPU, HERE, began, ends, order, outcome

from perfsuite.fleet.executors import Finished, Lost, jobs
from perfsuite.fleet.executors.local import LocalExecutor, slots
from perfsuite.records import PlannedEnvironment

FAMILY = """
import subprocess, sys, time
nested = "import time; time.sleep(60)"
for own_session in (False, True):
    child = subprocess.Popen([sys.executable, "-c", nested], start_new_session=own_session)
    print(child.pid, flush=True)
open(OUT + "/pids", "w").write("")
time.sleep(60)
"""


def alive(said: str) -> list[int]:
    return [int(pid) for pid in said.split() if pid.isdigit() and running(int(pid))]


def running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_files_output_and_exit_code_come_back(local: LocalExecutor) -> None:
    code = """
import os, sys
os.makedirs(OUT + "/deep")
open(OUT + "/deep/result.json", "wb").write(b"{}")
os.symlink("/etc/passwd", OUT + "/link")
print("said")
sys.exit(3)
"""
    found = outcome(local, order("b", code))
    assert found.exit_code == 3
    assert found.files == {"deep/result.json": b"{}", "output.txt": b"said\n"}
    assert found.said == "said"
    assert found.machine == "host"
    assert found.uuid == "cpu"
    assert 0 < found.seconds < 20
    assert found.free_bytes > 0
    assert not found.infrastructure


def test_environment_is_an_allow_list(local: LocalExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "RAY_JOB_ID", "PYTHONPATH", "LD_PRELOAD_X", "PYTEST_ADDOPTS"):
        monkeypatch.setenv(name, "77")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    gpu = replace(CPU, kind="cuda", uuid="GPU-1-2", cores=3)
    found = json.loads(outcome(local, order("b", code, variables={"MINE": "1"}), gpu).said)
    assert "77" not in found.values()
    assert not [name for name in found if name.startswith(("RAY_", "PYTEST"))]
    assert found["OMP_NUM_THREADS"] == "3"
    assert found["CUDA_VISIBLE_DEVICES"] == "GPU-1-2"
    assert found["HF_HUB_OFFLINE"] == found["MINE"] == "1"


def test_block_of_the_cpu_sees_no_gpu_and_chooses_its_threads(
    local: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it would without an engine: another number of threads would be another device."""
    monkeypatch.setenv("OMP_NUM_THREADS", "77")
    code = "import os; print(repr(os.environ['CUDA_VISIBLE_DEVICES']), os.environ.get('OMP_NUM_THREADS'))"
    assert outcome(local, order("b", code)).said == "'' None"


def test_interpreters_are_named_in_arguments(local: LocalExecutor) -> None:
    one = order("b", "import sys; print(sys.argv[1:])")
    found = outcome(local, replace(one, arguments=(*one.arguments, "{python:here}")))
    assert found.said == repr([sys.executable])


def test_a_block_imports_nothing_of_the_working_directory(
    local: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a checkout, which would then be measured in place of what the environment has."""
    monkeypatch.chdir(tmp_path)
    Path("colorsys.py").write_text("print('from the working directory')")
    for arguments in (("-c", "import colorsys"), ("-m", "colorsys")):
        found = outcome(local, replace(order("b", ""), arguments=arguments))
        assert (found.exit_code, found.said) == (0, "")


def test_time_limit_ends_grandchildren_too(local: LocalExecutor) -> None:
    found = outcome(local, order("b", FAMILY, limit_s=1.5))
    assert found.exit_code is None
    assert not found.infrastructure
    assert len(found.said.split("Traceback")[0].split()) == 2
    assert not alive(found.said)


def test_what_a_finished_block_leaves_running_is_ended(local: LocalExecutor) -> None:
    found = outcome(local, order("b", FAMILY.rpartition("time.sleep")[0]))
    assert found.exit_code == 0
    assert len(found.said.split()) == 2
    assert not alive(found.said)


def test_a_stopped_block_may_write_what_it_has(local: LocalExecutor) -> None:
    code = """
import time
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    open(OUT + "/half", "w").write("half")
"""
    local.start(order("b", code), CPU)
    began(local, "b")
    time.sleep(0.5)
    local.stop("b")
    event = ends(local, 1)["b"]
    assert isinstance(event, Finished)
    assert event.outcome.files["half"] == b"half"
    assert event.outcome.stopped_by == ""


def test_missing_interpreter_is_the_machines_fault(local: LocalExecutor) -> None:
    absent = PlannedEnvironment(name="torch210", python="/absent/bin/python")
    found = outcome(local, order("b", "", environments=(absent,)))
    assert found.infrastructure.startswith("/absent/bin/python: no interpreter of environment torch210 on ")


@pytest.mark.parametrize(
    ("said", "code", "infrastructure"),
    [
        ("OSError: [Errno 28] No space left on device", 1, True),
        ("RuntimeError: CUDA error: uncorrectable ECC error encountered", 1, True),
        ("NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.", 2, True),
        ("No space left on device, but all is well", 0, False),
        ("AssertionError: SLOWER", 1, False),
    ],
)
def test_signs_of_a_machine_at_fault(
    local: LocalExecutor, said: str, code: int, infrastructure: bool
) -> None:
    found = outcome(local, order("b", f"import sys; print({said!r}); sys.exit({code})"))
    assert found.infrastructure == (said if infrastructure else "")


def test_full_disk_loses_the_attempt_and_says_so(
    local: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> str:
        raise OSError(28, "No space left on device", "/scratch")

    monkeypatch.setattr(Path, "mkdir", full)
    local.start(order("b", ""), CPU)
    event = ends(local, 1)["b"]
    assert isinstance(event, Lost)
    assert "No space left on device" in event.cause


# Each writes when it began and ended, by the machine's clock that does not jump.
SPAN = """
import time
began = time.monotonic()
time.sleep(0.4)
open(OUT + "/span", "w").write(f"{began} {time.monotonic()}")
"""


def spans(events: dict[str, Any]) -> dict[str, tuple[float, float]]:
    found = {}
    for block, event in events.items():
        began_at, ended_at = map(float, event.outcome.files["span"].split())
        found[block] = began_at, ended_at
    return found


def overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def test_what_is_timed_is_alone_on_its_machine() -> None:
    """Also where two drivers would start it at two devices at the same moment."""
    one, other = LocalExecutor([CPU]), LocalExecutor([CPU])
    gpus = [replace(CPU, id=f"g{n}", kind="cuda", uuid=f"GPU-{n}") for n in range(4)]
    one.start(order("timed 1", SPAN, exclusive=True), gpus[0])
    other.start(order("timed 2", SPAN, exclusive=True), gpus[1])
    one.start(order("shared 1", SPAN), gpus[2])
    other.start(order("shared 2", SPAN), gpus[3])
    found = spans({**ends(one, 2), **ends(other, 2)})
    one.close()
    other.close()
    for timed in ("timed 1", "timed 2"):
        for block, span in found.items():
            assert block == timed or not overlap(found[timed], span), (timed, block)


def test_what_is_not_timed_shares_a_machine(local: LocalExecutor, tmp_path: Path) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        meet = f"""
import os, time
open({str(tmp_path / one)!r}, "w").write("")
until = time.monotonic() + 20
while not os.path.exists({str(tmp_path / other)!r}):
    assert time.monotonic() < until, "alone"
    time.sleep(0.02)
"""
        local.start(order(one, meet), replace(CPU, uuid=f"GPU-{one}"))
    found = ends(local, 2)
    assert [event.outcome.exit_code for event in found.values() if isinstance(event, Finished)] == [0, 0]


def test_one_device_has_one_block_at_a_time() -> None:
    one, other = LocalExecutor([CPU]), LocalExecutor([CPU])
    one.start(order("a", SPAN), CPU)
    other.start(order("b", SPAN), CPU)
    found = spans({**ends(one, 1), **ends(other, 1)})
    one.close()
    other.close()
    assert not overlap(found["a"], found["b"])


def test_who_holds_the_lease_is_named(local: LocalExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LEASE_LIMIT_S", 0.3)
    local.start(order("first", "import time; time.sleep(60)", exclusive=True), CPU)
    began(local, "first")
    local.start(order("second", ""), replace(CPU, uuid="GPU-2"))
    event = ends(local, 1)["second"]
    assert isinstance(event, Finished)
    assert f"block first, attempt 1, of process {os.getpid()}" in event.outcome.infrastructure


DRIVER = """
import sys
from orders import CPU, began, order
from perfsuite.fleet.executors.local import LocalExecutor
executor = LocalExecutor([CPU])
executor.start(order("b", sys.argv[1], exclusive=True), CPU)
began(executor, "b")
print("began", flush=True)
executor.events(60)
"""


def test_a_killed_driver_takes_its_blocks_along(tmp_path: Path, local: LocalExecutor) -> None:
    """Or they would disturb what its successor times; the successor does not wait for them either."""
    note = tmp_path / "pids"
    code = FAMILY.replace(
        'open(OUT + "/pids", "w").write("")', f"open({str(note)!r}, 'w').write(str(child.pid))"
    )
    path = os.pathsep.join([str(Path(__file__).parents[3] / "helpers"), os.environ.get("PYTHONPATH", "")])
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, code], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    assert driver.stdout is not None
    assert driver.stdout.readline() == b"began\n"
    until = time.monotonic() + 10
    while not (note.exists() and note.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    driver.stdout.close()
    found = outcome(local, order("b", "print('next')", exclusive=True))
    assert found.said == "next"
    assert not alive(note.read_text())


def test_a_supervisor_that_dies_is_lost(local: LocalExecutor) -> None:
    code = "import os, signal, time; os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)"
    local.start(order("b", code), CPU)
    event = ends(local, 1)["b"]
    assert isinstance(event, Lost)
    assert "the supervisor of the block died" in event.cause


def test_what_was_heard_of_is_removed(local: LocalExecutor, scratch: Path) -> None:
    """With the next look, for by then it is written down."""
    outcome(local, order("b", ""))
    assert len(list(scratch.iterdir())) == 1
    local.events(0.0)
    assert list(scratch.iterdir()) == []


def test_what_a_driver_before_had_written_down_is_removed(local: LocalExecutor, scratch: Path) -> None:
    outcome(local, order("b", "", ticket="t1"))
    LocalExecutor([CPU]).discard("t0", "host")
    assert [file.name for file in scratch.iterdir()] == ["perfsuite-block-t1"]
    LocalExecutor([CPU]).discard("t1", "host")
    assert list(scratch.iterdir()) == []


def test_what_close_ends_is_there_for_the_next(scratch: Path) -> None:
    executor = LocalExecutor([CPU])
    code = "import time; open(OUT + '/half', 'w').write('half'); print('on', flush=True); time.sleep(60)"
    executor.start(order("b", code, ticket="t1"), CPU)
    began(executor, "b")
    half = scratch / "perfsuite-block-t1" / "out" / "half"
    until = time.monotonic() + 10
    while not (half.exists() and half.read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    began_at = time.monotonic()
    executor.close()
    assert time.monotonic() - began_at < 5
    # As with a disk that is full: what was not written down is there yet.
    with pytest.raises(ZeroDivisionError), LocalExecutor([CPU]).left("t1", "host"):
        _ = 1 / 0
    with LocalExecutor([CPU]).left("t1", "host") as found:
        assert found is not None
        assert (found.files["half"], found.exit_code, found.machine) == (b"half", -signal.SIGINT, "host")
    with LocalExecutor([CPU]).left("t1", "host") as found:
        assert found is None
    assert list(scratch.iterdir()) == []


def test_blocks_work_below_a_folder_that_is_named(tmp_path: Path, scratch: Path) -> None:
    """Which goes with the last of them."""
    executor = LocalExecutor([CPU], tmp_path / "fleet" / "running")
    found = outcome(executor, order("b", "print(OUT)"))
    assert found.said.startswith(str(tmp_path / "fleet" / "running"))
    executor.events(0.0)
    executor.close()
    assert list((tmp_path / "fleet").iterdir()) == list(scratch.iterdir()) == []


def test_slots_are_the_gpus_that_may_be_used_and_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [
        ("0", "GPU-aa-1", "NVIDIA H100"),
        ("1", "GPU-bb-2", "NVIDIA H100"),
        ("2", "GPU-cc-3", "NVIDIA L4"),
    ]
    monkeypatch.setattr("perfsuite.fleet.executors.local.gpus", lambda: there)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-aa")
    found = slots()
    assert [(slot.kind, slot.uuid, slot.model) for slot in found[:2]] == [
        ("cuda", "GPU-cc-3", "NVIDIA L4"),
        ("cuda", "GPU-aa-1", "NVIDIA H100"),
    ]
    assert found[2].kind == found[2].uuid == "cpu"
    assert HERE.python == sys.executable
