"""Package indexes: which versions there are, and a wheel of one of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from perfsuite.environments.errors import EnvironmentsError, GoneError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LIMIT_S = 1800.0
_GONE = ("No matching distribution found", "Could not find a version that satisfies")
_AWAY = re.compile(r"connection error:|NewConnectionError|[Tt]imed out|5\d\d Server Error")


@dataclass(frozen=True)
class Index:
    """Where pip looks; without any of it, where its own configuration says."""

    url: str | None = None
    extra_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    alone: bool = False
    """Only `find_links`, no index."""

    def options(self) -> list[str]:
        """For pip."""
        found = ["--index-url", self.url] if self.url else []
        for each in self.extra_urls:
            found += ["--extra-index-url", each]
        for each in self.find_links:
            found += ["--find-links", each]
        return [*found, "--no-index"] if self.alone else found

    def released(self, package: str) -> list[str]:
        """All its versions that this Python and platform can have, pre-releases too, oldest first.

        Raises:
            GoneError: there is none.
            UnavailableError: the index is away.
        """
        said = self._pip(["index", "versions", "-vv", "--pre", package, *self.options()], package)
        found = re.search(r"^Available versions: (.+)$", said, re.MULTILINE)
        if found is None:
            raise EnvironmentsError(f"{package}: pip index versions told none, but: {said.strip()[:300]}")
        return sorted((each.strip() for each in found[1].split(",")), key=Version)

    @contextmanager
    def downloaded(self, package: str, version: str) -> Iterator[Path]:
        """The wheel of exactly this version, in a folder that is removed afterwards.

        Raises:
            GoneError: the index does not have it.
            UnavailableError: the index is away.
            EnvironmentsError: what came is something else.
        """
        with tempfile.TemporaryDirectory(prefix="perfsuite-wheel-") as name:
            named = f"{package}=={version}"
            command = [
                "download",
                "-vv",
                "--no-deps",
                "--only-binary",
                ":all:",
                "--pre",
                "--dest",
                name,
            ]
            self._pip([*command, named, *self.options()], named)
            files = sorted(Path(name).iterdir())
            if len(files) != 1 or not is_wheel_of(files[0], package, version):
                came = ", ".join(file.name for file in files) or "nothing"
                raise EnvironmentsError(f"{named}: asked for, and got {came}; nothing was kept")
            yield files[0]

    def install(self, python: Path, requirements: Sequence[str], pins: Path) -> None:
        """Install into another interpreter's environment, with what that requires.

        Args:
            python: the interpreter.
            requirements: as pip reads them.
            pins: file of constraints.

        Raises:
            GoneError: the index does not have them.
            UnavailableError: the index is away.
            EnvironmentsError: they do not go together.
        """
        command = ["--python", str(python), "install", "-vv", "--only-binary", ":all:", *self.options()]
        self._pip([*command, "--constraint", str(pins), *requirements], ", ".join(requirements))

    def _pip(self, arguments: list[str], what: str) -> str:
        done = run_pip(arguments)
        if done.returncode == 0:
            return done.stdout
        said = f"{done.stdout}\n{done.stderr}".strip()
        away = [line.strip() for line in said.splitlines() if _AWAY.search(line)]
        if away:
            raise UnavailableError(f"{what}: the index cannot be reached; pip said: {away[0][:500]}")
        if any(sign in said for sign in _GONE):
            raise GoneError(
                f"{what}: not on the index; name one that has it with --index-url or --find-links"
            )
        raise EnvironmentsError(f"{what}: pip failed:\n{done.stderr.strip()[-1500:]}")


def run_pip(arguments: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """Run pip of this interpreter.

    Raises:
        UnavailableError: it cannot be started, or takes too long.
    """
    # A constraints file may pin the very packages that are exchanged.
    environment = {**os.environ, "PIP_CONSTRAINT": os.devnull, "PIP_NO_INPUT": "1", **variables}
    command = [sys.executable, "-m", "pip", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"pip {arguments[0]}: {error}") from error
    if "No module named pip" in done.stderr:
        raise UnavailableError(f"{sys.executable} has no pip; {sys.executable} -m ensurepip installs it")
    return done


def is_wheel_of(file: Path, package: str, version: str) -> bool:
    """Whether a file's name is that of a wheel of exactly this version, local part included."""
    from packaging.utils import canonicalize_name

    try:
        name, found, _, _ = parse_wheel_filename(file.name)
        return name == canonicalize_name(package) and found == Version(version)
    except (InvalidWheelFilename, InvalidVersion):
        return False
