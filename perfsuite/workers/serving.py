"""The worker's side: answers one JSON line with one JSON line, over a Unix socket.

What it can do is a class, `COMMANDS` or the ``module:class`` after ``--commands=``. With ``--keep`` the
process imports the heavy packages and then forks a child for each connection: a fresh process in
milliseconds. Nothing is computed before the fork, so the child starts its own threads and its own CUDA
context, as a started process does. Where an import itself asks the driver for the GPU (torchao does, for its
kernels), a fork could not use it: the child says so (`Commands.do_hello`), and the parent starts processes
instead. Without ``--keep``, one connection is served and the process ends.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socketserver
import sys
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PROTOCOL = 1
"""Of the messages; both sides are the same code, so a difference is an installation gone wrong."""


COMMANDS = "perfsuite.workers.commands:Commands"
_OPTION = "--commands="
CORES = "--cores="
"""Option that names the cores of the process, where its parent has more than its first thread."""


def main(arguments: list[str]) -> None:
    """Listen at the path given first; serve one connection, or with ``--keep`` each in a fork."""
    path, keep = arguments[0], "--keep" in arguments[1:]
    named, cores = _values(arguments, _OPTION), _values(arguments, CORES)
    if cores:
        # Before torch: a thread that is bound to one core hands that on to the processes that it starts.
        os.sched_setaffinity(0, map(int, cores[0].split(",")))
    # Ctrl-C reaches the whole group; the parent process decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if keep:
        _preload()
    server = (_Forking if keep else _Single)(path, _Handler)
    module, _, kind = (named[0] if named else COMMANDS).partition(":")
    server.commands = getattr(importlib.import_module(module), kind)
    with contextlib.suppress(FileNotFoundError), server:
        if keep:
            _announce(path)
            server.serve_forever()
        else:
            _announce(path)
            server.handle_request()


def _values(arguments: list[str], option: str) -> list[str]:
    return [a.removeprefix(option) for a in arguments[1:] if a.startswith(option)]


def _announce(path: str) -> None:
    """Tell the parent that the socket is there; it reads no more, so the rest goes where errors go."""
    print(json.dumps({"listening": path, "protocol": PROTOCOL}), flush=True)
    os.dup2(2, 1)


def _preload() -> None:
    """Import what a pipeline needs; compute nothing."""
    from perfsuite.device.imports import IMPORTS

    IMPORTS.bring()
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer  # noqa: F401

    import perfsuite.pipelines
    import perfsuite.workers.commands  # noqa: F401


class _Single(socketserver.UnixStreamServer):
    commands: type[Any]
    """Made for each connection."""


class _Forking(socketserver.ForkingMixIn, _Single):
    # The parent must see the end of a child's connection at once, also of one that was killed.
    block_on_close = False
    _parent = os.getppid()

    def service_actions(self) -> None:
        super().service_actions()
        if os.getppid() != self._parent:
            os._exit(0)  # the parent was killed and could not end this


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Single)
        commands = self.server.commands()
        try:
            for line in self.rfile:
                request = json.loads(line)
                reply = _answer(commands, request)
                self.wfile.write(json.dumps(reply).encode() + b"\n")
                self.wfile.flush()
        except BrokenPipeError:
            pass  # the parent has gone; so does this worker
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            if isinstance(self.server, _Forking):
                os._exit(0)  # what the parent of the fork registered for its own end is not ours


def _answer(commands: Any, request: dict[str, Any]) -> dict[str, Any]:
    command: Callable[..., Any] = getattr(commands, f"do_{request.pop('do')}")
    try:
        return {"ok": command(**request)}
    except Exception as error:
        return {
            "error": f"{type(error).__name__}: {error}",
            "traceback": traceback.format_exc(),
            "refused": isinstance(error, getattr(commands, "refusals", ())),
        }
