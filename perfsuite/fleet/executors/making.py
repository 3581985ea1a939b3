"""Make an environment of exact packages on this machine, by ``python -m`` and this module's name.

The argument is JSON, names and versions. The last line of what it says is the path of the interpreter, or why
there is none. An environment is made once a machine, and kept.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from perfsuite import __version__
from perfsuite.environments import Builder, EnvironmentsError, WheelCache
from perfsuite.environments.wheels import default_folder
from perfsuite.store import StoreError
from perfsuite.store.files import held, read_bytes, write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping


def folder_of(packages: Mapping[str, str]) -> Path:
    """Where it is kept: by its packages and by what else it has, which is this interpreter's."""
    from platformdirs import user_cache_path

    told = json.dumps([sorted(packages.items()), sys.executable, __version__])
    return user_cache_path("perfsuite") / "environments" / hashlib.sha256(told.encode()).hexdigest()[:16]


def made(packages: Mapping[str, str], wheels: WheelCache) -> Path:
    """The interpreter, once there is one; waits for another process that makes the same.

    Raises:
        EnvironmentsError: it cannot be made.
        StoreError: nothing can be kept.
    """
    folder = folder_of(packages)
    note = folder / "python.txt"
    lock = held(folder)
    while lock is None:
        time.sleep(0.5)
        lock = held(folder)
    try:
        kept = read_bytes(note)
        # The note comes last: without it the making was cut short.
        if kept is not None and Path(kept.decode()).exists():
            return Path(kept.decode())
        python = Builder(folder, wheels, progress=typer.echo).build(packages).python
        write_atomic(note, str(python).encode())
        return python
    finally:
        lock.release()


def main(text: str) -> int:
    """Say where it is, or why it is not."""
    try:
        typer.echo(made(json.loads(text), WheelCache(default_folder())))
    except (EnvironmentsError, StoreError) as error:
        typer.echo(" ".join(str(error).split()))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
