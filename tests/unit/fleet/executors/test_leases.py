"""Locks of a machine that other users have too, and processes that nothing ends."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from orders import CPU, began, order, outcome

from perfsuite.fleet.executors import jobs, processes
from perfsuite.fleet.executors.local import LocalExecutor
from perfsuite.fleet.executors.wishes import MachineError


def test_all_users_may_lock_and_none_removes_anothers(local: LocalExecutor, leases: Path) -> None:
    assert outcome(local, order("b", "", exclusive=True)).exit_code == 0
    assert leases.stat().st_mode & 0o7777 == 0o1777
    assert {file.name for file in leases.iterdir()} == {"device-cpu", "machine", "turn"}
    assert {file.stat().st_mode & 0o777 for file in leases.iterdir()} == {0o666}


def test_a_device_without_a_name_is_no_lease(local: LocalExecutor, leases: Path) -> None:
    """Slurm gives blocks of a processor cores of their own: two of a node need not wait for each other."""
    nameless = replace(CPU, uuid="")
    assert outcome(local, order("b", ""), nameless).exit_code == 0
    assert {file.name for file in leases.iterdir()} == {"machine", "turn"}


def test_what_is_timed_has_its_machine_alone_though_its_device_has_no_name(
    local: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LEASE_LIMIT_S", 0.3)
    local.start(order("first", "import time; time.sleep(60)", exclusive=True), replace(CPU, uuid=""))
    began(local, "first")
    for exclusive in (True, False):
        found = outcome(local, order("second", "", exclusive=exclusive), replace(CPU, uuid=""))
        assert "/machine has been held too long, by process" in found.infrastructure


def test_a_link_in_the_place_of_the_folder_opens_nothing(
    local: LocalExecutor, leases: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o700)
    leases.symlink_to(mine)
    outcome(local, order("b", ""))
    assert mine.stat().st_mode & 0o777 == 0o700


def test_a_link_in_the_place_of_a_lock_is_refused(local: LocalExecutor, leases: Path, tmp_path: Path) -> None:
    leases.mkdir()
    (tmp_path / "mine").write_text("kept")
    (leases / "device-cpu").symlink_to(tmp_path / "mine")
    assert "no lease can be had" in outcome(local, order("b", "")).infrastructure
    assert (tmp_path / "mine").read_text() == "kept"


def test_what_does_not_end_though_killed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process that waits inside the driver for a GPU that hangs."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with monkeypatch.context() as patch:
        patch.setattr(processes, "SWEEP_S", 0.1)
        for name in ("kill", "killpg"):
            patch.setattr(os, name, lambda *_: None)
        with pytest.raises(MachineError, match=rf"processes .*{child.pid}.* do not end, though killed"):
            processes.sweep(child.pid)
    child.kill()
    child.wait()
