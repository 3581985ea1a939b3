"""A machine's leases: locks of files, for two runs of two users too. The standard library alone."""

from __future__ import annotations

import fcntl
import os
import re
import time
from pathlib import Path
from typing import Any

from perfsuite.fleet.executors.wishes import MachineError, StoppedError, Wishes


def lease(job: dict[str, Any], wishes: Wishes) -> list[int]:
    """Take the device, and the machine: alone for what is timed, beside others else.

    A device without a name, as Slurm's share of a processor, is nobody else's: only the machine is taken.

    The locks are the operating system's, which takes them back from whatever dies. Whoever waits for the
    machine alone holds the turn meanwhile, so that those who share it do not keep it for ever.
    """
    folder = Path(job["leases"])
    until = time.monotonic() + job["lease_limit_s"]
    try:
        _make(folder)
        devices = [
            _locked(folder / f"device-{_slug(uuid)}", True, until, wishes, job["what"])
            for uuid in filter(None, [job["uuid"]])
        ]
        turn = _locked(folder / "turn", True, until, wishes, job["what"])
        machine = _locked(folder / "machine", job["exclusive"], until, wishes, job["what"])
    except OSError as error:
        raise MachineError(
            f"{folder}: no lease can be had ({error.strerror}); check its permissions"
        ) from error
    os.close(turn)
    return [*devices, machine]


def _locked(path: Path, alone: bool, until: float, wishes: Wishes, what: str) -> int:
    descriptor = _opened(path)
    while True:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > until:
                held = path.read_text(errors="replace").strip() or "somebody who does not say"
                raise MachineError(f"{path} has been held too long, by {held}; end that run") from None
        wishes.wait(0.1)
        if wishes.stopped:
            raise StoppedError
    if alone:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()}: {what}\n".encode(), 0)
    return descriptor


def _make(folder: Path) -> None:
    """For all users, and each removes only what is theirs; one that is there may be another's."""
    try:
        folder.mkdir(parents=True)
        folder.chmod(0o1777)
    except FileExistsError:
        return


def _opened(path: Path) -> int:
    """A file that all users may lock; the kernel refuses to create one that another user has."""
    try:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        os.fchmod(descriptor, 0o666)
        return descriptor


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]+", "-", text)
