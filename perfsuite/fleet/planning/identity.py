"""Names of cells, blocks and plans by their content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfsuite.records import Plan

LENGTH = 16
"""Hexadecimal digits: two of a million names are alike once in a hundred million plans."""


def digest(*parts: object) -> str:
    """A hash of plain data that is the same on every machine."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def identified(plan: Plan) -> Plan:
    """The same plan with the id that its content gives."""
    content = asdict(replace(plan, id=""))
    if not plan.whole:  # as before parts said what they are parts of
        del content["whole"]
    return replace(plan, id=digest(content))
