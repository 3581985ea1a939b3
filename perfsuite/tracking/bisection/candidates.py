"""What a search walks along: states of the packages under test, from nights or from released versions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from perfsuite.records import NightRun


class NoSuchCandidateError(ValueError):
    """A night or a version that cannot be searched from or to; names what is near."""


@dataclass(frozen=True)
class Candidate:
    """One state of the packages under test."""

    label: str
    """A night or a version, for a person."""
    versions: Mapping[str, str]
    git: Mapping[str, str] = field(default_factory=dict)
    """Hashes of those that tell."""
    labels: tuple[str, ...] = ()
    """All nights that ran it, where there are several in a row."""

    @property
    def identity(self) -> tuple[tuple[str, str], ...]:
        """What it is: two versions of one commit are the same."""
        return tuple(sorted((p, self.git.get(p) or version) for p, version in self.versions.items()))

    @property
    def last_label(self) -> str:
        """The last night that ran it."""
        return self.labels[-1] if self.labels else self.label

    def with_package(self, package: str, other: Candidate) -> Candidate:
        """This one with one package of another; without it, where that does not have it."""
        versions = {p: v for p, v in self.versions.items() if p != package}
        git = {p: h for p, h in self.git.items() if p != package}
        if package in other.versions:
            versions[package] = other.versions[package]
        if package in other.git:
            git[package] = other.git[package]
        return replace(
            self, label=f"{self.label} with {package} of {other.label}", versions=versions, git=git, labels=()
        )


def of_runs(
    runs: Iterable[NightRun],
    packages: Sequence[str],
    git: Callable[[str, str], str | None] = lambda package, version: None,
) -> list[Candidate]:
    """Nights in order, by the last run of each; nights in a row that ran the same are one.

    Args:
        runs: of one device.
        packages: those under test.
        git: the commit of a package's version, where a kept wheel tells it.
    """
    by_night = {run.night: run for run in sorted(runs, key=lambda r: (r.night, r.date))}
    found = []
    for night, run in sorted(by_night.items()):
        versions = {p: v for p in packages if (v := run.environment.versions.get(p)) and v != "not installed"}
        known = {p: run.environment.git.get(p) or git(p, v) for p, v in versions.items()}
        found.append(Candidate(night, versions, {p: h for p, h in known.items() if h}, (night,)))
    return merged(found)


def of_versions(
    package: str, versions: Iterable[str], git: Callable[[str, str], str | None] = lambda p, v: None
) -> list[Candidate]:
    """Released versions of one package in their order."""
    found = []
    for version in sorted(versions, key=Version):
        commit = git(package, version)
        found.append(Candidate(version, {package: version}, {package: commit} if commit else {}, (version,)))
    return merged(found)


def merged(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Neighbours that are the same as one, which knows all their labels."""
    found: list[Candidate] = []
    for each in candidates:
        if found and found[-1].identity == each.identity:
            found[-1] = replace(found[-1], labels=(*found[-1].labels, *each.labels))
        else:
            found.append(each)
    return found


def between(candidates: Sequence[Candidate], good: str, bad: str) -> list[Candidate]:
    """From the one that holds `good` to the one that holds `bad`.

    Raises:
        NoSuchCandidateError: one is not there, they are the same, or in the wrong order.
    """
    if good == bad:
        raise NoSuchCandidateError(
            f"--good and --bad are both {good}; name the last good and the first bad one"
        )
    first, last = (_index(candidates, label) for label in (good, bad))
    if first > last:
        raise NoSuchCandidateError(f"--good {good} comes after --bad {bad}; exchange them")
    if first == last:
        same = ", ".join(f"{p} {v}" for p, v in candidates[first].versions.items())
        raise NoSuchCandidateError(
            f"--good {good} and --bad {bad} ran the same packages ({same}): what changed between them is not "
            "in these packages; look at the machine, or name others with --packages"
        )
    return list(candidates[first : last + 1])


def restricted(candidates: Sequence[Candidate], package: str) -> list[Candidate]:
    """One package alone goes through its states; all others stay as the first candidate has them."""
    first = candidates[0]
    found = [
        replace(first.with_package(package, each), label=each.label, labels=each.labels or (each.label,))
        for each in candidates
        if package in each.versions
    ]
    return merged(found)


def _index(candidates: Sequence[Candidate], label: str) -> int:
    for index, each in enumerate(candidates):
        if label in (each.label, *each.labels):
            return index
    known = [label for each in candidates for label in each.labels or (each.label,)]
    if not known:
        raise NoSuchCandidateError(f"{label}: there is nothing to search in")
    raise NoSuchCandidateError(f"{label} is not there; the nearest: {', '.join(_nearest(known, label))}")


def _nearest(known: Sequence[str], label: str) -> list[str]:
    """The neighbours in order, of nights and versions alike."""
    import difflib

    try:
        day = date.fromisoformat(label)
        days = sorted(known, key=lambda night: abs((date.fromisoformat(night) - day).days))
        return sorted(days[:2])
    except ValueError:
        return difflib.get_close_matches(label, known, 3, 0) or list(known[-3:])
