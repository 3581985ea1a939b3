"""What an engine's own worker does on a machine: it starts the supervisor, waits, and brings the files back.

The standard library alone: Ray carries this module to its workers by value, and they may not have ours.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfsuite.fleet.executors.gpus import gpus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LEASES = "PERFSUITE_LEASES"
"""Environment variable: folder of the machine's leases, `LEASES_FOLDER` by default."""
LEASES_FOLDER = "/tmp/perfsuite-leases"
"""Not below ``TMPDIR``: it must be the same for all users of the machine."""
GRACE_S = 20.0
"""In which a supervisor that was told to stop answers: its block has 10 s to write what it has."""
ENDING_S = 60.0
"""In which one whose driver has gone has ended its block, what does not end at once included."""
_ALIVE = "alive"
"""A file that the supervisor has locked while it lives."""


def leases_folder() -> str:
    """Where this machine keeps its leases."""
    return os.environ.get(LEASES, LEASES_FOLDER)


def facts() -> dict[str, Any]:
    """The machine's name, its GPUs, and the cores that count."""
    threads = sorted(Path("/sys/devices/system/cpu").glob("cpu[0-9]*/topology/thread_siblings_list"))
    siblings = {file.read_text().strip() for file in threads}
    return {
        "machine": socket.gethostname(),
        "gpus": gpus(),
        "cores": len(siblings) or os.cpu_count() or 1,
        "gives_way": _gives_way(),
    }


def _gives_way() -> bool:
    """Whether what is started here runs at a low priority, and may not take the usual one."""
    code = "import os; os.setpriority(os.PRIO_PROCESS, 0, min(0, os.getpriority(os.PRIO_PROCESS, 0)))"
    return subprocess.run([sys.executable, "-I", "-c", code], stderr=subprocess.DEVNULL).returncode != 0


class Supervised:
    """One block on this machine, and the supervisor that looks after it."""

    def __init__(self, job: Mapping[str, Any], script: str) -> None:
        """Start it; `script` is the supervisor's own text. Raises `OSError` where the machine cannot."""
        self.folder = folder_of(job["ticket"], job.get("scratch"))
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700)
        self.job = {**job, "folder": str(self.folder), "leases": job.get("leases") or leases_folder()}
        try:
            with (self.folder / "supervisor.txt").open("wb") as said, _locked(self.folder) as alive:
                self.process = subprocess.Popen(
                    [sys.executable, "-I", "-c", script],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    start_new_session=True,
                    pass_fds=[alive],
                )
            self._tell(json.dumps(self.job))
        except OSError:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def reports(self) -> Iterator[dict[str, Any]]:
        """What the supervisor tells, as it tells it; at its end with the files that the block left."""
        while True:
            report = self.report()
            yield report
            if "began" not in report:
                return

    def report(self) -> dict[str, Any]:
        """The next: ``began``, ``ended`` with ``files``, or ``lost`` with why."""
        assert self.process.stdout is not None
        # Not for long at once: an interrupt of Ray's is seen between two calls only.
        while not select.select([self.process.stdout], [], [], 0.5)[0]:
            pass
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            self.process.wait()
            return {"lost": self._last_words()}
        report: dict[str, Any] = json.loads(line)
        if "ended" in report:
            report["ended"]["files"] = self._files()
        return report

    def stop(self) -> None:
        """Ask it to end the block; a report follows."""
        with contextlib.suppress(OSError):  # it has ended
            self._tell("stop")

    def end(self) -> None:
        """End what still runs; what it leaves stays until it is discarded."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def _tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def _files(self) -> dict[str, bytes]:
        return collected(self.folder)

    def _last_words(self) -> str:
        said = (self.folder / "supervisor.txt").read_text(errors="replace").strip()
        last = said.splitlines()[-1] if said else f"it said nothing, and ended with {self.process.returncode}"
        return f"the supervisor of the block died on {socket.gethostname()}: {last}"


def attended(job: Mapping[str, Any], script: str) -> Iterator[dict[str, Any]]:
    """One block from its start to its end, as the task of an engine: what it tells.

    What it leaves stays on the machine, for the engine may not bring its last word to anybody; what others
    left of which the driver has heard is removed.
    """
    discard(job.get("heard", ()))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        _interrupts(signal.default_int_handler)
    supervised = Supervised(job, script)
    try:
        yield from supervised.reports()
    finally:
        # An engine that interrupts again would else end this process, and the block's supervisor with it,
        # before the block has written what it has.
        _interrupts(signal.SIG_IGN)
        supervised.end()


def _interrupts(handler: Any) -> None:
    """Take interrupts so. A script that starts an engine in its background has it ignore them, and a task
    would too. Where this is no main thread, none comes."""
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, handler)


def folder_of(ticket: str, scratch: str | None = None) -> Path:
    """Where an attempt works and leaves what it has."""
    return Path(scratch or tempfile.gettempdir(), f"perfsuite-block-{ticket}")


def discard(tickets: Iterable[str], scratch: str | None = None) -> None:
    """Remove what attempts have left here."""
    for ticket in tickets:
        shutil.rmtree(folder_of(ticket, scratch), ignore_errors=True)


def remains(ticket: str, scratch: str | None = None) -> dict[str, Any] | None:
    """What an attempt left here, as the report of its end; None for nothing at all.

    Its supervisor may be about to end it, since whoever asked has gone, and is waited for. One that was
    killed has told nothing: then the files alone speak.
    """
    folder = folder_of(ticket, scratch)
    if not folder.is_dir():
        return None
    until = time.monotonic() + ENDING_S
    while _lives(folder) and time.monotonic() < until:
        time.sleep(0.1)
    return told(folder)


def told(folder: Path) -> dict[str, Any]:
    """How the attempt of a folder ended, by its supervisor's last word where it could say one."""
    ended: dict[str, Any] = {
        "machine": socket.gethostname(), "exit_code": -signal.SIGKILL, "seconds": 0.0, "said": "",
        "clock": "", "free_bytes": shutil.disk_usage(folder).free,
    }  # fmt: skip
    with contextlib.suppress(FileNotFoundError):
        ended = json.loads((folder / "ended.json").read_bytes())
    return {**ended, "files": collected(folder)}


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """A lock for a child to inherit, which holds it as long as it lives."""
    descriptor = os.open(folder / _ALIVE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)


def _lives(folder: Path) -> bool:
    """Whether the supervisor of an attempt does."""
    try:
        with _locked(folder):
            return False
    except BlockingIOError:
        return True


def collected(folder: Path) -> dict[str, bytes]:
    """Whatever a block left in its folder, and what it said; no links, which may point anywhere."""
    out = folder / "out"
    left = [file for file in sorted(out.rglob("*")) if file.is_file() and not file.is_symlink()]
    found = {file.relative_to(out).as_posix(): file.read_bytes() for file in left}
    output = folder / "output.txt"
    return found | ({"output.txt": output.read_bytes()} if output.exists() else {})
