"""Folders of parts of one plan, which a CI ran as jobs of their own, read as one folder."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from perfsuite.fleet.ledger.account import Account, End
from perfsuite.fleet.ledger.file import OBJECTS, read_account, write_account
from perfsuite.fleet.planning import joining
from perfsuite.fleet.planning.files import PLAN, write_plan
from perfsuite.fleet.planning.sharding import ShardError
from perfsuite.fleet.results import namesakes
from perfsuite.fleet.results.folder import Folder, read_folder, read_object
from perfsuite.records import Work
from perfsuite.store import StoreError
from perfsuite.store.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True)
class Parts:
    """What was joined."""

    folder: Folder
    """All of it; its results go where it was told."""
    parts: tuple[Folder, ...]
    """By their numbers."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Parts without a verdict and parts that are not there, a sentence each."""
        empty = [part for part in self.parts if not _judged(part)]
        said = [f"part {each.plan.shard} ({each.path}) has no results: {_none(each)}" for each in empty]
        if len(empty) == len(self.parts):
            said.append("nothing was judged: no part has a verdict")
        missing = joining.absent(self.folder.plan)
        if missing:
            of = self.parts[0].plan.shard.partition("/")[2]
            said.append(f"absent: {joining.named(missing)} of {of}, whose cells are not known")
        return tuple(said)


def _judged(part: Folder) -> int:
    """Cells with a verdict; what is compiled ahead has none."""
    judged = part.judged
    return sum(len(b.cells) for b in part.plan.blocks if b.id in judged and b.work is not Work.COMPILE)


def _none(part: Folder) -> str:
    blocks = len(part.plan.blocks)
    return "its one block has no verdict" if blocks == 1 else f"none of its {blocks} blocks has a verdict"


def is_part(path: Path) -> bool:
    """Whether a folder of a plan is of one part of it. Raises `StoreError`."""
    return joining.is_part(read_folder(path).plan)


def join(paths: Iterable[Path], out: Path, baselines: Path | None = None) -> Parts:
    """Read folders of parts of one plan as one; a folder that is named twice counts once.

    Args:
        paths: of the folders.
        out: where the merged results go.
        baselines: what repeats are judged by, where the folder that the plan names is not on this machine.

    Raises:
        StoreError: one is damaged or no part, they are of several plans, or two have the same cells.
    """
    found = [read_folder(path) for path in {path.resolve(): path for path in paths}.values()]
    for place, part in enumerate(found):
        if not joining.is_part(part.plan):
            raise StoreError(f"{part.path}: is no part of a plan (perfsuite plan --shard); leave it out")
        for before in found[:place]:
            _check(before, part)
    found.sort(key=_number)
    plan = joining.joined([part.plan for part in found])
    if plan.baselines and baselines is not None and not Path(plan.baselines).is_dir() and baselines.is_dir():
        plan = joining.judged_by(plan, str(baselines.absolute()))
    homes = {block.id: part.path for part in found for block in part.plan.blocks}
    accounts = namesakes.told_apart({_number(part): part.account for part in found})
    account = joined_account(accounts, plan.id, plan.name)
    return Parts(Folder(out, plan, account, homes), tuple(found))


def keep(parts: Parts) -> None:
    """Write the folder of what was joined: its plan, its ledger and all files that blocks left. It is a
    folder like one that a driver left, and may be written anew when there are more parts.

    Raises:
        LedgerError: a driver has the folder.
        StoreError: it has attempts that no part has, or it cannot be written.
    """
    folder = parts.folder
    _check_own(parts)
    for part in parts.parts:
        for name in sorted({sha for attempt in part.account.attempts for sha in attempt.files.values()}):
            kept = folder.path / OBJECTS / name
            if not kept.exists():
                write_atomic(kept, read_object(part.path, name, "a file of a block"))
    write_account(folder.path, folder.account)
    write_plan(folder.path / PLAN, folder.plan)


def _check_own(parts: Parts) -> None:
    out = parts.folder.path
    if out.resolve() in [part.path.resolve() for part in parts.parts]:
        raise StoreError(f"{out}: is one of the parts; name another --out")
    there = read_account(out)
    known = {(a.block, a.number, a.began, a.slot) for a in parts.folder.account.attempts}
    if there is not None and any((a.block, a.number, a.began, a.slot) not in known for a in there.attempts):
        raise StoreError(f"{out}: holds attempts that no part has; name another --out, or all of its parts")


def _number(part: Folder) -> int:
    return int(part.plan.shard.partition("/")[0])


def _check(one: Folder, other: Folder) -> None:
    try:
        joining.check_alike(one.plan, other.plan)
        joining.check_apart(one.plan, other.plan)
    except ShardError as error:
        raise StoreError(f"{one.path} and {other.path} do not belong together: {error}") from error


def joined_account(accounts: Sequence[Account], plan: str, name: str) -> Account:
    """All that the ledgers of parts say: what each has forgiven is forgiven, what each has given up stays so.

    Attempts are in the order of a ledger only within their part, and so within their block. Faults of a
    machine are counted in each part by itself: to its driver it was as good as new.
    """
    forgiven = [attempt for each in accounts for attempt in each.attempts[: each.again]]
    before = [attempt for each in accounts for attempt in each.attempts[each.again : each.sat]]
    since = [each.attempts[each.sat :] for each in accounts if len(each.attempts) > each.sat]
    ends = [each.end for each in accounts if each.end is not None]
    sittings = [each.sitting for each in accounts if each.sitting is not None]
    return Account(
        plan, name,
        attempts=[*forgiven, *before, *(attempt for each in since for attempt in each)],
        running={key: begun for each in accounts for key, begun in each.running.items()},
        sitting=max(sittings, key=lambda each: each.began, default=None),
        end=_joined_end(ends),
        sat=len(forgiven) + len(before),
        again=len(forgiven),
        beside=list(accumulate(map(len, since[:-1]), initial=len(forgiven) + len(before)))[1:],
    )  # fmt: skip


def _joined_end(ends: Sequence[End]) -> End | None:
    if not ends:
        return None
    return End(
        ended=max(each.ended for each in ends),
        broken={block: why for each in ends for block, why in each.broken.items()},
        unplaced={block: why for each in ends for block, why in each.unplaced.items()},
    )
