"""Every command that README and guide name: run where that is short, else checked against real options."""

import configparser
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from documents import ROOT, all_commands, words
from typer.testing import CliRunner

from perfsuite.cli import app
from perfsuite.cli.completing import SECTIONS
from perfsuite.guide import TOPICS
from perfsuite.pipelines import variants, workloads
from perfsuite.quality.faults import FAULTS
from perfsuite.quality.faults.compiler import MISTAKES
from perfsuite.report import exports

COMMANDS = all_commands()
RUN = (
    "perfsuite list", "perfsuite guide", "perfsuite faults --names", "perfsuite faults --compiled --names",
)  # fmt: skip
"""Beginnings of those that are run: they are short and change nothing."""
OTHERS = {"chromium", "export", "ray"}
"""Programs that are not this project's."""
RUNG = (
    "tests/benchmarks/test_latency.py", "tests/benchmarks/test_memory.py", "tests/quality",
    "tests/structure/test_counts.py",
)  # fmt: skip
NAMES: dict[str, Any] = {
    "workload": lambda name: workloads.get(name),
    "variant": lambda name: variants.get(name),
    "fault": lambda name: (FAULTS | MISTAKES)[name],
    "topic": TOPICS.index,
    "section": SECTIONS.index,
    "kind": exports.KINDS.__getitem__,
}
"""What must be known, by the name of the parameter."""


def of(program: str) -> list[str]:
    return [command for command in COMMANDS if words(command)[0] == program]


def test_every_program_is_checked() -> None:
    """No command is of a kind that no test here looks at."""
    programs = {words(command)[0] for command in COMMANDS}
    assert programs == {"perfsuite", "pytest", "tox", "python", ".ci/gpu"} | OTHERS


def parsed(command: str) -> dict[str, Any]:
    """The parameters of a subcommand, read by itself; nothing runs."""
    found: Any = typer.main.get_command(app)
    arguments = words(command)[1:]
    if arguments[:1] == ["--plugin"]:  # the one option of all commands that has a value
        assert arguments[1].endswith(".py"), command
        del arguments[:2]
    while hasattr(found, "commands") and arguments and arguments[0] in found.commands:
        found = found.commands[arguments.pop(0)]
    if hasattr(found, "commands"):
        flags = {flag for parameter in found.params for flag in parameter.opts} | {"--help"}
        assert set(arguments) <= flags, command
        assert arguments, command
        return {}
    if arguments == ["--help"]:
        return {}
    # The prose names a command without the arguments that it must have.
    context = found.make_context(found.name, arguments, resilient_parsing=not arguments)
    return dict(context.params)


@pytest.mark.parametrize("command", of("perfsuite"))
def test_perfsuite(command: str) -> None:
    """The subcommand exists, takes these options, and knows the names among their values."""
    for name, value in parsed(command).items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if one is not None and name in NAMES:
                NAMES[name](one)


@pytest.mark.parametrize("command", [c for c in of("perfsuite") if c.startswith(RUN)])
def test_run(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(app, words(command)[1:])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip()


def collected(command: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """What the command would run; without a path of its own, of the tests of a rung alone: all take long."""
    files = [f"--perf-{name}={tmp_path / name}" for name in ("results", "artifacts")]
    own = [word for word in words(command) if word.startswith("tests/")]
    return subprocess.run(
        [
            sys.executable, "-m", *words(command), "--collect-only", "-q", "-p", "no:cacheprovider",
            *files, *([] if own else RUNG),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("command", of("pytest"))
def test_pytest(command: str, tmp_path: Path) -> None:
    """pytest takes every option with its value, and finds a test to run."""
    done = collected(command, tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def tox() -> configparser.ConfigParser:
    found = configparser.ConfigParser(interpolation=None)
    found.read(ROOT / "tox.ini")
    return found


@pytest.mark.parametrize("command", of("tox"))
def test_tox(command: str) -> None:
    """Its environments exist; what follows ``--`` are files that are there, or options of this suite."""
    _, run, option, environments, *rest = words(command)
    assert (run, option) == ("run", "-e")
    assert {f"testenv:{name}" for name in environments.split(",")} <= set(tox().sections())
    if rest:
        assert rest[0] == "--"
        given = [word for word in rest[1:] if not (ROOT / word).is_file()]
        values = [word.removeprefix("--perf-variant=") for word in given]
        assert [variants.get(value).name for value in values] == values


@pytest.mark.parametrize("command", of("python"))
def test_python(command: str) -> None:
    """`-c` compiles; a module of the package is there; `pip install` is of tox or of an extra that exists."""
    _, option, *rest = words(command)
    if option == "-c":
        compile(rest[0], "README", "exec")
        return
    if rest[0].startswith("perfsuite."):
        assert option == "-m"
        assert importlib.util.find_spec(rest[0]) is not None
        return
    assert [option, *rest[:2]] == ["-m", "pip", "install"]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert rest[2:] in [["tox"], *([f"perfsuite[{extra}]"] for extra in extras)]


def test_gpu_script() -> None:
    """It can be started, and reads every variable that the guide names."""
    script = ROOT / ".ci" / "gpu"
    assert os.access(script, os.X_OK)
    guide = (ROOT / "perfsuite" / "guide" / "gpu.md").read_text()
    named = set(re.findall(r"\b(PERFSUITE_[A-Z]+|PYTHON)\b", guide))
    assert named == set(re.findall(r"\$\{(PERFSUITE_[A-Z]+|PYTHON):-", script.read_text()))
    parts = re.search(r'^all="(.+)"$', script.read_text(), re.MULTILINE)
    assert parts is not None
    assert re.findall(r"^\| `([a-z]+)` \| ", guide, re.MULTILINE)[: len(parts[1].split())] == parts[1].split()
