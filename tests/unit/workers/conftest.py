"""An interpreter whose workers start at once: the real server and protocol, with commands of its own."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from two_sides import Sides

from perfsuite.workers import ab, lockstep

STUB = """
import importlib.util, os, signal, sys, time, types
from pathlib import Path

spec = importlib.util.spec_from_file_location("bootstrap", sys.argv[2])
bootstrap = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bootstrap)
bootstrap._adopt(Path(sys.argv[2]).parent.parent)
from perfsuite.workers import serving

def preload():
    {preload}

class Commands:
    refusals = (BufferError,)
    def __init__(self):
        self.count = 0
    def do_hello(self):
        spoilt = "SPOILT" in os.environ and "--keep" in sys.argv
        return {{"pid": os.getpid(), "versions": {{}}, "spoilt": spoilt, "forked": "--keep" in sys.argv}}
    def do_refuse(self):
        raise BufferError("no such device; use another")
    def do_echo(self, value):
        return value
    def do_count(self):
        self.count += 1
        return self.count
    def do_fail(self):
        raise KeyError("of the stub")
    def do_hang(self):
        time.sleep(60)
    def do_print(self, lines):
        print("to nobody\\n" * lines, flush=True)
    def do_die(self):
        sys.stderr.write("out of luck\\n")
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    def do_environment(self, name):
        return os.environ.get(name)

commands = types.ModuleType("perfsuite.workers.commands")
commands.Commands = Commands
sys.modules["perfsuite.workers.commands"] = commands
serving._preload = preload
serving.main(sys.argv[3:])
"""


@pytest.fixture
def stub(tmp_path: Path) -> Callable[..., Path]:
    """Make such an interpreter; ``preload`` is what a server does before it listens."""

    def make(preload: str = "pass") -> Path:
        program, interpreter = tmp_path / "stub.py", tmp_path / "python-stub"
        program.write_text(STUB.format(preload=preload))
        interpreter.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{program}" "$@"\n')
        interpreter.chmod(0o755)
        return interpreter

    return make


def ended(pid: int, limit_s: float = 5.0) -> bool:
    """Whether the process ends within the limit."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


@pytest.fixture(name="ended")
def _ended() -> Callable[..., bool]:
    return ended


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sides:
    """Both sides of an A/B, on a clock of their own."""
    sides = Sides(tmp_path)
    clock = SimpleNamespace(monotonic=sides.machine.monotonic, sleep=sides.machine.sleep)
    monkeypatch.setattr(ab, "time", clock)
    monkeypatch.setattr(lockstep, "time", clock)
    return sides
