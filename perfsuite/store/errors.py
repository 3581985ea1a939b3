"""The one error of this room, and the place in a file that it points at."""

from dataclasses import dataclass, replace
from pathlib import Path


class StoreError(Exception):
    """A stored file cannot be read or written; the message names file, entry, field and remedy."""


@dataclass(frozen=True)
class Place:
    """Where a problem is, and what a person can do about it."""

    file: Path
    remedy: str
    entry: str | None = None
    field: str | None = None

    def at(self, *, entry: str | None = None, field: str | None = None) -> "Place":
        """Return the same place, with a more exact entry or field."""
        return replace(self, entry=entry or self.entry, field=field or self.field)

    def error(self, problem: str, remedy: str | None = None) -> StoreError:
        """Return the error to raise; `remedy` replaces the usual one of this file."""
        where = [str(self.file)]
        if self.entry:
            where.append(f"entry {self.entry!r}")
        if self.field:
            where.append(f"field {self.field}")
        return StoreError(f"{', '.join(where)}: {problem}; {remedy or self.remedy}")
