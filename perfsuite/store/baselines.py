"""The latencies that a device is held to: ``<directory>/<device-slug>.json``.

History of the format:

* 1: ``{"schema_version": 1, "device": Device, "entries": {"<workload>/<variant>": {"workload",
  "variant", "protocol", "sessions": [Session, ...]}}}``; seconds, bytes; oldest session first.
* 2: a session may be ``"unfit"``, with the reason: it has no weight, which a reader of 1 would give it. There
  is ``"contended_s"``, and in ``"relative"`` there are ``"reference_s"``, ``"fixed_work_s"`` and
  ``"contended"``. All may be missing, as in 1.
* 3: a session may have ``"gpu"``, which a reader of 2 would take for every other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, get_args

from annotated_types import Ge, Le

from perfsuite.decision.surroundings import DECISIVE, apart, strange
from perfsuite.device.fingerprint import slug as slugged
from perfsuite.records import ANCHOR, RECENT, Device, Entry, Result
from perfsuite.store.documents import CONFIG, encode, parse
from perfsuite.store.errors import Place
from perfsuite.store.files import locked, read_bytes, remove, write_atomic
from perfsuite.store.shape import SHAPE_FILE

SCHEMA_VERSION = 3
MAX_SESSIONS = ANCHOR + RECENT

Mode = Literal["never", "new", "append", "reset"]
Action = Literal["recorded", "appended", "reset", "kept"]


@dataclass(frozen=True)
class BaselineFile:
    """All that is stored of one device."""

    device: Device
    entries: Mapping[str, Entry]
    """By `Entry.key`."""


@dataclass(frozen=True)
class Change:
    """What an update did with one entry."""

    key: str
    action: Action
    """``kept``: there was nothing to write."""


@dataclass(frozen=True)
class _Document:
    __pydantic_config__ = CONFIG
    schema_version: Annotated[int, Ge(1), Le(SCHEMA_VERSION)]
    device: Device
    entries: Mapping[str, Entry]


class Baselines:
    """The baseline files of one folder."""

    def __init__(self, directory: str | Path) -> None:
        """Remember `directory`; it is made by the first update that writes."""
        self.directory = Path(directory)

    def path(self, slug: str) -> Path:
        """Return the file of the device `slug`, whether it is there or not.

        Raises:
            ValueError: if `slug` is no plain file name.
        """
        if not slug or slug.startswith(".") or "/" in slug or "\\" in slug:
            raise ValueError(f"{slug!r} cannot be the name of a baseline file")
        return self.directory / f"{slug}.json"

    def load(self, slug: str) -> BaselineFile | None:
        """Return what is stored of the device `slug`, None if that is nothing.

        Raises:
            StoreError: if there is a file and anything in it is wrong.
        """
        path = self.path(slug)
        found = read_baselines(path)
        if found is not None and found.device.slug != slug:
            raise (
                _place(path)
                .at(field="device.slug")
                .error(f"must be the name of the file, {slug!r}, found {found.device.slug!r}")
            )
        return found

    def of(self, device: Device) -> BaselineFile | None:
        """Return what is stored of a device, also in a file of before instructions were part of its name.

        Raises:
            StoreError: if there is a file and anything in it is wrong.
        """
        return self.load(device.slug) or self._former(device)

    def _former(self, device: Device) -> BaselineFile | None:
        name = _former_slug(device)
        found = self.load(name) if name is not None else None
        alike = found is not None and not apart(found.device.details, device.details)
        return found if alike else None

    def kin(self, device: Device) -> list[BaselineFile]:
        """Return what is stored of the same processor with other instructions or threads, by name.

        Raises:
            StoreError: if such a file is bad.
        """
        others = [found for slug in self.slugs() if slug != device.slug and (found := self.load(slug))]
        return [f for f in others if (f.device.kind, f.device.name) == (device.kind, device.name)]

    def slugs(self) -> list[str]:
        """The devices that have a file here, by name; none where there is no folder."""
        files = self.directory.glob("*.json")
        return sorted(p.stem for p in files if p.name != SHAPE_FILE and not p.name.startswith("."))

    def rewrite(
        self, slug: str, change: Callable[[BaselineFile], Mapping[str, Entry]]
    ) -> BaselineFile | None:
        """Put what `change` makes of the stored entries in their place, under the lock of `update`.

        A file whose last entry goes is removed. Returns what is stored then, None if that is nothing.

        Raises:
            StoreError: if the stored file is bad, or cannot be locked or written. It is untouched then.
        """
        path = self.path(slug)
        with locked(path):
            stored = self.load(slug)
            if stored is None:
                return None
            entries = dict(change(stored))
            if not entries:
                remove(path)
                return None
            if entries != dict(stored.entries):
                document = _Document(SCHEMA_VERSION, stored.device, entries)
                write_atomic(path, encode(document, _place(path)))
            return BaselineFile(stored.device, entries)

    def update(self, device: Device, results: Sequence[Result], mode: Mode) -> list[Change]:
        """Store the sessions of `results` and return what was done, one change an entry.

        ``new`` writes entries that are not there yet, and adds to those whose every session is unfit;
        ``append`` adds to all; ``reset`` replaces their sessions by those given; ``never`` does nothing. A
        session that is stored already is not stored twice, of `MAX_SESSIONS` the first `ANCHOR` and the last
        ones are kept, and results without a session are ignored. The file's device becomes `device` when
        anything is written, and a file of the device's former name goes.

        Reading, changing and writing happen under a lock, ``.<slug>.json.lock`` in the same folder, so
        processes that update one file at a time lose nothing of each other.

        Raises:
            StoreError: if the stored file is bad, if ``append`` meets another protocol or other instructions,
                or if the file cannot be locked or written. Nothing at all is written then.
        """
        if mode not in get_args(Mode):
            raise ValueError(f"mode {mode!r} is none of {', '.join(get_args(Mode))}")
        path = self.path(device.slug)
        fresh = _collect(results, _place(path))
        if mode == "never" or not fresh:
            return []
        with locked(path):
            stored = self.of(device)
            entries = dict(stored.entries) if stored else {}
            changes = []
            for key, entry in fresh.items():
                entries[key], action = _merge(entries.get(key), entry, mode, _place(path))
                changes.append(Change(key, action))
            if any(change.action != "kept" for change in changes):
                document = _Document(SCHEMA_VERSION, device, entries)
                write_atomic(path, encode(document, _place(path)))
                if stored is not None and stored.device.slug != device.slug:
                    remove(self.path(stored.device.slug))  # all of it is in the new file
        return changes


def _former_slug(device: Device) -> str | None:
    """The name of a processor's file before its instructions were in it; None where they are not."""
    limits = [value for name, value in device.details.items() if name in DECISIVE]
    end = f"-{slugged(' '.join(limits))}-{device.count}t"
    if device.kind != "cpu" or len(limits) != 1 or not device.slug.endswith(end):
        return None
    return f"{device.slug.removesuffix(end)}-{device.count}t"


def read_baselines(path: Path) -> BaselineFile | None:
    """Return what is stored in a baseline file of whatever name, None if there is no such file.

    Raises:
        StoreError: if there is a file and anything in it is wrong.
    """
    raw = read_bytes(path)
    return None if raw is None else parse_baselines(raw, path)


def parse_baselines(raw: bytes, path: Path, remedy: str | None = None) -> BaselineFile:
    """Return a baseline file's content; `path` is where it is from, for messages.

    Raises:
        StoreError: if anything in it is wrong; `remedy` replaces the usual one of a stored file.
    """
    place = Place(path, remedy) if remedy else _place(path)
    document = parse(_Document, raw, place, SCHEMA_VERSION)
    for key, entry in document.entries.items():
        if entry.key != key:
            raise place.at(entry=key, field="workload, variant").error(
                f"must be the name of the entry, found {entry.key!r}"
            )
    return BaselineFile(document.device, document.entries)


def _place(path: Path) -> Place:
    return Place(
        path,
        f"restore it with `git checkout -- {path}`, or delete it and record again with --perf-update=new",
    )


def _collect(results: Sequence[Result], place: Place) -> dict[str, Entry]:
    """Return the sessions of `results` as entries, several of one key together."""
    entries: dict[str, Entry] = {}
    for result in results:
        if result.session is None:
            continue
        entry = Entry(result.workload, result.variant, result.protocol, (result.session,))
        known = entries.get(entry.key)
        entries[entry.key] = _append(known, entry, place) if known else entry
    return entries


def _merge(stored: Entry | None, fresh: Entry, mode: Mode, place: Place) -> tuple[Entry, Action]:
    if stored is None:
        return fresh, "recorded"
    if mode == "reset":
        return fresh, "reset"
    if mode == "new" and any(not s.unfit for s in stored.sessions):
        return stored, "kept"
    together = _append(stored, fresh, place)
    return together, "kept" if together is stored else "appended"


def _append(stored: Entry, fresh: Entry, place: Place) -> Entry:
    if fresh.protocol != stored.protocol:
        raise place.at(entry=stored.key, field="protocol").error(
            f"sessions of two protocols do not mix: {stored.protocol!r} is stored, "
            f"{fresh.protocol!r} was measured",
            "measure with the stored protocol, or replace the entry with --perf-update=reset",
        )
    differs = next((d for s in fresh.sessions for t in stored.sessions if (d := strange(t, s))), "")
    if differs:
        raise place.at(entry=stored.key, field="sessions").error(
            f"sessions of two environments do not mix: {differs}",
            "measure in the stored environment, or replace the entry with --perf-update=reset",
        )
    ids = {session.id for session in stored.sessions}
    added = tuple(session for session in fresh.sessions if session.id not in ids)
    if not added:
        return stored
    together = stored.sessions + added
    *older, newest = (*together[:ANCHOR], *together[ANCHOR:][-RECENT:])
    # A profile is many lines, and of use for the newest session alone.
    return replace(stored, sessions=(*(replace(session, hot={}) for session in older), newest))
