"""A Python environment with exact versions of some packages, and all else from the one that runs this."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from perfsuite.environments.errors import EnvironmentsError, UnavailableError
from perfsuite.environments.index import Index, run_pip
from perfsuite.environments.installed import installed
from perfsuite.environments.wheels import WheelCache, canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MOST = 4
"""Environments that are kept at once: one with torch takes gigabytes."""


@dataclass(frozen=True)
class Built:
    """An interpreter, and what it has, by its own word."""

    python: Path
    versions: Mapping[str, str]
    git: Mapping[str, str] = field(default_factory=dict)


class Builder:
    """Builds environments in a folder, each once; the oldest goes where there are too many."""

    def __init__(
        self,
        folder: Path,
        wheels: WheelCache,
        index: Index | None = None,
        progress: Callable[[str], None] = lambda line: None,
    ) -> None:
        """The folder is the caller's, who removes it."""
        self._folder, self._wheels, self._index = folder, wheels, index or Index()
        self._progress = progress
        self._built: dict[tuple[tuple[str, str], ...], Built] = {}
        self._count = 0

    def build(self, versions: Mapping[str, str], git: Mapping[str, str] | None = None) -> Built:
        """An interpreter with exactly these versions, and git hashes where they are known.

        Args:
            versions: of the packages under test; all others are those of the interpreter that runs this.
            git: hashes that the packages must have been built from.

        Raises:
            GoneError: no wheel of a version is left.
            EnvironmentsError: it cannot be built, or has something else than was asked for.
            StoreError: the wheels' manifest is bad or cannot be written.
        """
        versions = {canonical(package): version for package, version in versions.items()}
        key = tuple(sorted(versions.items()))
        if key not in self._built:
            self._make_room()
            self._count += 1
            self._built[key] = self._build(versions, self._folder / f"environment-{self._count}")
        built = self._built.pop(key)
        self._built[key] = built  # the latest used is the last
        _check_git(built, {canonical(p): h for p, h in (git or {}).items()})
        return built

    def _make_room(self) -> None:
        if len(self._built) >= MOST:
            oldest = self._built.pop(next(iter(self._built)))
            shutil.rmtree(oldest.python.parent.parent, ignore_errors=True)

    def _build(self, versions: Mapping[str, str], folder: Path) -> Built:
        have = installed(versions)
        wanted = {
            package: version
            for package, version in versions.items()
            if package not in have or not same(have[package].version, version)
        }
        for package in wanted:
            if package in have and have[package].at_start:
                raise EnvironmentsError(
                    f"{package} {have[package].version} runs code at the start of each process "
                    f"({', '.join(have[package].at_start)}), also beside {wanted[package]}; run perfsuite in "
                    f"an environment without {package}"
                )
        files = [self._wheels.take(package, version, self._index) for package, version in wanted.items()]
        self._progress(f"building an environment with {_said(wanted) or 'what is installed here'}")
        python = _bare(folder)
        if files:
            _install(python, files)
            self._complete(python, versions, wanted)
        return _verified(python, versions)

    def _complete(self, python: Path, versions: Mapping[str, str], wanted: Mapping[str, str]) -> None:
        """Add what the exchanged packages require and those of here are not, in front of them."""
        found = installed(wanted, python)
        unmet = sorted({each for package in found.values() for each in package.unmet})
        if not unmet:
            return
        self._progress(f"{_said(wanted)} also want {', '.join(unmet)}")
        pins = python.parent.parent / "pins.txt"
        pins.write_text("".join(f"{package}=={version}\n" for package, version in versions.items()))
        self._index.install(python, unmet, pins)


def same(one: str, other: str) -> bool:
    """Whether two texts are one version, local part included."""
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _said(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{package} {version}" for package, version in versions.items())


def _bare(folder: Path) -> Path:
    """Without packages of its own; behind them come those of the interpreter that runs this."""
    try:
        venv.EnvBuilder(clear=True, symlinks=True).create(folder)
        (packages,) = folder.glob("lib/python*/site-packages")
        shared = [
            path for path in (*site.getsitepackages(), site.getusersitepackages()) if Path(path).is_dir()
        ]
        # Their own path files count too: what is installed as editable would be missing else.
        lines = [f"import site; site.addsitedir({path!r})\n" for path in shared]
        (packages / "perfsuite-shared.pth").write_text("".join(lines))
    except (OSError, subprocess.CalledProcessError) as error:
        raise UnavailableError(f"{folder}: no environment can be made ({error}); is there space?") from error
    return folder / "bin" / "python"


def _install(python: Path, files: Sequence[Path]) -> None:
    """The wheels alone: what they depend on is what is installed here."""
    uv = shutil.which("uv")
    named = [str(file) for file in files]
    if uv is not None:
        command = [
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            str(python),
            "--no-deps",
            "--no-index",
            *named,
        ]
        environment = {**os.environ, "UV_NO_CONFIG": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    else:
        options = ["--quiet", "--no-deps", "--no-index", "--ignore-installed", "--no-warn-script-location"]
        arguments = ["--python", str(python), "install", *options, *named]
        done = run_pip(arguments, PIP_CONFIG_FILE=os.devnull)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-1500:]
        raise EnvironmentsError(f"{', '.join(file.name for file in files)} cannot be installed:\n{said}")


def _verified(python: Path, versions: Mapping[str, str]) -> Built:
    """What the interpreter has, once it is what was asked for."""
    found = installed(versions, python)
    for package, version in versions.items():
        here = found.get(package)
        if here is None or not same(here.version, version):
            has = "does not have it" if here is None else f"has {here.version}"
            raise EnvironmentsError(
                f"{package} {version} was asked for and the environment built for it {has}"
            )
        if here.elsewhere:
            raise EnvironmentsError(
                f"{package} {version}: {', '.join(here.elsewhere)} would be imported from elsewhere than "
                f"{here.place}; is another copy on the path of {sys.executable}?"
            )
    git = {package: here.git for package, here in found.items() if here.git}
    return Built(python, {package: here.version for package, here in found.items()}, git)


def _check_git(built: Built, wanted: Mapping[str, str]) -> None:
    for package, commit in wanted.items():
        found = built.git.get(package)
        if found is not None and package in built.versions and not _one_commit(found, commit):
            raise EnvironmentsError(
                f"{package} {built.versions[package]} is of commit {found[:12]}, and the night ran "
                f"{commit[:12]}: it is not what was measured"
            )


def _one_commit(one: str, other: str) -> bool:
    """Hashes may be shortened."""
    return one.startswith(other) or other.startswith(one)
