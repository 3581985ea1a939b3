"""The counts that every device of a kind is held to: ``<directory>/counts/<kind>.json``.

Apart from the latencies, because operators, arithmetic and weights do not depend on the model of the CPU or
GPU: a runner that has never run this suite is held to what a developer recorded elsewhere. What depends on
the instruction set or the number of threads says so (`Counts.code_for`).

History of the format:

* 1: ``{"schema_version": 1, "device_kind", "entries": {"<workload>/<variant>": {"workload", "variant",
  "protocol", "counts": {"<torch minor version>": Counts}}}}``
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Le, MinLen

from perfsuite.records import Counts, Result
from perfsuite.store.baselines import Change, Mode
from perfsuite.store.documents import CONFIG, encode, parse
from perfsuite.store.errors import Place
from perfsuite.store.files import locked, read_bytes, write_atomic

SCHEMA_VERSION = 1
FOLDER = "counts"
"""Its name in the folder of the baselines."""
Kind = Literal["cpu", "cuda"]


def minor(version: str) -> str:
    """Major and minor part of a version: ``2.13`` of ``2.13.0+cpu``, ``2.14`` of ``2.14.0.dev20260101``."""
    return ".".join(version.split("+")[0].split(".")[:2])


@dataclass(frozen=True)
class CountsEntry:
    """What is stored of one variant of one workload."""

    workload: str
    variant: str
    protocol: str
    """As `Workload.protocol`; counts of another protocol are not comparable."""
    counts: Annotated[Mapping[str, Counts], MinLen(1)]
    """By minor version of torch, ``2.13``."""

    @property
    def key(self) -> str:
        """``<workload>/<variant>``, the entry's name in the file."""
        return f"{self.workload}/{self.variant}"


@dataclass(frozen=True)
class _Document:
    __pydantic_config__ = CONFIG
    schema_version: Annotated[int, Ge(1), Le(SCHEMA_VERSION)]
    device_kind: Kind
    entries: Mapping[str, CountsEntry]


class CountsStore:
    """The counts of one kind of device."""

    def __init__(self, baselines: str | Path, kind: str) -> None:
        """Remember the folder of the baselines and the kind, ``cpu`` or ``cuda``."""
        self.path = Path(baselines) / FOLDER / f"{kind}.json"
        self._kind = kind

    def load(self) -> Mapping[str, CountsEntry]:
        """Return what is stored, by `CountsEntry.key`; nothing without a file.

        Raises:
            StoreError: if there is a file and anything in it is wrong.
        """
        raw = read_bytes(self.path)
        if raw is None:
            return {}
        place = self._place()
        document = parse(_Document, raw, place, SCHEMA_VERSION)
        if document.device_kind != self._kind:
            raise place.at(field="device_kind").error(
                f"must be the name of the file, {self._kind!r}, found {document.device_kind!r}"
            )
        for key, entry in document.entries.items():
            if entry.key != key:
                raise place.at(entry=key, field="workload, variant").error(
                    f"must be the name of the entry, found {entry.key!r}"
                )
        return document.entries

    def update(self, results: Sequence[Result], mode: Mode, version: str) -> list[Change]:
        """Store the counts of `results` that were judged, under the minor `version` of torch.

        ``new`` and ``append`` write where nothing is stored of that version; ``reset`` replaces; ``never``
        does nothing. Counts of another protocol replace all versions of the entry, and only by ``reset``.

        Raises:
            StoreError: if the stored file is bad, or the file cannot be locked or written.
        """
        judged = [r for r in results if r.counts is not None and r.counted is not None]
        if mode == "never" or not judged:
            return []
        with locked(self.path):
            entries = dict(self.load())
            changes = [_store(entries, result, mode, version) for result in judged]
            if any(change.action != "kept" for change in changes):
                document = _Document(SCHEMA_VERSION, self._kind, entries)  # type: ignore[arg-type]
                write_atomic(self.path, encode(document, self._place()))
        return changes

    def _place(self) -> Place:
        return Place(
            self.path,
            f"restore it with `git checkout -- {self.path}`, or delete it and record again with "
            "--perf-update=new",
        )


def _store(entries: dict[str, CountsEntry], result: Result, mode: Mode, version: str) -> Change:
    """Put one result's counts into `entries`, where the mode allows it."""
    assert result.counts is not None
    fresh = CountsEntry(result.workload, result.variant, result.protocol, {version: result.counts})
    stored = entries.get(fresh.key)
    if stored is None:
        entries[fresh.key] = fresh
        return Change(fresh.key, "recorded")
    if mode == "reset":
        same = stored.protocol == fresh.protocol
        entries[fresh.key] = replace(stored, counts={**stored.counts, **fresh.counts}) if same else fresh
        return Change(fresh.key, "kept" if entries[fresh.key] == stored else "reset")
    if stored.protocol == fresh.protocol and version not in stored.counts:
        entries[fresh.key] = replace(stored, counts={**stored.counts, **fresh.counts})
        return Change(fresh.key, "recorded")
    return Change(fresh.key, "kept")
