"""Which package carries a slowdown: each in turn is exchanged between good and bad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.tracking.bisection.search import Answer, BrokenError, patiently

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.tracking.bisection.candidates import Candidate
    from perfsuite.tracking.bisection.search import Oracle


@dataclass(frozen=True)
class Carriers:
    """What the exchanges showed."""

    packages: tuple[str, ...]
    """Each slows by itself; none where only all of them together do."""
    why: str
    """For a person."""


def differing(good: Candidate, bad: Candidate, order: Sequence[str]) -> list[str]:
    """Packages that are not the same on both sides, the likeliest first."""
    one, two = dict(good.identity), dict(bad.identity)
    return [p for p in order if one.get(p) != two.get(p)]


def carriers(
    good: Candidate, bad: Candidate, packages: Sequence[str], oracle: Oracle, most: int = 3
) -> Carriers:
    """Exchange one package at a time, and compare with both ends.

    Args:
        good: before.
        bad: after; slower.
        packages: those that differ.
        oracle: asked of the mixtures.
        most: how often one pair is asked at most.

    Raises:
        OutOfTimeError: no more may be asked.
    """
    if len(packages) == 1:
        return Carriers(tuple(packages), f"nothing but {packages[0]} differs")
    slower: list[str] = []
    impossible: list[str] = []
    for package in packages:
        found = _exchanged(good, bad, package, oracle, most)
        if found == "whole":
            return Carriers((package,), f"{package} alone carries all of it")
        if found == "part":
            slower.append(package)
        if found == "impossible":
            impossible.append(package)
    if len(slower) == 0 and len(impossible) == 1:
        return Carriers((), f"{impossible[0]} cannot be exchanged alone, and no other package carries it")
    if len(slower) > 1:
        return Carriers(tuple(slower), f"{' and '.join(slower)} carry a part each")
    if slower:
        return Carriers((), f"{slower[0]} carries a part; the rest shows only with all packages together")
    return Carriers((), "no single package carries it: only all of them together show it")


def _exchanged(good: Candidate, bad: Candidate, package: str, oracle: Oracle, most: int) -> str:
    """``whole``, ``part`` or ``none`` of it comes with the package; or it is ``impossible`` to tell."""
    mixed = good.with_package(package, bad)
    try:
        if patiently(oracle, good, mixed, most).answer is not Answer.REGRESSED:
            return "none"
        rest = patiently(oracle, mixed, bad, most).answer
        return "part" if rest is Answer.REGRESSED else "whole"
    except BrokenError:
        pass  # the new one may not work beside the old others, and the old one beside the new
    mixed = bad.with_package(package, good)
    try:
        if patiently(oracle, mixed, bad, most).answer is not Answer.REGRESSED:
            return "none"
        rest = patiently(oracle, good, mixed, most).answer
        return "part" if rest is Answer.REGRESSED else "whole"
    except BrokenError:
        return "impossible"
