"""The folder of a plan that was run, for readers: its plan, its ledger, and the results of both, merged."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from perfsuite.fleet.blocks.endings import RESULTS as LEFT
from perfsuite.fleet.blocks.endings import SIDES
from perfsuite.fleet.ledger.file import FILE as LEDGER
from perfsuite.fleet.ledger.file import OBJECTS, read_account
from perfsuite.fleet.ledger.retrying import JUDGED
from perfsuite.fleet.planning.files import PLAN, read_plan
from perfsuite.fleet.results.merging import UNMERGED, Merged, Piece, merge
from perfsuite.records import Exhibits, Work
from perfsuite.store import Baselines, StoreError, read_results
from perfsuite.store.exhibits import write_exhibits
from perfsuite.store.files import read_bytes, write_atomic
from perfsuite.store.results import encode_results

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from perfsuite.fleet.ledger.account import Account
    from perfsuite.records import Attempt, Block, Entry, Plan, Result, Run
    from perfsuite.store import BaselineFile

MERGED, EXHIBITS = "results", "exhibits"


@dataclass(frozen=True)
class Folder:
    """What a plan run has left so far."""

    path: Path
    """Where merged results go."""
    plan: Plan
    account: Account
    homes: Mapping[str, Path] = field(default_factory=dict)
    """Of blocks whose files lie in another folder: that of their part of the plan."""

    def home(self, block: Block) -> Path:
        """The folder with what the block left."""
        return self.homes.get(block.id, self.path)

    @property
    def judged(self) -> dict[str, Attempt]:
        """The attempt of each block that ended with a verdict: there is never a second."""
        found: dict[str, Attempt] = {}
        for attempt in self.account.attempts:
            if attempt.ending in JUDGED:
                found.setdefault(attempt.block, attempt)
        return found

    def data(self, block: Block, attempt: Attempt, name: str) -> bytes | None:
        """A file that an attempt left, None where it left no such.

        Raises:
            StoreError: it is not there any more, or was changed.
        """
        sha256 = attempt.files.get(name)
        if sha256 is None:
            return None
        return read_object(self.home(block), sha256, f"{name} of block {block.id[:12]}")


def read_object(folder: Path, sha256: str, what: str) -> bytes:
    """A file that lies in a folder by its hash; `what` it is, for messages.

    Raises:
        StoreError: it is not there any more, or was changed.
    """
    path = folder / OBJECTS / sha256
    raw = read_bytes(path)
    if raw is None or hashlib.sha256(raw).hexdigest() != sha256:
        raise StoreError(
            f"{path}: {what} is {'gone' if raw is None else 'damaged'}; restore it, or delete the block's "
            f"lines from {folder / LEDGER} and run the plan again"
        )
    return raw


def is_folder(path: Path) -> bool:
    """Whether a plan was run in this folder."""
    return (path / PLAN).is_file() and (path / LEDGER).is_file()


def read_folder(path: Path) -> Folder:
    """What there is, also while a driver goes on.

    Raises:
        StoreError: something in it is damaged, or of another plan.
    """
    plan = read_plan(path / PLAN)
    account = read_account(path)
    if account is None:
        raise StoreError(f"{path / LEDGER}: there is no ledger; run the plan first: perfsuite run")
    if account.plan != plan.id:
        raise StoreError(f"{path}: {PLAN} is not the plan of {LEDGER}; restore the one that was run")
    return Folder(path, plan, account)


def merge_folder(folder: Folder) -> list[tuple[Path, Merged]]:
    """Merge what has a verdict, and write it as results files below ``results``: the same bytes as long as
    no block is added.

    Raises:
        StoreError: what a block left is damaged, or the files cannot be written.
    """
    attempts = folder.account.attempts
    if not attempts:
        return []
    judged = folder.judged
    blocks = [b for b in folder.plan.blocks if b.id in judged and b.work not in UNMERGED]
    pieces = [piece for block in blocks for piece in _pieces(folder, block, judged[block.id])]
    found = []
    for merged in merge(folder.plan, pieces, min(a.began for a in attempts), _Stored(folder.plan)):
        path = folder.path / MERGED / f"{merged.stem}.jsonl"
        data = encode_results(merged.run, path)
        if read_bytes(path) != data:
            write_atomic(path, data)
        found.append((path, merged))
    return found


def comparisons(folder: Folder) -> dict[str, bytes]:
    """What each A/B left, by the id of its block. Raises `StoreError`."""
    judged = folder.judged
    found = {}
    for block in folder.plan.blocks:
        if block.work is Work.AB and block.id in judged:
            raw = folder.data(block, judged[block.id], SIDES)
            if raw is not None:
                found[block.id] = raw
    return found


def _pieces(folder: Folder, block: Block, attempt: Attempt) -> Iterator[Piece]:
    """The results of one block, where it left any: gates of structure may leave none."""
    if folder.data(block, attempt, LEFT) is None:
        return
    try:
        run = read_results(folder.home(block) / OBJECTS / attempt.files[LEFT])
    except StoreError as error:
        raise StoreError(f"{LEFT} of block {block.id[:12]}, from {attempt.machine}: {error}") from error
    yield Piece(block, _moved(folder, block, attempt, run), attempt.machine, attempt.uuid)


def _moved(folder: Folder, block: Block, attempt: Attempt, run: Run) -> Run:
    """The run with its exhibits beside the merged results; blocks may have used the same names."""
    results = []
    for result in run.results:
        if result.exhibits is not None:
            result = replace(result, exhibits=_placed(folder, block, attempt, result.exhibits))
        results.append(result)
    return replace(run, results=tuple(results))


def _placed(folder: Folder, block: Block, attempt: Attempt, exhibits: Exhibits) -> Exhibits:
    def placed(name: str) -> str:
        raw = folder.data(block, attempt, name)
        if raw is None:  # a report says of each that it is not there
            return name
        own = f"{block.id[:12]}-{PurePosixPath(name).name}"
        beside = folder.path / MERGED / EXHIBITS
        if read_bytes(beside / own) != raw:
            write_exhibits(beside, {own: raw})
        return f"{EXHIBITS}/{own}"

    pictures = tuple(
        replace(
            each,
            float32=placed(each.float32),
            variant=placed(each.variant),
            ssim_map=placed(each.ssim_map) if each.ssim_map else None,
            flip_map=placed(each.flip_map) if each.flip_map else None,
        )
        for each in exhibits.pictures
    )
    return Exhibits(pictures, placed(exhibits.numbers) if exhibits.numbers else None)


class _Stored:
    """The baselines that repeats are judged by: those that the plan names, where this machine has them."""

    def __init__(self, plan: Plan) -> None:
        self._store = Baselines(plan.baselines) if plan.baselines else None
        self._files: dict[str, BaselineFile | None] = {}

    def __call__(self, run: Run, result: Result) -> Entry | None:
        if self._store is None:
            return None
        slug = run.device.slug
        if slug not in self._files:
            self._files[slug] = self._store.of(run.device)
        found = self._files[slug]
        return found.entries.get(f"{result.workload}/{result.variant}") if found is not None else None
