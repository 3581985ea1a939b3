"""Wheels of the nights that were measured, for a nightly index drops them after some weeks.

A folder of wheels with ``manifest.json``, which has the SHA-256 of each. It is bounded: what was used longest
ago goes first, but what an open change needs stays.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import zipfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from packaging.utils import canonicalize_name
from packaging.version import Version
from pydantic import TypeAdapter, ValidationError

from perfsuite.environments.child import GIT
from perfsuite.environments.errors import EnvironmentsError, UnavailableError
from perfsuite.store.errors import StoreError
from perfsuite.store.files import locked, make_folder, read_bytes, write_atomic

if TYPE_CHECKING:
    from collections.abc import Collection

    from perfsuite.environments.index import Index

SCHEMA_VERSION = 1
LIMIT_BYTES = 60 * 2**30
"""By default: some sixty nights of torch with CUDA."""


@dataclass(frozen=True)
class Wheel:
    """One that is kept."""

    package: str
    version: str
    file: str
    """Its name in the folder."""
    sha256: str
    size_bytes: int
    kept: str
    """When it was downloaded, ISO 8601, UTC."""
    used: str
    """Likewise, last."""
    git: str | None = None
    """Hash of the commit that it was built from, where the wheel tells."""

    @property
    def name(self) -> str:
        """``package==version``."""
        return f"{self.package}=={self.version}"


@dataclass(frozen=True)
class _Manifest:
    schema_version: int
    wheels: tuple[Wheel, ...]


def default_folder() -> Path:
    """The user's cache."""
    from platformdirs import user_cache_path

    return user_cache_path("perfsuite") / "wheels"


class WheelCache:
    """A folder of wheels. Several processes may use one."""

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        """Nothing is made before something is kept."""
        self.folder, self.limit_bytes = folder, limit_bytes
        self._path = folder / "manifest.json"

    def wheels(self) -> tuple[Wheel, ...]:
        """All that are kept, by package and version. Raises `StoreError` for a bad manifest."""
        raw = read_bytes(self._path)
        if raw is None:
            return ()
        remedy = f"remove {self._path} and keep the wheels anew"
        try:
            found = TypeAdapter(_Manifest).validate_json(raw)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "the file"
            raise StoreError(f"{self._path}: {field}: {first['msg']}; {remedy}") from error
        if found.schema_version != SCHEMA_VERSION:
            raise StoreError(
                f"{self._path}: schema_version {found.schema_version}, this perfsuite reads "
                f"{SCHEMA_VERSION}; update perfsuite, or name another --wheels folder"
            )
        for wheel in found.wheels:
            if Path(wheel.file).name != wheel.file:
                raise StoreError(f"{self._path}: file {wheel.file!r} is no name of a file; {remedy}")
        return found.wheels

    def find(self, package: str, version: str) -> Wheel | None:
        """The one of this version, if it is kept. Raises `StoreError`."""
        name = canonicalize_name(package)
        same = (w for w in self.wheels() if w.package == name and Version(w.version) == Version(version))
        return next(same, None)

    def git(self, package: str, version: str) -> str | None:
        """The commit of a kept version, where its wheel tells. Raises `StoreError`."""
        found = self.find(package, version)
        return found.git if found is not None else None

    def take(self, package: str, version: str, index: Index) -> Path:
        """The file of a wheel, from the folder or else from the index, which is then kept.

        Raises:
            GoneError: there is none any more.
            EnvironmentsError: it is not what was kept.
            UnavailableError: the index is away, or there is no space.
            StoreError: the manifest is bad or cannot be written.
        """
        found = self.find(package, version)
        if found is None or not (self.folder / found.file).exists():
            found = self._download(package, version, index)
        else:
            self._check(found)
        self._note(replace(found, used=_now()))
        return self.folder / found.file

    def prune(self, pinned: Collection[tuple[str, str]] = ()) -> tuple[list[Wheel], int]:
        """Remove what was used longest ago until the rest fits, and never what is `pinned`.

        Args:
            pinned: package and version, of open changes.

        Returns:
            What was removed, and by how many bytes what is pinned alone exceeds the limit.
        """
        keep = {(canonicalize_name(package), Version(version)) for package, version in pinned}
        with locked(self._path):
            left = list(self.wheels())
            removed = []
            for wheel in sorted(left, key=lambda w: w.used):
                if sum(w.size_bytes for w in left) <= self.limit_bytes:
                    break
                if (wheel.package, Version(wheel.version)) not in keep:
                    left.remove(wheel)
                    removed.append(wheel)
            if removed:
                self._write(left)
            for wheel in removed:
                (self.folder / wheel.file).unlink(missing_ok=True)
        return removed, max(0, sum(w.size_bytes for w in left) - self.limit_bytes)

    def _download(self, package: str, version: str, index: Index) -> Wheel:
        make_folder(self.folder)
        with index.downloaded(package, version) as file:
            size = file.stat().st_size
            free = shutil.disk_usage(self.folder).free
            if size > free:
                raise UnavailableError(
                    f"{self.folder}: {package}=={version} has {size / 2**20:.0f} MiB and "
                    f"{free / 2**20:.0f} MiB are free; lower --wheels-limit, or name another --wheels folder"
                )
            temporary = self.folder / f".{uuid4().hex}.tmp"
            try:
                shutil.copyfile(file, temporary)
                os.replace(temporary, self.folder / file.name)
            except OSError as error:
                raise UnavailableError(
                    f"{self.folder}: {file.name} cannot be kept ({error.strerror})"
                ) from error
            finally:
                temporary.unlink(missing_ok=True)
            return Wheel(
                canonicalize_name(package),
                version,
                file.name,
                sha256_of(file),
                size,
                _now(),
                _now(),
                git_of(file),
            )

    def _check(self, wheel: Wheel) -> None:
        path = self.folder / wheel.file
        found = sha256_of(path)
        if found != wheel.sha256:
            raise EnvironmentsError(
                f"{path}: its SHA-256 is {found[:12]}…, and was {wheel.sha256[:12]}… when it was kept on "
                f"{wheel.kept[:10]}: it is not the wheel that was measured; remove the file"
            )

    def _note(self, wheel: Wheel) -> None:
        with locked(self._path):
            others = [w for w in self.wheels() if (w.package, w.version) != (wheel.package, wheel.version)]
            self._write([*others, wheel])

    def _write(self, wheels: list[Wheel]) -> None:
        ordered = sorted(wheels, key=lambda w: (w.package, Version(w.version)))
        document = _Manifest(SCHEMA_VERSION, tuple(ordered))
        write_atomic(self._path, TypeAdapter(_Manifest).dump_json(document, indent=1) + b"\n")


def canonical(package: str) -> str:
    """The name of a package in the form that indexes use."""
    return str(canonicalize_name(package))


def sha256_of(file: Path) -> str:
    """Of a file's bytes. Raises `EnvironmentsError` if it cannot be read."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise EnvironmentsError(f"{file}: cannot be read ({error.strerror})") from error


def git_of(file: Path) -> str | None:
    """The commit that a wheel was built from, where ``<package>/version.py`` in it tells."""
    try:
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                if re.fullmatch(r"[^/]+/version\.py", name):
                    said = GIT.search(archive.read(name).decode(errors="replace"))
                    if said:
                        return str(said[1])
    except (OSError, zipfile.BadZipFile) as error:
        raise EnvironmentsError(f"{file.name}: is no wheel ({error})") from error
    return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
