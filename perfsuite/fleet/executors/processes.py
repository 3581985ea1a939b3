"""A command on a machine, and the end of all that it started. The standard library alone."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from perfsuite.fleet.executors.wishes import MachineError

if TYPE_CHECKING:
    from perfsuite.fleet.executors.wishes import Wishes

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
SWEEP_S = 30.0
"""For what was killed to be gone."""


def adopt(*, end_with_parent: bool) -> None:
    """Orphans of this process's children become its own children; where Linux can, on request it is told to
    end when its parent does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
        if end_with_parent:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def as_usual() -> None:
    """Take the usual priority, where one may: Ray's workers have a niceness of 15, and a block would inherit
    it and give way to whatever else the machine does."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, min(0, os.getpriority(os.PRIO_PROCESS, 0)))


def attended(
    command: list[str],
    variables: dict[str, str],
    output: IO[bytes],
    job: dict[str, Any],
    wishes: Wishes,
    limit_s: float,
    leases: list[int],
) -> tuple[int | None, float]:
    """Run a command to its end, at most so long; its exit code, None at the limit, and its seconds."""
    began = time.monotonic()
    child = subprocess.Popen(
        command,
        env=variables,
        cwd=job["cwd"] if os.path.isdir(job["cwd"]) else job["folder"],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=leases,
        preexec_fn=_dies_with_us,
    )
    while child.poll() is None and not wishes.stopped and time.monotonic() - began < limit_s:
        wishes.wait(limit_s - (time.monotonic() - began))
    seconds = time.monotonic() - began
    late = child.poll() is None and not wishes.stopped
    if child.poll() is None:
        _ask_to_end(child, job["grace_s"])
    sweep(child.pid)
    child.wait()
    return (None if late else child.returncode), seconds


def _dies_with_us() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _ask_to_end(child: subprocess.Popen[bytes], grace_s: float) -> None:
    """As Ctrl-C does, so that it can write what it has."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(grace_s)


def sweep(group: int) -> None:
    """End all that a command has left: its process group, and what has left the group.

    Raises `MachineError` for what does not end, as a process that waits for a GPU that hangs.
    """
    until = time.monotonic() + SWEEP_S
    while True:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        left = _descendants()
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if not left:
            return
        if time.monotonic() > until:
            processes = ", ".join(map(str, left))
            raise MachineError(f"{socket.gethostname()}: processes {processes} do not end, though killed")
        time.sleep(0.01)


def _descendants() -> list[int]:
    """Of this process, those that have ended aside; orphans come to it too."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it has ended meanwhile
            continue
        if state not in "ZX":
            parents[int(stat.parent.name)] = int(parent)
    found = {os.getpid()}
    while True:
        more = {process for process, parent in parents.items() if parent in found} - found
        if not more:
            return sorted(found - {os.getpid()})
        found |= more
