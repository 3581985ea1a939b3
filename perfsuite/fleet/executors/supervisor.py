"""Runs the process of one block, and ends all that it started.

It needs the standard library alone and its siblings here that do, for the interpreter that runs it may have
nothing else: `perfsuite.fleet.executors.jobs` makes one text of them. A job is one line of JSON, the first of
its input or a file that is named. It answers with lines of JSON: ``{"began": HOST}``, ``{"ended": {...}}``.

The end of its input means that whoever asked has gone: the block is ended, so that it disturbs nothing that
is timed, and what it wrote stays for the next who asks. What is timed holds the machine's lease.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from perfsuite.fleet.executors.gpus import answers, chosen
from perfsuite.fleet.executors.leases import lease
from perfsuite.fleet.executors.processes import adopt, as_usual, attended
from perfsuite.fleet.executors.wishes import MachineError, StoppedError, Wishes

PASSED_ON = frozenset(
    ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "XDG_CACHE_HOME",
     "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH", "CUDA_CACHE_PATH", "CC", "CXX", "TORCH_HOME",
     "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "TRANSFORMERS_OFFLINE", "PERFSUITE_PACKAGES",
     "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE",
     "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
)  # fmt: skip
"""What a block gets of the machine's environment, and nothing of an engine's: Ray limits OpenMP's threads."""
PREFIXES = ("LC_", "HF_")
TAIL_BYTES = 4000
NO_SPACE_BYTES = 1 << 20
"""Whatever ends badly with less of the disk left had none."""


def here() -> str:
    """This machine's name; on a cluster of Slurm that by which Slurm knows it."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def started() -> str:
    """The system's name for this start of the machine, which no other has; empty where it has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def tell(job: dict[str, Any], kind: str, what: object) -> None:
    """To whoever asked, by a line that nobody may be left to read; so a file says the same to whoever comes
    after them."""
    answer = Path(job["folder"], f"{kind}.json")
    try:
        answer.with_suffix(".tmp").write_text(json.dumps(what))
        answer.with_suffix(".tmp").replace(answer)
    except OSError:  # as on a full disk
        if job["by_file"]:
            raise
    if not job["by_file"]:
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps({kind: what}), flush=True)


def environment(job: dict[str, Any], here: dict[str, str]) -> dict[str, str]:
    """All that a block's process is told: the allow-list, its device, its threads, its own variables.

    A block of the CPU chooses its threads itself, as it would without an engine.
    """
    passed = {n: v for n, v in here.items() if n in PASSED_ON or n.startswith(PREFIXES)}
    told = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ""}
    if job["kind"] == "cuda":
        threads = job["cores"] or len(os.sched_getaffinity(0))
        told |= {"CUDA_VISIBLE_DEVICES": job["uuid"], "OMP_NUM_THREADS": str(threads)}
    return {**passed, **told, **job["variables"]}


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
                f"{each['python']}: no interpreter of environment {each['name']} on {here()}; "
                "install it there, or give exact packages"
            )
    return found


def _made(each: dict[str, Any], job: dict[str, Any], wishes: Wishes, variables: dict[str, str]) -> str:
    said = Path(job["folder"], f"making-{re.sub(r'[^A-Za-z0-9-]+', '-', each['name'])}.txt")
    command = _isolated(
        sys.executable, "-m", "perfsuite.fleet.executors.making", json.dumps(each["packages"])
    )
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
    raise MachineError(f"environment {each['name']} cannot be made on {here()}: {why}")


def _isolated(python: str, *arguments: str) -> list[str]:
    """An interpreter that imports what is installed there: not what lies in the working directory, which may
    be a checkout, and would then be measured in every environment."""
    return [python, "-P", *arguments]


def fault(code: int | None, free: int, job: dict[str, Any]) -> str:
    """Why a bad end is the machine's, by the machine's own state; empty where it looks well."""
    if code == 0:
        return ""
    if free < NO_SPACE_BYTES:
        return f"{job['folder']}: no space left on the disk"
    if job["uuid"].startswith("GPU-") and not answers(job["uuid"]):
        return f"{job['uuid']} does not answer any more"
    return ""


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
            tell(job, "began", here())
            command = _isolated(pythons[job["environments"][0]["name"]], *arguments)
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
        "stopped_by": wishes.signal,
        "machine": here(),
        "boot": started(),
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
    # A file has no end that would tell that whoever asked has gone.
    adopt(end_with_parent=bool(arguments))
    job = json.loads(Path(arguments[0]).read_bytes() if arguments else _first_line())
    job["by_file"] = bool(arguments)
    job["uuid"] = chosen(job, os.environ.get("CUDA_VISIBLE_DEVICES"))
    if job["chosen"]:
        as_usual()
    wishes = Wishes(listen=not arguments)
    tell(job, "ended", run(job, wishes))
