"""A whole bisection: is it there at all, which package, which night."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.tracking.bisection.candidates import restricted
from perfsuite.tracking.bisection.search import (
    Answer,
    BrokenError,
    OutOfTimeError,
    Reply,
    Search,
    Unsettled,
    patiently,
)
from perfsuite.tracking.bisection.swapping import Carriers, carriers, differing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfsuite.tracking.bisection.candidates import Candidate
    from perfsuite.tracking.bisection.search import Culprit, Oracle

MOST = 3
"""How often one pair is asked, each time with more time."""


@dataclass(frozen=True)
class Named:
    """A culprit, and the package that went from good to bad there; None where several did together."""

    package: str | None
    culprit: Culprit

    @property
    def packages(self) -> tuple[str, ...]:
        """All that differ."""
        one, two = dict(self.culprit.good.identity), dict(self.culprit.bad.identity)
        return tuple(p for p in {**one, **two} if one.get(p) != two.get(p))


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    whole: Reply | None
    """Of good and bad themselves; None where they could not be compared in time."""
    carriers: Carriers | None = None
    named: tuple[Named, ...] = ()
    unsettled: tuple[Unsettled, ...] = ()
    broken: tuple[tuple[str, str], ...] = ()
    out_of_time: bool = False

    @property
    def reproduced(self) -> bool:
        """Whether bad is slower than good at all."""
        return self.whole is not None and self.whole.answer is Answer.REGRESSED

    @property
    def complete(self) -> bool:
        """Whether nothing is left to be asked."""
        return not self.out_of_time

    @property
    def found(self) -> bool:
        """Whether a culprit was named."""
        return bool(self.named)


def bisect(
    candidates: Sequence[Candidate],
    packages: Sequence[str],
    oracle: Oracle,
    package: str | None = None,
    most: int = MOST,
    known: Callable[[Reply], None] = lambda whole: None,
) -> Outcome:
    """Name what made the last candidate slower than the first.

    Args:
        candidates: from good to bad.
        packages: those under test, the likeliest first.
        oracle: that is asked.
        package: that alone is exchanged; None: found out.
        most: how often one pair is asked at most.
        known: told of good and bad themselves before anything else is asked.

    Raises:
        BrokenError: good or bad cannot be measured.
    """
    if package is not None:
        candidates = restricted(candidates, package)
    good, bad = candidates[0], candidates[-1]
    carried = None
    try:
        whole = patiently(oracle, good, bad, most)
        if whole.answer is not Answer.REGRESSED:
            return Outcome(whole)
        known(whole)
        differ = differing(good, bad, packages)
        carried = Carriers((package,), f"{package} was named") if package else None
        carried = carried or carriers(good, bad, differ, oracle, most)
    except OutOfTimeError:
        left = Unsettled(good, bad, "the time ran out")
        return Outcome(None, carried, unsettled=(left,), out_of_time=True)
    return _searched(candidates, whole, carried, oracle, most)


def _searched(
    candidates: Sequence[Candidate], whole: Reply, carried: Carriers, oracle: Oracle, most: int
) -> Outcome:
    """Along the states of each package that carries it, or of all together."""
    named: list[Named] = []
    unsettled: list[Unsettled] = []
    broken: dict[str, str] = {}
    late = False
    for package in carried.packages or (None,):
        along = restricted(candidates, package) if package is not None else list(candidates)
        try:
            same = along[-1].identity == candidates[-1].identity
            reply = whole if same else patiently(oracle, along[0], along[-1], most)
            found = Search(along, oracle, most).run(reply)
        except OutOfTimeError:
            unsettled.append(Unsettled(along[0], along[-1], "the time ran out"))
            late = True
            continue
        except BrokenError as error:
            unsettled.append(Unsettled(along[0], along[-1], str(error)))
            continue
        named += [Named(package, culprit) for culprit in found.culprits]
        unsettled += found.unsettled
        broken |= dict(found.broken)
        late = late or found.out_of_time
    return Outcome(whole, carried, tuple(named), tuple(unsettled), tuple(broken.items()), late)


def culprit_of(outcome: Outcome, links: Callable[[Named], str | None]) -> dict[str, str]:
    """As it is stored with a change: the largest culprit, and how many others there are."""
    ordered = sorted(outcome.named, key=lambda n: -(n.culprit.reply.ratio or 1.0))
    if not ordered:
        return {}
    first = ordered[0]
    package = first.package or " and ".join(first.packages)
    good, bad = first.culprit.good, first.culprit.bad
    found = {
        "package": package,
        "good": _states(good, first.packages),
        "bad": _states(bad, first.packages),
        "good_night": good.last_label,
        "bad_night": bad.label,
        "link": links(first) or "",
    }
    if first.package is not None:
        found |= {"good_git": good.git.get(package, ""), "bad_git": bad.git.get(package, "")}
    if first.culprit.passed_over:
        found["passed_over"] = ", ".join(first.culprit.passed_over)
    if len(ordered) > 1:
        found["others"] = "; ".join(
            f"{n.package or ' and '.join(n.packages)} {n.culprit.good.last_label} -> {n.culprit.bad.label}"
            for n in ordered[1:]
        )
    return {name: value for name, value in found.items() if value}


def _states(candidate: Candidate, packages: Sequence[str]) -> str:
    if len(packages) == 1:
        return candidate.versions.get(packages[0], "none")
    return ", ".join(f"{p} {candidate.versions.get(p, 'none')}" for p in packages)
