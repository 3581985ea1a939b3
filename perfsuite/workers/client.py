"""Fresh processes, from the side that drives them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfsuite.device import cores
from perfsuite.pipelines.registering import HANDED_ON, handed_on
from perfsuite.pipelines.registry import REGISTRY
from perfsuite.workers.serving import COMMANDS, CORES, PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
START_LIMIT_S = 180.0
"""Importing torch from a cold disk may take a minute."""
REPLY_LIMIT_S = 3600.0
"""A cold max-autotune of the full UNet takes many minutes, and how many has not been measured."""
_TAIL = 2000


class WorkerError(RuntimeError):
    """A worker that could not start, died, did not answer in time, or failed at a command."""


class StartError(WorkerError):
    """An interpreter that will not do, however often one tries: not there, or without a package."""


class RefusedError(StartError):
    """A command that will not do, however often one tries: no such device, too little memory for it."""


class Server:
    """An interpreter that has the heavy packages imported and forks a fresh `Worker` in milliseconds.

    Without ``fork`` each worker is a started process: where the platform cannot fork, and where someone
    wants to see that both measure the same.
    """

    def __init__(
        self,
        python: str | Path = sys.executable,
        *,
        fork: bool = hasattr(os, "fork") and sys.platform != "darwin",
        environment: Mapping[str, str] | None = None,
        start_limit_s: float = START_LIMIT_S,
        commands: str = COMMANDS,
    ) -> None:
        """Nothing is started before the first worker is asked for; `commands`: see `serving`."""
        self.python = str(python)
        self._fork = fork
        self._commands = commands
        self._environment = {**os.environ, **(environment or {})}
        # Whether CUDA is there must be found out without touching it: a fork cannot use its context.
        self._environment["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
        # Our own packages must not reach another interpreter.
        self._environment.pop("PYTHONPATH", None)
        self._environment.pop(HANDED_ON, None)
        self._environment |= handed_on(REGISTRY.files, self.python)
        self._start_limit_s = start_limit_s
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._workers: list[Worker] = []
        self._count = 0

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def launch(self) -> None:
        """Begin to start, without waiting: several servers import at the same time. Raises `WorkerError`."""
        if self._fork and (self._process is None or self._process.poll() is not None):
            self._process = self._start()

    def worker(self, reply_limit_s: float = REPLY_LIMIT_S) -> Worker:
        """A fresh process, ready for commands. Raises `WorkerError`."""
        self.launch()
        process = self._process or self._start()
        self._wait_for(process)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(self._socket))
        except OSError as error:
            connection.close()
            raise self._failure(f"cannot be reached ({error.strerror})") from error
        worker = Worker(connection, self, None if self._fork else process, reply_limit_s)
        self._workers.append(worker)
        worker.hello = worker.ask("hello", limit_s=self._start_limit_s)
        if self._fork and worker.hello.get("spoilt"):
            # Something asked the driver for devices while importing: torchao does; for a slice (MIG) torch.
            self.close()
            self._fork = False
            return self.worker(reply_limit_s)
        return worker

    def close(self) -> None:
        """End all workers and the server."""
        for worker in self._workers:
            worker.close()
        self._workers.clear()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _start(self) -> subprocess.Popen[bytes]:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="perfsuite-"))  # for this user alone
        self._count += 1
        self._socket = self._folder / f"{self._count}.sock"
        self._log = self._folder / f"{self._count}.log"
        keep = ["--keep"] if self._fork else []
        command = [
            self.python,
            "-P",
            str(_BOOTSTRAP),
            str(self._socket),
            f"--commands={self._commands}",
            *keep,
            *_wider(),
        ]
        try:
            with self._log.open("wb") as log:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=self._environment,
                )
        except OSError as error:
            raise StartError(
                f"{self.python}: cannot be started ({error.strerror}); name a Python interpreter, "
                "for instance venv/bin/python"
            ) from error
        return process

    def _wait_for(self, process: subprocess.Popen[bytes]) -> None:
        """Until it listens."""
        assert process.stdout is not None
        if process.stdout.closed:
            return
        try:
            ready = json.loads(_line_within(process.stdout.fileno(), self._start_limit_s))
            if ready.get("protocol") != PROTOCOL:
                raise self._failure(f"speaks protocol {ready.get('protocol')!r}, not {PROTOCOL}")
        except BaseException as error:
            process.kill()
            process.wait()
            self._process = None
            if isinstance(error, ValueError | TimeoutError):
                raise self._failure("did not start as a worker") from error
            raise
        finally:
            process.stdout.close()

    def _failure(self, what: str) -> WorkerError:
        said = self._log.read_text(errors="replace") if self._log.exists() else ""
        missing = _missing_module(said)
        if missing:
            return self._without(missing)
        tail = f":\n{said[-_TAIL:].rstrip()}" if said.strip() else "; it printed nothing"
        return WorkerError(f"{self.python}: {what}{tail}")

    def _without(self, package: str) -> StartError:
        return StartError(
            f"{self.python}: the package {package!r} is not installed there; "
            f"{self.python} -m pip install {package}"
        )


def _wider() -> list[str]:
    """The cores of this process, where the thread that starts others is bound to fewer."""
    allowed = cores.allowed()
    if allowed is None or allowed == os.sched_getaffinity(0):
        return []
    return [CORES + ",".join(map(str, sorted(allowed)))]


class Worker:
    """One fresh process. Made by `Server.worker`."""

    def __init__(
        self,
        connection: socket.socket,
        server: Server,
        process: subprocess.Popen[bytes] | None,
        reply_limit_s: float,
    ) -> None:
        self._connection = connection
        self._buffer = b""
        self._server = server
        self._process = process
        self._reply_limit_s = reply_limit_s
        self._busy = False
        self.hello: dict[str, Any] = {}
        """Process id and versions of what is measured."""

    def ask(self, command: str, *, limit_s: float | None = None, **arguments: Any) -> Any:
        """Send a command and wait for its answer.

        Raises:
            WorkerError: the command failed there (with its traceback), the process has died, or it did
                not answer in time; it is killed then.
        """
        limit_s = self._reply_limit_s if limit_s is None else limit_s
        try:
            self._connection.settimeout(limit_s)
            self._busy = True
            self._connection.sendall(json.dumps({"do": command, **arguments}).encode() + b"\n")
            reply = json.loads(self._read_line(time.monotonic() + limit_s))
        except TimeoutError as error:
            self.kill()
            raise WorkerError(
                f"{self._server.python}: no answer to {command!r} in {limit_s:g} s; the process was ended"
            ) from error
        except (OSError, ValueError, EOFError) as error:
            self.kill()
            raise self._server._failure(f"the process ended during {command!r}") from error
        self._busy = False
        if "error" in reply:
            missing = _missing_module(reply["error"])
            if missing:
                raise self._server._without(missing)
            if reply.get("refused"):
                raise RefusedError(f"{self._server.python}: {reply['error']}")
            trace = reply["traceback"][-_TAIL:].rstrip()
            raise WorkerError(f"{self._server.python}: {command} failed: {reply['error']}\n{trace}")
        return reply["ok"]

    def kill(self) -> None:
        """End the process at once."""
        self._busy = True
        self.close()

    def close(self) -> None:
        """Let the process end, at once in the middle of a command; a started one is waited for."""
        self._connection.close()
        if self._busy:
            self._busy = False
            with contextlib.suppress(ProcessLookupError, KeyError):
                os.kill(self.hello["pid"], signal.SIGKILL)
        if self._process is not None:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _read_line(self, until: float) -> bytes:
        while b"\n" not in self._buffer:
            self._connection.settimeout(max(until - time.monotonic(), 1e-3))
            found = self._connection.recv(1 << 20)
            if not found:
                raise EOFError
            self._buffer += found
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line


def _line_within(descriptor: int, limit_s: float) -> bytes:
    """Read up to a newline or the end."""
    import select

    line, until = b"", time.monotonic() + limit_s
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], max(until - time.monotonic(), 0))
        if not ready:
            raise TimeoutError
        found = os.read(descriptor, 4096)
        if not found:
            break
        line += found
    return line


def _missing_module(said: str) -> str | None:
    import re

    # Not 'diffusers.gone': that is a module missing from a package that is there.
    found = re.findall(r"^ModuleNotFoundError: No module named '(\w+)'", said, re.MULTILINE)
    return found[-1] if found else None
