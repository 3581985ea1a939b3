"""Under what load a trial records and checks, and how much more work the checked code does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from perfsuite.pipelines import variants

Load = Literal["quiet", "burst", "busy"]
LOADS: tuple[Load, ...] = get_args(Load)
"""Nothing else; one core for .3 to 3 s and then 1 to 8 s of rest, at random; one core all the time."""


class TrialError(ValueError):
    """A trial that cannot be run or replayed; the message names what is wrong and the remedy."""


@dataclass(frozen=True)
class Regime:
    """What else the machine does while the baseline is recorded, and while it is checked."""

    name: str
    recording: Load
    checking: Load


REGIMES = {
    regime.name: regime
    for regime in (
        Regime("quiet", "quiet", "quiet"),
        Regime("burst-record", "burst", "quiet"),
        Regime("burst-check", "quiet", "burst"),
        Regime("busy-record", "busy", "quiet"),
        Regime("busy-check", "quiet", "busy"),
    )
}
RUNGS = ("fp32-sdpa", "bf16", "bf16-sdpa")
"""What a trial runs by default: the eager rungs, without the reference of all pictures and ratios."""
SLOWER = (0, 10, 30, 100)
"""Percent of more work in the UNet, by default."""


def choose_regimes(names: str) -> tuple[Regime, ...]:
    """The regimes of a list with commas; all where it is empty.

    Raises:
        TrialError: there is no such regime.
    """
    wanted = split(names) or list(REGIMES)
    for name in wanted:
        if name not in REGIMES:
            raise TrialError(f"unknown regime {name!r}: give some of {', '.join(REGIMES)}")
    return tuple(REGIMES[name] for name in wanted)


def choose_slower(text: str) -> tuple[int, ...]:
    """Percentages of a list with commas.

    Raises:
        TrialError: one is not a whole number from 0 to 1000, or there is none.
    """
    wanted = split(text)
    for word in wanted:
        if not (word.isascii() and word.isdigit() and int(word) <= 1000):
            raise TrialError(
                f"--slower {word!r}: wanted whole percentages from 0 to 1000, such as 0,10,30,100"
            )
    if not wanted:
        raise TrialError("--slower names nothing: give percentages such as 0,10,30,100")
    return tuple(int(word) for word in wanted)


def split(text: str) -> list[str]:
    """The words of a list with commas, each once."""
    return list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def is_slowed(variant: str) -> bool:
    """Whether a slowed check does more work in this rung: those whose UNet computes in bfloat16."""
    return any(step.name == "bf16" for step in variants.get(variant).optimizations)
