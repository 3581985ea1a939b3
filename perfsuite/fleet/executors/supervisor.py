"""Runs the process of one block, and ends all that it started: ``python -I supervisor.py``.

It needs the standard library alone and nothing of ours, for the interpreter that runs it may have nothing
else. A job is one line of JSON, the first of its input or a file that is named; it is made by
`perfsuite.fleet.executors.jobs`. The answer is lines of JSON: ``{"began": HOST}``, then ``{"ended": {...}}``.

The end of its input means that whoever asked has gone: the block is ended, so that it disturbs nothing that
is timed. What is timed holds the machine's lease, which the operating system takes back from whatever dies.
"""

from __future__ import annotations

import contextlib
import csv
import ctypes
import fcntl
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

PASSED_ON = frozenset(
    ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "XDG_CACHE_HOME",
     "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH", "CUDA_CACHE_PATH", "CC", "CXX", "TORCH_HOME",
     "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "TRANSFORMERS_OFFLINE", "PERFSUITE_PACKAGES",
     "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE",
     "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
)  # fmt: skip
"""What a block gets of the machine's environment, and nothing of an engine's: Ray limits OpenMP's threads."""
PREFIXES = ("LC_", "HF_")
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
TAIL_BYTES = 4000
NO_SPACE_BYTES = 1 << 20
"""Whatever ends badly with less of the disk left had none."""


class MachineError(Exception):
    """The machine cannot run it; the message says why and what helps."""


class StoppedError(Exception):
    """Whoever asked wants no answer any more."""


class Wishes:
    """What wakes the supervisor: a child's end, a signal, a word on its input or the input's end."""

    def __init__(self, listen: bool) -> None:
        self._awake, wake = os.pipe()
        for end in (self._awake, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        # Ray starts its processes with the interrupt blocked, and a block would inherit that.
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        self._listen = listen
        self.stopped = self.alone = False

    def _stop(self, *_: object) -> None:
        self.stopped = True

    def wait(self, seconds: float) -> None:
        """Until something happens, at most so long."""
        watched = [self._awake, *([0] if self._listen else [])]
        ready, _, _ = select.select(watched, [], [], max(seconds, 0))
        if self._awake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._awake, 4096)
        if 0 in ready:
            self.alone = not os.read(0, 4096)
            self.stopped, self._listen = True, False


def gpus() -> list[tuple[str, str, str]]:
    """Number, UUID and name of each GPU that the driver knows; none without ``nvidia-smi``."""
    if shutil.which("nvidia-smi") is None:
        return []
    asked = ["nvidia-smi", "--query-gpu=index,uuid,name", "--format=csv,noheader"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60)
    if done.returncode:
        return []
    return [
        (number, uuid, name)
        for number, uuid, name in csv.reader(done.stdout.splitlines(), skipinitialspace=True)
    ]


def visible(all_gpus: list[tuple[str, str, str]], choice: str | None) -> list[tuple[str, str, str]]:
    """Those that ``CUDA_VISIBLE_DEVICES`` leaves, by number or by UUID, which may be cut short."""
    if choice is None:
        return all_gpus
    wanted = [each.strip() for each in choice.split(",") if each.strip()]
    return [
        gpu
        for each in wanted
        for gpu in all_gpus
        if gpu[0] == each or (gpu[1].startswith(each) and "-" in each)
    ]


def device(job: dict[str, Any], choice: str | None) -> str:
    """The one that was asked for; where an engine has chosen others by now, the first of them."""
    if job["kind"] != "cuda" or not job["chosen"] or not choice:
        return str(job["uuid"])
    given = [uuid for _, uuid, _ in visible(gpus(), choice)] or choice.split(",")
    return job["uuid"] if job["uuid"] in given else given[0]


def tell(job: dict[str, Any], kind: str, what: object) -> None:
    """To whoever asked: a file, or a line that nobody may be left to read."""
    if job["by_file"]:
        answer = Path(job["folder"], f"{kind}.json")
        answer.with_suffix(".tmp").write_text(json.dumps(what))
        answer.with_suffix(".tmp").replace(answer)
        return
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps({kind: what}), flush=True)


def environment(job: dict[str, Any], here: dict[str, str]) -> dict[str, str]:
    """All that a block's process is told: the allow-list, its device, its threads, its own variables."""
    chosen = {n: v for n, v in here.items() if n in PASSED_ON or n.startswith(PREFIXES)}
    visible = job["uuid"] if job["kind"] == "cuda" else ""
    return {
        **chosen,
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": visible,
        "OMP_NUM_THREADS": str(job["cores"] or len(os.sched_getaffinity(0))),
        **job["variables"],
    }


def lease(job: dict[str, Any], wishes: Wishes) -> list[int]:
    """Take the device, and the machine: alone for what is timed, beside others else.

    The locks are the operating system's, for two runs of two users too. Whoever waits for the machine alone
    holds the turn meanwhile, so that those who share it do not keep it for ever.
    """
    folder = Path(job["leases"])
    until = time.monotonic() + job["lease_limit_s"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(PermissionError):  # another user's, who has done it
            folder.chmod(0o777)
        device = _locked(folder / f"device-{_slug(job['uuid'])}", True, until, wishes, job["what"])
        turn = _locked(folder / "turn", True, until, wishes, job["what"])
        machine = _locked(folder / "machine", job["exclusive"], until, wishes, job["what"])
    except OSError as error:
        raise MachineError(
            f"{folder}: no lease can be had ({error.strerror}); check its permissions"
        ) from error
    os.close(turn)
    return [device, machine]


def _locked(path: Path, alone: bool, until: float, wishes: Wishes, what: str) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    with contextlib.suppress(PermissionError):
        os.fchmod(descriptor, 0o666)
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


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]+", "-", text)


def interpreters(job: dict[str, Any], wishes: Wishes, variables: dict[str, str]) -> dict[str, str]:
    """Path of the interpreter of each environment, by its name; made where it is made of packages."""
    found = {}
    for each in job["environments"]:
        if each["python"] is None:
            found[each["name"]] = _made(each, job, wishes, variables)
        elif os.access(each["python"], os.X_OK) and Path(each["python"]).is_file():
            found[each["name"]] = each["python"]
        else:
            raise MachineError(
                f"{each['python']}: no interpreter of environment {each['name']} on {socket.gethostname()}; "
                "install it there, or give exact packages"
            )
    return found


def _made(each: dict[str, Any], job: dict[str, Any], wishes: Wishes, variables: dict[str, str]) -> str:
    said = Path(job["folder"], f"making-{_slug(each['name'])}.txt")
    command = [sys.executable, "-m", "perfsuite.fleet.executors.making", json.dumps(each["packages"])]
    # Where packages come from is the machine's own business.
    indexes = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    with said.open("wb") as stream:
        code, _ = attended(command, {**variables, **indexes}, stream, job, wishes, job["making_limit_s"], [])
    text = said.read_text(errors="replace").strip()
    last = text.splitlines()[-1] if text else ""
    if code == 0:
        return last
    why = "took too long" if code is None else last or f"ended with {code}"
    if "No module named perfsuite" in text:
        why = f"{sys.executable} has no perfsuite, which makes it"
    raise MachineError(f"environment {each['name']} cannot be made on {socket.gethostname()}: {why}")


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
    """End all that a command has left: its process group, and what has left the group."""
    while True:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        left = _descendants()
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if not left:
            return
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


def fault(code: int | None, free: int, job: dict[str, Any]) -> str:
    """Why a bad end is the machine's, by the machine's own state; empty where it looks well."""
    if code == 0:
        return ""
    if free < NO_SPACE_BYTES:
        return f"{job['folder']}: no space left on the disk"
    if job["uuid"].startswith("GPU-") and not _answers(job["uuid"]):
        return f"{job['uuid']} does not answer any more"
    return ""


def _answers(uuid: str) -> bool:
    if shutil.which("nvidia-smi") is None:
        return True
    asked = ["nvidia-smi", f"--id={uuid}", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        return subprocess.run(asked, capture_output=True, timeout=30).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def run(job: dict[str, Any], wishes: Wishes) -> dict[str, Any]:
    """One block, from its lease to its end."""
    ended: dict[str, Any] = {"exit_code": None, "seconds": 0.0, "said": "", "infrastructure": ""}
    folder = Path(job["folder"])
    variables = environment(job, dict(os.environ))
    try:
        (folder / "out").mkdir(parents=True, exist_ok=True)
        leases = lease(job, wishes)
        pythons = interpreters(job, wishes, variables)
        arguments = [_filled(each, folder / "out", pythons) for each in job["arguments"]]
        if wishes.stopped:
            raise StoppedError
        with (folder / "output.txt").open("wb") as output:
            tell(job, "began", socket.gethostname())
            command = [pythons[job["environments"][0]["name"]], *arguments]
            code, seconds = attended(command, variables, output, job, wishes, job["limit_s"], leases)
        said = _tail(folder / "output.txt")
        free = shutil.disk_usage(folder).free
        ended |= {"exit_code": code, "seconds": seconds, "said": said}
        # A block that was ended on purpose shows no fault.
        ended["infrastructure"] = "" if code is None or wishes.stopped else fault(code, free, job)
    except StoppedError:
        ended |= {"exit_code": -signal.SIGINT, "said": "ended before it began"}
    except MachineError as error:
        ended["infrastructure"] = str(error)
    except OSError as error:
        ended["infrastructure"] = f"{error.filename or folder}: {error.strerror}"
    return {
        **ended,
        "machine": socket.gethostname(),
        "uuid": job["uuid"],
        "clock": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "free_bytes": shutil.disk_usage(folder).free,
    }


def _filled(argument: str, out: Path, pythons: dict[str, str]) -> str:
    """With the attempt's own folder and interpreters in the place of their names."""
    for name, python in pythons.items():
        argument = argument.replace("{python:" + name + "}", python)
    return argument.replace("{out}", str(out))


def _tail(path: Path) -> str:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return stream.read().decode(errors="replace").strip()


def _first_line() -> bytes:
    """And no byte more: what follows is a wish."""
    line = b""
    while not line.endswith(b"\n"):
        found = os.read(0, 1)
        if not found:
            raise SystemExit("no job on the input")
        line += found
    return line


def main(arguments: list[str]) -> None:
    """The job of a file that is named, with answers beside it, or of the first line of the input."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
        if arguments:  # there is no input whose end would tell that the one who asked has gone
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    job = json.loads(Path(arguments[0]).read_bytes() if arguments else _first_line())
    job["by_file"] = bool(arguments)
    job["uuid"] = device(job, os.environ.get("CUDA_VISIBLE_DEVICES"))
    wishes = Wishes(listen=not arguments)
    ended = run(job, wishes)
    if wishes.alone:
        shutil.rmtree(job["folder"], ignore_errors=True)
    else:
        tell(job, "ended", ended)


if __name__ == "__main__":
    main(sys.argv[1:])
