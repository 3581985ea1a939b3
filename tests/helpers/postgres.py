"""A PostgreSQL server for tests: the system's own program, in a folder, on a socket, thrown away."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DEBIAN = "/usr/lib/postgresql"
_QUICK = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "listen_addresses=",
    "shared_buffers=16MB",
)
USER = "tester"


def programs() -> Path | None:
    """The folder of ``initdb`` and ``pg_ctl``; None where no server is installed."""
    found = sorted(Path(_DEBIAN).glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    path = shutil.which("initdb")
    return Path(path).resolve().parent if path else None


@dataclass(frozen=True)
class Server:
    """One that runs."""

    folder: Path
    programs: Path

    @property
    def _to(self) -> list[object]:
        return ["-h", self.folder, "-U", USER]

    def load(self, database: str, dump: Path) -> None:
        """Make a database of what ``pg_dump`` wrote."""
        to = ["-q", "-v", "ON_ERROR_STOP=1", *self._to]
        _as_nobody(
            [self.programs / "psql", *to, "-d", "postgres", "-c", f"CREATE DATABASE {database}"], self.folder
        )
        _as_nobody([self.programs / "psql", *to, "-d", database], self.folder, dump.read_text())

    def dump(self, database: str) -> str:
        """What ``pg_dump`` writes of it, without comments and what only its own ``psql`` understands."""
        made = _as_nobody([self.programs / "pg_dump", *self._to, "--inserts", "-O", database], self.folder)
        lines = (line for line in made.splitlines() if line and not line.startswith(("--", "\\")))
        return "\n".join(lines) + "\n"

    def url(self, database: str, password: str = "") -> str:
        """Of one of its databases."""
        secret = f":{password}" if password else ""
        return f"postgresql://{USER}{secret}@/{database}?host={self.folder}"


@contextmanager
def running(programs: Path, folder: Path) -> Iterator[Server]:
    """A server in an empty folder, which must have a short path: a socket lies in it."""
    data = folder / "data"
    _as_nobody(
        [programs / "initdb", "--no-sync", "--auth=trust", "-E", "UTF8", "-U", USER, "-D", data], folder
    )
    options = " ".join(["-k", str(folder), *(f"-c {each}" for each in _QUICK)])
    control = [programs / "pg_ctl", "-D", data, "-w"]
    _as_nobody([*control, "-l", folder / "log", "-o", options, "start"], folder)
    try:
        yield Server(folder, programs)
    finally:
        _as_nobody([*control, "-m", "immediate", "stop"], folder)


def _as_nobody(command: Sequence[object], folder: Path, said: str = "") -> str:
    """Run it; the server refuses root, so for root it runs as the user of Debian's package."""
    user: dict[str, object] = {}
    if os.geteuid() == 0:
        known = pwd.getpwnam("postgres")
        os.chown(folder, known.pw_uid, known.pw_gid)
        user = {"user": known.pw_uid, "group": known.pw_gid, "extra_groups": ()}
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        input=said, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False, timeout=60, **user,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout
