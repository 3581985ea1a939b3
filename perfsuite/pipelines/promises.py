"""What a technique promises of its pictures, what can be chosen of it, and what is known of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class Promise(StrEnum):
    """What a technique's pictures are, and so what they are compared with."""

    EXACT = "exact"
    """The same numbers up to rounding: compared with float32."""
    APPROXIMATE = "approximate"
    """The same picture by other numbers: compared with float32 by a threshold of its own, and with its own
    eager float32 form; it must do the task as well as without."""
    RESAMPLED = "resampled"
    """Another picture of the same prompt: compared with its own eager float32 form alone; it must do the task
    as well as without."""


class ContradictionError(ValueError):
    """A variant that cannot be made: its optimizations do not go together, or one has no such value."""


class ParameterError(ContradictionError):
    """A technique's value that is none; the message names the technique, the value, and what can be given."""


@dataclass(frozen=True)
class Parameter:
    """A number that is part of a technique's name, as in ``deepcache:3``."""

    name: str
    """What it is, for messages."""
    default: float
    """Stands for the technique named without one."""
    least: float
    most: float
    whole: bool = True

    def read(self, technique: str, text: str) -> float:
        """The number that a text spells. Raises `ParameterError`."""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not self.least <= value <= self.most or (self.whole and value != int(value)):
            raise ParameterError(
                f"{technique}:{text}: {text!r} is no {self.name}; give {self.said(technique)}"
            )
        return value

    def said(self, technique: str) -> str:
        """What can be given, in words."""
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.least:g} to {self.most:g}, as in {technique}:{self.default:g}"


@dataclass(frozen=True)
class Card:
    """What is known of a technique, for the table of all."""

    where: str
    """To which pipelines it applies."""
    proof: str
    """How it is proven to have taken hold."""
    refused: bool = False
    """Whether it is named for the reason alone why it is not built."""
    measured: str = ""
    """What it gave here, with how often and on what; empty where it was not measured."""
    published: str = ""
    """What was published of it, and where; empty where nothing was found."""
