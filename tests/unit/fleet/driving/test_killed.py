"""A driver that is killed beside blocks that have written: a bad verdict stands, all else is done again."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fake_slurm
import killed_fleet
import psutil
import pytest
from ray_cluster import logical_cluster

from perfsuite.fleet.executors.machine import LEASES
from perfsuite.fleet.ledger.file import read_account
from perfsuite.records import Ending

STOPPED = [Ending.STOPPED, Ending.PASSED]
PROMPT = {
    "bad": [Ending.FAILED], "half": STOPPED, "nothing": STOPPED, "ended bad": [Ending.FAILED],
    "ended well": [Ending.PASSED],
}  # fmt: skip


@pytest.fixture(autouse=True)
def leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LEASES, str(tmp_path / "leases"))


@contextmanager
def driven(engine: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, killed_fleet.__file__, engine, str(folder)]
    with (folder.parent / "driver.txt").open("ab") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def journal(folder: Path) -> list[str]:
    file = folder / killed_fleet.JOURNAL
    return file.read_text().splitlines() if file.exists() else []


def wait_for(folder: Path, *lines: str) -> None:
    until = time.monotonic() + 60
    while not set(lines) <= set(journal(folder)):
        assert time.monotonic() < until, (folder.parent / "driver.txt").read_text()
        time.sleep(0.02)


def all_wrote(folder: Path) -> None:
    wrote = [f"wrote {name}" for name in killed_fleet.WRITES]
    wait_for(folder, *wrote, *(f"waits {name}" for name in killed_fleet.ENDS))


def resumed(engine: str, folder: Path) -> dict[str, list[Ending]]:
    """How each block's attempts ended after another sitting; what has a verdict was begun once."""
    with driven(engine, folder) as process:
        assert process.wait(120) == 0, (folder.parent / "driver.txt").read_text()
    account = read_account(folder)
    assert account is not None
    assert account.running == {}
    found: dict[str, list[Ending]] = {name: [] for name in killed_fleet.NAMES}
    for attempt in account.attempts:
        if attempt.block in found:
            found[attempt.block].append(attempt.ending)
    for name, endings in found.items():
        assert journal(folder).count(f"began {name}") == len(endings), name
    return found


def ended(folder: Path, name: str) -> None:
    """Wait until a block's process has gone, and its supervisor has said so to nobody."""
    until = time.monotonic() + 30
    while any(name in " ".join(_command(p)) for p in psutil.process_iter()):
        assert time.monotonic() < until
        time.sleep(0.05)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline() if str(process.status()) != psutil.STATUS_ZOMBIE else []
    except psutil.Error:
        return []


def kill_once_blocks_have_ended(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    """The driver hears of none of it: it is frozen before they end, and killed after."""
    process.send_signal(signal.SIGSTOP)
    (folder / killed_fleet.GO).touch()
    for name in killed_fleet.ENDS:
        ended(folder, f"{name} {folder}")
    process.kill()
    process.wait()


def test_a_verdict_outlives_its_driver(tmp_path: Path) -> None:
    """One on disk of a block that ran, and ends of which nobody was told; nothing is left on the machine."""
    folder = tmp_path / "fleet"
    with driven("local", folder) as process:
        all_wrote(folder)
        kill_once_blocks_have_ended(process, folder)
    assert resumed("local", folder) == PROMPT
    assert not (folder / killed_fleet.SCRATCH).exists()
    said = (tmp_path / "driver.txt").read_text()
    assert "host: counts shapes fp32 (bad) failed before its driver was killed: shapes fp32: counts" in said


def test_a_verdict_outlives_its_supervisor_too(tmp_path: Path) -> None:
    """As when all processes of a container are killed at once: what is on disk is all there is."""
    folder = tmp_path / "fleet"
    with driven("local", folder) as process:
        all_wrote(folder)
        process.send_signal(signal.SIGSTOP)
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()
    again = dict.fromkeys(killed_fleet.NAMES, STOPPED)
    assert resumed("local", folder) == again | {"bad": [Ending.FAILED]}


def test_a_supervisor_that_dies_alone_leaves_its_verdict(tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    with driven("local", folder) as process:
        all_wrote(folder)
        (folder / killed_fleet.GO).touch()
        for supervisor in psutil.Process(process.pid).children():
            if any(killed_fleet.WRITES.keys() & _command(block) for block in supervisor.children()):
                supervisor.kill()
        assert process.wait(60) == 0, (tmp_path / "driver.txt").read_text()
    account = read_account(folder)
    assert account is not None
    assert [a.ending for a in account.attempts if a.block == "bad"] == [Ending.FAILED]
    assert [a.ending for a in account.attempts if a.block == "half"] == [Ending.LOST, Ending.PASSED]


def test_a_verdict_outlives_an_interrupt_that_waits_for_nothing(tmp_path: Path) -> None:
    """As the second of ``perfsuite run`` does: what was stopped has told nobody how it ended."""
    folder = tmp_path / "fleet"
    with driven("local", folder) as process:
        all_wrote(folder)
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert resumed("local", folder)["bad"] == [Ending.FAILED]


def test_a_job_of_slurm_ends_without_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs go on in Slurm's queue: what has ended meanwhile is taken as it is, what has not is cancelled."""
    pytest.importorskip("submitit")
    commands = fake_slurm.install(tmp_path / "commands")
    monkeypatch.setenv("PATH", fake_slurm.on_path(commands))
    folder = tmp_path / "fleet"
    with driven("slurm", folder) as process:
        all_wrote(folder)
        kill_once_blocks_have_ended(process, folder)
    assert resumed("slurm", folder) == PROMPT
    assert list((folder / "slurm").glob("*")) == []


@pytest.mark.selftest
def test_a_verdict_outlives_its_driver_on_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray ends its tasks with their driver, and their report goes nowhere."""
    pytest.importorskip("ray")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    with logical_cluster() as cluster:
        engine = f"ray={cluster.address}"
        for number in (signal.SIGKILL, signal.SIGINT):
            folder = tmp_path / number.name / "fleet"
            folder.mkdir(parents=True)
            with driven(engine, folder) as process:
                # As many as the cluster has devices for.
                wait_for(folder, *(f"wrote {name}" for name in killed_fleet.WRITES))
                process.send_signal(number)
                process.wait(60)
            (folder / killed_fleet.GO).touch()
            found = resumed(engine, folder)
            assert {name: found[name] for name in killed_fleet.WRITES} == {
                name: PROMPT[name] for name in killed_fleet.WRITES
            }
    assert list(scratch.glob("perfsuite-block-*")) == []
