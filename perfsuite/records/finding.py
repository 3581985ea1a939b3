"""What an examination of the machine says of one subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Health(StrEnum):
    """The closed set of what an examination of the machine can say of one subject."""

    OK = "OK"
    WARNING = "WARNING"
    """Figures are usable, but noisier, slower or judged by less than they could be."""
    PROBLEM = "PROBLEM"
    """Measurements fail, or mislead."""
    UNKNOWN = "UNKNOWN"
    """It could not be looked at; the finding says why."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at before measuring."""

    name: str
    status: Health
    found: str
    """What is there, with figures and units; of an UNKNOWN one the reason."""
    remedy: str = ""
    """A command or a sentence; empty where nothing is to be done."""
    figures: Mapping[str, float | str | None] = field(default_factory=dict)
    """The figures alone, each with its unit in its name."""
