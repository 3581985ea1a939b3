"""Names of the pages: of letters, digits and hyphens, whatever the names in a history hold."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import astuple
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfsuite.records import ChangeGroup, Series

INDEX = "index"
_LONGEST = 80
_PLAIN = re.compile(r"[a-z0-9]{1,40}")
_OURS = re.compile(r"(index|(series|group)-[a-z0-9-]+)\.(html|json)")


def of_series(series: Series) -> str:
    """Without suffix; the same for the same series, and another for each other."""
    words = f"{series.metric} {series.variant} {series.workload} {series.device}"
    return f"series-{_slug(words)}-{_digest([str(field) for field in astuple(series)])}"


def of_group(group: ChangeGroup) -> str:
    """Without suffix; of the group's id."""
    if _PLAIN.fullmatch(group.id):
        return f"group-{group.id}"
    return f"group-{_slug(group.id)}-{_digest([group.id])}"


def is_ours(name: str) -> bool:
    """Whether a page or its JSON may have this name."""
    return _OURS.fullmatch(name) is not None


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_LONGEST].strip("-")


def _digest(words: list[str]) -> str:
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:10]
