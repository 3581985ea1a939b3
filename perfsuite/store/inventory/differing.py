"""Two baseline files, or two versions of one: what became slower, and what is in one of them only."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from perfsuite import decision
from perfsuite.decision.amount_verdicts import compare_amounts
from perfsuite.decision.basis import judge_sessions
from perfsuite.decision.surroundings import alike, named_first, strange
from perfsuite.pipelines import loaded, models
from perfsuite.records import Cause, Status, Verdict
from perfsuite.store import StoreError, parse_baselines
from perfsuite.store.files import read_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Entry, Quantity
    from perfsuite.store import BaselineFile

GIT_LIMIT_S = 60.0


class NothingToCompareError(ValueError):
    """A side that is not there, or that git does not give; the message says which and why."""


@dataclass(frozen=True)
class Difference:
    """One entry on both sides."""

    key: str
    """``<workload>/<variant>``."""
    verdict: Verdict | None
    """None where there is nothing to judge: it is new, or its sessions are the same."""
    before: int
    after: int
    """Sessions; 0: not there."""
    added: int
    """Sessions that only the later side has; they are what is judged."""
    versions: tuple[tuple[str, str, str], ...]
    """Package, version before, version after: of the last session of either side, where they differ."""
    amounts: tuple[Quantity, ...] = ()
    """Memory and start, judged like the latencies."""


def read_side(path: Path, ref: str | None = None) -> BaselineFile:
    """A baseline file as it is, or as it was in a git ref (branch, tag or commit).

    Raises:
        NothingToCompareError: no such file, or git does not give it.
        StoreError: it is bad.
    """
    if ref is None:
        raw = read_bytes(path)
        if raw is None:
            raise NothingToCompareError(f"{path}: no such file")
        return parse_baselines(raw, path)
    raw = _git_show(path, ref)
    return parse_baselines(raw, Path(f"{ref}:{path}"), "take another ref")


def _git_show(path: Path, ref: str) -> bytes:
    folder = path.absolute().parent
    commit = _git(
        folder, "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}", what=f"ref {ref!r}"
    )
    # Resolved first: a ref that begins with a dash would be read as an option.
    where = f"{commit.decode().strip()}:./{path.name}"
    return _git(folder, "show", where, what=f"{path} in {ref!r}")


def _git(folder: Path, *arguments: str, what: str) -> bytes:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=GIT_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NothingToCompareError(f"{what}: {error}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise NothingToCompareError(f"{what}: {said[-1] if said else 'git gives no reason'}")
    return done.stdout


def differences(before: BaselineFile, after: BaselineFile) -> list[Difference]:
    """Every entry of either side, by name. Raises `StoreError` for samples that cannot be compared."""
    found = []
    for key in sorted({*before.entries, *after.entries}):
        old, new = before.entries.get(key), after.entries.get(key)
        if old is None or new is None:
            counts = (len(old.sessions) if old else 0, len(new.sessions) if new else 0)
            gone = decision.unjudged(Status.LESS_JUDGED, "is gone: only the file before has it", counts[0])
            found.append(Difference(key, gone if old else None, *counts, counts[1], ()))
            continue
        found.append(_difference(key, old, new, before, after))
    return found


def _difference(key: str, old: Entry, new: Entry, before: BaselineFile, after: BaselineFile) -> Difference:
    known = {session.id for session in old.sessions}
    fresh = [session for session in new.sessions if session.id not in known]
    verdict: Verdict | None = None
    amounts: tuple[Quantity, ...] = ()
    if before.device.slug != after.device.slug:
        detail = f"measured on {before.device.name}, then on {after.device.name}"
        verdict = decision.incompatible(detail, len(old.sessions), len(new.sessions))
    elif old.protocol != new.protocol:
        why = f"measured with {old.protocol!r}, then with {new.protocol!r}"
        verdict = decision.incompatible(
            loaded.moved_files(old.protocol, new.protocol) or why, len(old.sessions), len(new.sessions),
            other_weights=models.others(new.protocol, old.protocol),
        )  # fmt: skip
    elif fresh and (elsewhere := [session for session in fresh if not alike(old, session)]):
        detail = f"not the machine of before: {strange(old.sessions[-1], elsewhere[-1])}"
        verdict = decision.incompatible(detail, len(old.sessions), len(new.sessions))
        verdict = replace(verdict, causes=(Cause.ENVIRONMENT,))
    elif fresh:
        comparable = alike(old, fresh[-1]) or old
        try:
            verdict, _ = judge_sessions(comparable, fresh, after.device.kind)
            amounts = compare_amounts(comparable.sessions, fresh, after.device.kind)
        except ValueError as error:
            raise StoreError(f"entry {key!r}: {error}") from error
        verdict = named_first(verdict, comparable.sessions, fresh[-1])
        amounts = tuple(
            replace(a, verdict=named_first(a.verdict, comparable.sessions, fresh[-1])) for a in amounts
        )
    then, now = old.sessions[-1].versions, new.sessions[-1].versions
    moved = tuple(
        (name, then.get(name, "absent"), now.get(name, "absent"))
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    )
    return Difference(key, verdict, len(old.sessions), len(new.sessions), len(fresh), moved, amounts)


ALL = "all"
"""Every entry, where some are to be named."""


@dataclass(frozen=True)
class Outcome:
    """What a comparison of two files came to."""

    status: Status
    """OK, REGRESSED, LESS_JUDGED or NOT_JUDGED."""
    missed: tuple[str, ...]
    """Entries of the file before that were compared with nothing, without those that are meant to be."""

    @property
    def fails(self) -> bool:
        """Whether it is not what a person wants or said that he wants."""
        return self.status is not Status.OK


def outcome(found: Sequence[Difference], accepted: Sequence[str] = ()) -> Outcome:
    """The gravest that can be said of all entries.

    `accepted`: entries that are gone, or not comparable, on purpose; `ALL` of them.

    Raises:
        NothingToCompareError: one that is accepted is in the file before under no such name.
    """
    before = [d.key for d in found if d.before]
    for name in accepted:
        if name != ALL and name not in before:
            raise NothingToCompareError(f"--accept={name}: no such entry before; {ALL}, or of {before}")
    if any(verdict.status is Status.REGRESSED for d in found for verdict in _verdicts(d)):
        return Outcome(Status.REGRESSED, ())
    missed = [d.key for d in found if d.before and not _compared(d)]
    meant = missed if ALL in accepted else accepted
    left = tuple(key for key in missed if key not in meant)
    if not any(map(_compared, found)) and not (missed and not left):
        return Outcome(Status.NOT_JUDGED, left)
    return Outcome(Status.LESS_JUDGED if left else Status.OK, left)


def _compared(found: Difference) -> bool:
    """Whether an entry is on both sides and can be compared; the same sessions are."""
    unlike = (Status.INCOMPATIBLE, Status.LESS_JUDGED)
    return bool(found.before and found.after) and not (found.verdict and found.verdict.status in unlike)


def _verdicts(of: Difference) -> list[Verdict]:
    return [*([of.verdict] if of.verdict is not None else []), *(amount.verdict for amount in of.amounts)]
