"""Names by content."""

from __future__ import annotations

import hashlib
import json

LENGTH = 16
"""Hexadecimal digits: two of a million names are alike once in a hundred million plans."""


def digest(*parts: object) -> str:
    """A hash of plain data that is the same on every machine."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]
