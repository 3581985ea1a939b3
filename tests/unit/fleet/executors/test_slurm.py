"""Blocks as Slurm jobs: submitit is real, Slurm itself is a stand-in that runs its files at once."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fake_slurm
import pytest
from orders import began, ends, order, outcome

from perfsuite.fleet.executors import ExecutorError, Finished, Lost, Refused, jobs
from perfsuite.fleet.executors import slurm as module
from perfsuite.fleet.executors.slurm import SlurmExecutor, parameters
from perfsuite.records import DeviceClass, PlannedEnvironment

pytest.importorskip("submitit")
H100 = DeviceClass(name="h100", kind="cuda", slurm={"partition": "gpu", "gres": "gpu:h100:1", "time": 90})


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = fake_slurm.install(tmp_path / "slurm")
    monkeypatch.setenv("PATH", fake_slurm.on_path(folder))
    return folder


@pytest.fixture
def slurm(commands: Path, tmp_path: Path) -> Iterator[SlurmExecutor]:
    executor = SlurmExecutor(tmp_path / "shared")
    yield executor
    executor.close()


def test_blocks_that_want_the_same_are_one_array(slurm: SlurmExecutor, commands: Path) -> None:
    places = slurm.slots()
    for n, exclusive in enumerate((True, True, False)):
        code = f"open(OUT + '/n', 'w').write('{n}')"
        slurm.start(order(f"b{n}", code, exclusive=exclusive, device=H100), places[n])
    found = ends(slurm, 3)
    assert {name: event.outcome.files["n"] for name, event in found.items()} == {  # type: ignore[union-attr]
        "b0": b"0", "b1": b"1", "b2": b"2",
    }  # fmt: skip
    texts = sorted((file.read_text() for file in commands.glob("*.submitted")), key=len)
    assert len(texts) == 2
    alone, array = texts
    assert "#SBATCH --array=0-1%2" in array
    assert "#SBATCH --exclusive" in array
    assert "#SBATCH --exclusive" not in alone
    for text in texts:
        for line in ("partition=gpu", "gres=gpu:h100:1", "time=90", "no-requeue", "nodes=1"):
            assert f"#SBATCH --{line}\n" in text
        assert "gpus-per-node" not in text


def test_block_gets_its_own_environment(slurm: SlurmExecutor) -> None:
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    found = outcome(slurm, order("b", code, device=H100), slurm.slots()[0])
    told = json.loads(found.said)
    assert not [name for name in told if name.startswith(("RAY_", "SLURM_", "SUBMITIT_"))]
    assert told["OMP_NUM_THREADS"] == str(len(os.sched_getaffinity(0)))
    assert told["CUDA_VISIBLE_DEVICES"] == found.uuid == "3"
    assert found.machine == "node1"


def test_parameters_of_a_job() -> None:
    gpu = DeviceClass(name="gpu", kind="cuda")
    found = parameters(order("b", "", exclusive=True, device=gpu, limit_s=600, avoid=("n1", "n2")))
    assert found["gpus_per_node"] == 1
    assert found["exclude"] == "n1,n2"
    assert found["time"] == 10 + 60 + 15
    assert found["exclusive"] is True
    assert "gpus_per_node" not in parameters(order("b", ""))


def test_a_jobs_time_is_that_of_all_that_its_block_may_wait_for() -> None:
    """For the machine's lease, and for each environment that is made there, before its own limit begins."""
    made = PlannedEnvironment(name="made", packages={"torch": "2.13.0"})
    here = order("b", "", limit_s=600)
    ahead_s = {1: jobs.MAKING_LIMIT_S, 2: 2 * jobs.MAKING_LIMIT_S}
    for count, seconds in ahead_s.items():
        wanted = parameters(replace(here, environments=(made,) * count))
        assert 60 * wanted["time"] >= jobs.LEASE_LIMIT_S + seconds + 600 + jobs.GRACE_S
    assert parameters(replace(here, device=H100))["time"] == 90


def test_blocks_of_a_processor_share_a_node(slurm: SlurmExecutor, leases: Path, tmp_path: Path) -> None:
    """Slurm gives each cores of its own; each waits here until the other runs too."""
    for one, other in (("a", "b"), ("b", "a")):
        meet = f"""
import os, time
open({str(tmp_path / one)!r}, "w").write("")
until = time.monotonic() + 20
while not os.path.exists({str(tmp_path / other)!r}):
    assert time.monotonic() < until, "alone"
    time.sleep(0.02)
"""
        slurm.start(order(one, meet), slurm.slots()[-1])
    found = ends(slurm, 2)
    assert [event.outcome.exit_code for event in found.values() if isinstance(event, Finished)] == [0, 0]
    assert {file.name for file in leases.iterdir()} == {"machine", "turn"}


@pytest.mark.parametrize(
    ("options", "said", "final"),
    [({"partition": "absent"}, "invalid partition", False), ({"partitoin": "gpu"}, "partitoin", True)],
)
def test_a_job_that_slurm_refuses_has_not_begun(
    slurm: SlurmExecutor, options: dict[str, str], said: str, final: bool
) -> None:
    slurm.start(order("b", "", device=DeviceClass(name="odd", kind="cpu", slurm=options)), slurm.slots()[-1])
    event = ends(slurm, 1)["b"]
    assert isinstance(event, Refused)
    assert event.final is final
    assert "device class odd" in event.cause
    assert said in event.cause


def test_a_lost_node_is_told(slurm: SlurmExecutor, commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import submitit

    monkeypatch.setattr(module, "SLOW_S", 0.5)
    monkeypatch.setattr(submitit.SlurmJob.watcher, "_delay_s", 0)
    (commands / "hold").touch()
    (commands / "100.failed").touch()
    slurm.start(order("b", ""), slurm.slots()[-1])
    event = ends(slurm, 1)["b"]
    assert isinstance(event, Lost)
    assert "NODE_FAIL of job 100" in event.cause
    assert event.machine == ""


def test_a_node_that_was_lost_is_named(slurm: SlurmExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name that Slurm has for it, or the next attempt could not be sent elsewhere."""
    monkeypatch.setattr(module, "SLOW_S", 0.0)
    slurm.start(order("b", "import time; time.sleep(60)"), slurm.slots()[-1])
    began(slurm, "b")
    monkeypatch.setattr(slurm._running["b"].job, "done", lambda: True)
    event = ends(slurm, 1)["b"]
    assert isinstance(event, Lost)
    assert event.machine == "node1"


def test_only_nodes_that_slurm_knows_are_avoided(slurm: SlurmExecutor, commands: Path) -> None:
    """It refuses other names, and earlier sittings may have been of another engine."""
    avoid = ("laptop", "node2", "slurm/cuda-0")
    found = outcome(slurm, order("b", "", avoid=avoid), slurm.slots()[-1])
    assert found.exit_code == 0
    assert "#SBATCH --exclude=node2\n" in (commands / "100.submitted").read_text()


def test_a_stopped_block_ends(slurm: SlurmExecutor, commands: Path, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"""
import os, time
open({str(note)!r}, "w").write(str(os.getpid()))
try:
    time.sleep(60)
finally:
    open(OUT + "/verdict", "w").write("bad")
"""
    slurm.start(order("b", code), slurm.slots()[-1])
    began(slurm, "b")
    until = time.monotonic() + 10
    while not (note.exists() and note.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    slurm.stop("b")
    event = ends(slurm, 1)["b"]
    assert isinstance(event, Finished)
    assert event.outcome.stopped_by == "SIGTERM"
    assert event.outcome.files["verdict"] == b"bad"
    assert (commands / "100.cancelled").exists()
    until = time.monotonic() + 15
    while Path("/proc", note.read_text()).exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path("/proc", note.read_text()).exists()


def test_what_is_stopped_may_write_before_it_is_looked_for(slurm: SlurmExecutor, tmp_path: Path) -> None:
    """The driver asks when its own patience is over, and a shared folder shows later what was written."""
    code = """
import time
print("on", flush=True)
try:
    time.sleep(60)
finally:
    time.sleep(2)
    open(OUT + "/verdict", "w").write("bad")
"""
    slurm.start(order("b", code, ticket="t1"), slurm.slots()[-1])
    began(slurm, "b")
    (output,) = (tmp_path / "shared").glob("*/t1/output.txt")
    until = time.monotonic() + 10
    while not output.read_text() and time.monotonic() < until:
        time.sleep(0.02)
    slurm.stop("b")
    with slurm.left("t1", "node1") as found:
        assert found is not None
        assert (found.files["verdict"], found.stopped_by) == (b"bad", "SIGTERM")


def test_what_a_driver_before_had_written_down_is_removed(slurm: SlurmExecutor, tmp_path: Path) -> None:
    other = SlurmExecutor(tmp_path / "shared")
    outcome(other, order("b", "", ticket="t1"), other.slots()[-1])
    other.close()
    assert len(list((tmp_path / "shared").glob("*/t1"))) == 1
    slurm.discard("t1", "node1")
    (left,) = (tmp_path / "shared").iterdir()
    assert left == slurm._folder


def test_a_block_that_waits_in_the_queue_is_taken_out_of_it(slurm: SlurmExecutor, commands: Path) -> None:
    (commands / "hold").touch()
    slurm.start(order("b", ""), slurm.slots()[-1])
    slurm.events(0)
    slurm.stop("b")
    event = ends(slurm, 1)["b"]
    assert isinstance(event, Lost)
    assert (event.cause, event.machine) == ("cancelled", "")
    assert (commands / "100.cancelled").exists()


def test_a_block_that_slurm_ends_says_so(slurm: SlurmExecutor, commands: Path) -> None:
    """It was preempted, or its job's time was over: nobody here had asked for it."""
    code = "import time; print('on', flush=True); time.sleep(60)"
    slurm.start(order("b", code), slurm.slots()[-1])
    began(slurm, "b")
    (process,) = commands.glob("*.pid")
    os.killpg(int(process.read_text()), signal.SIGTERM)
    event = ends(slurm, 1, limit_s=30)["b"]
    assert isinstance(event, Finished)
    assert event.outcome.stopped_by == "SIGTERM"


KILLED = """
import os, sys
from pathlib import Path
from orders import began, order
from perfsuite.fleet.executors.slurm import SlurmExecutor
executor = SlurmExecutor(Path(sys.argv[1]))
executor.start(order("b", "import time; time.sleep(60)"), executor.slots()[-1])
began(executor, "b")
os._exit(9)
"""


def test_jobs_of_a_driver_that_died_are_cancelled(commands: Path, tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[3] / "helpers"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "shared")], env={**os.environ, "PYTHONPATH": path}
    )
    assert done.returncode == 9
    assert not (commands / "100.cancelled").exists()
    executor = SlurmExecutor(tmp_path / "shared")
    assert (commands / "100.cancelled").exists()
    assert isinstance(outcome(executor, order("b", "print(1)"), executor.slots()[-1]).exit_code, int)
    executor.close()


def test_two_drivers_leave_each_other_alone(slurm: SlurmExecutor, commands: Path, tmp_path: Path) -> None:
    slurm.start(order("b", "import time; time.sleep(1)"), slurm.slots()[-1])
    began(slurm, "b")
    other = SlurmExecutor(tmp_path / "shared")
    assert not (commands / "100.cancelled").exists()
    assert isinstance(ends(slurm, 1)["b"], Finished)
    other.close()


def test_missing_commands_and_package_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ExecutorError, match="sbatch, srun, sacct, scancel, sinfo: no such command"):
        SlurmExecutor(tmp_path)
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ExecutorError, match=r"pip install 'perfsuite\[slurm\]'"):
        SlurmExecutor(tmp_path)


def test_slots_are_places_in_a_queue(slurm: SlurmExecutor) -> None:
    assert not slurm.knows_machines
    assert len({slot.machine for slot in slurm.slots()}) == len(slurm.slots())
