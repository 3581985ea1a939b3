"""Bytes on disk: reading, replacing in one step, and keeping other processes out meanwhile."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from perfsuite.store.errors import StoreError

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK_TIMEOUT_S = 60.0
"""An update takes milliseconds; whoever waits a minute waits for a process that hangs."""


def read_bytes(path: Path) -> bytes | None:
    """Return the file's bytes, or None where there is no file.

    Raises:
        StoreError: if there is one and it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def make_folder(folder: Path) -> None:
    """Create `folder` and its parents.

    Raises:
        StoreError: if it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder}: the folder cannot be created ({error.strerror}); check its permissions"
        ) from error


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace `path` by `data` in one step: whoever reads sees the old bytes or the new, never a part.

    The bytes go to a hidden ``.<name>.<random>.tmp`` in the same folder first. One that a killed
    process leaves behind is never read.

    Args:
        path: of the file.
        data: all of it.
        durable: wait until it would outlive the machine; needless for what can be made again at once.

    Raises:
        StoreError: if the file cannot be written; the old one is then untouched.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        _replace(path, temporary, data, durable=durable)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}); check the permissions and the free space of "
            f"{path.parent}"
        ) from error


def remove(path: Path) -> None:
    """Remove a file.

    Raises:
        StoreError: if it cannot be removed.
    """
    try:
        path.unlink()
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be removed ({error.strerror}); check the permissions of {path.parent}"
        ) from error


def _replace(path: Path, temporary: Path, data: bytes, *, durable: bool) -> None:
    try:
        # Not tempfile: its files are private (0600), and the baselines are for everybody to read.
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of `path`, a file ``.<name>.lock`` next to it, which stays there afterwards.

    The operating system holds the lock and not the file's existence, so that of a killed process does
    not block anybody.

    Raises:
        StoreError: after `LOCK_TIMEOUT_S` seconds, or if the lock file cannot be made.
    """
    import filelock

    make_folder(path.parent)
    lock_path = lock_of(path)
    lock = filelock.FileLock(lock_path)
    try:
        lock.acquire(timeout=LOCK_TIMEOUT_S)
    except filelock.Timeout as error:
        raise StoreError(
            f"{path}: another process has held {lock_path} for {LOCK_TIMEOUT_S:g} s; end the perfsuite run "
            "that hangs, then run again"
        ) from error
    except OSError as error:
        raise StoreError(
            f"{path}: {lock_path} cannot be locked ({error.strerror}); check the permissions of {path.parent}"
        ) from error
    try:
        yield
    finally:
        lock.release()


def lock_of(path: Path) -> Path:
    """The file whose lock stands for `path`."""
    return path.with_name(f".{path.name}.lock")


def held(path: Path) -> "BaseFileLock | None":
    """Take the lock of `path` until it is released, or this process ends; None if another has it.

    Raises:
        StoreError: if the lock file cannot be made.
    """
    import filelock

    make_folder(path.parent)
    lock = filelock.FileLock(lock_of(path), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return None
    except OSError as error:
        raise StoreError(
            f"{path}: {lock_of(path)} cannot be locked ({error.strerror}); check the permissions of "
            f"{path.parent}"
        ) from error
    return lock
