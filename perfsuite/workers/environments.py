"""A temporary Python environment with one git ref of the package under test."""

from __future__ import annotations

import os
import site
import subprocess
import sys
from pathlib import Path

from perfsuite.workers.client import WorkerError


def _run(command: list[str], what: str) -> str:
    try:
        # A constraints file may pin the very package under test, as tox's does; the ref decides here.
        env = {key: value for key, value in os.environ.items() if key != "PIP_CONSTRAINT"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800, env=env)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorkerError(f"{what}: {error}") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-1500:]
        raise WorkerError(f"{what} failed:\n{said}")
    return done.stdout.strip()


def build(repository: Path, ref: str, folder: Path, name: str) -> Path:
    """Check out ``ref``, install it, and return the interpreter that has it.

    Everything else (torch and so on) comes from the environment that runs this: its packages lie behind
    the new environment's own, so both sides share all but the package under test.

    Args:
        repository: a git checkout of a Python package.
        ref: branch, tag or commit.
        folder: where the checkout and the environment go; the caller removes it.
        name: of this side; names the folders.

    Raises:
        WorkerError: no repository, no such ref, or it cannot be installed; says what git or pip said.
    """
    # Resolved first: a ref that begins with a dash would be read as an option.
    commit = _run(
        ["git", "-C", str(repository), "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}"],
        f"{repository}: git ref {ref!r}",
    )
    source = folder / f"{name}-source"
    # A clone, not a worktree: nothing is left behind in the user's repository.
    _run(["git", "clone", "--quiet", "--no-checkout", str(repository.resolve()), str(source)], "git clone")
    _run(["git", "-C", str(source), "checkout", "--quiet", "--detach", commit], f"git checkout {ref!r}")
    environment = folder / f"{name}-env"
    _run([sys.executable, "-m", "venv", str(environment)], "python -m venv")
    python = environment / "bin" / "python"
    where = _run([str(python), "-c", "import site; print(site.getsitepackages()[0])"], "the new environment")
    shared = [path for path in (*site.getsitepackages(), site.getusersitepackages()) if Path(path).is_dir()]
    (Path(where) / "perfsuite-shared.pth").write_text("".join(f"{path}\n" for path in shared))
    _run(
        [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--ignore-installed", str(source)],
        f"pip install of {ref!r}",
    )
    return python
