"""What the blocks of a plan found out, merged: one run of each environment on each device.

Only what a block left that has a verdict counts; what a lost or broken attempt left is kept beside, and is in
no result. A result of a block's own cell goes before that of a twin which merely ran along. Where a cell was
asked for several times, its result has the first session, the others as repeats, and a verdict on all.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from perfsuite.device.fingerprint import slug
from perfsuite.fleet.results.kinds import Facts, Kind, labels, recorded
from perfsuite.fleet.results.repeats import judged
from perfsuite.pipelines import variants
from perfsuite.records import Run, Work
from perfsuite.store import merge_results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from perfsuite.records import Block, Entry, Plan, Result

    Stored = Callable[[Run, Result], Entry | None]
    """What is stored of a result's variant, for the device of a run."""

UNMERGED = (Work.DOCTOR, Work.COMPILE, Work.AB)
"""Work that leaves no results of a run."""


@dataclass(frozen=True)
class Piece:
    """The results of one block."""

    block: Block
    run: Run
    machine: str = ""
    uuid: str = ""
    """Of the device that it had."""


@dataclass(frozen=True)
class Merged:
    """All results of one environment on one kind of device."""

    environment: str
    device: str
    """Name of the class; its machines may have devices of several kinds."""
    run: Run
    blocks: tuple[str, ...]
    """Ids of those that it is of."""
    beside: Facts = ()
    """What tells its devices from others of the same slug, as their driver; sorted names and values."""
    places: tuple[tuple[str, str], ...] = ()
    """Machines and UUIDs of devices that it was measured on."""

    @property
    def kind(self) -> Kind:
        """Of its devices."""
        return Kind(self.device, self.run.device, self.beside)

    @property
    def stem(self) -> str:
        """Of its file's name."""
        kind = (self.run.device.slug, *map(" ".join, self.beside))
        return "--".join(map(slug, (self.environment, self.device, *kind)))


def merge(plan: Plan, pieces: Sequence[Piece], began: str, stored: Stored) -> list[Merged]:
    """One run of each environment, device class and kind of device, in this order: see `kinds`.

    Args:
        plan: whose blocks they are.
        pieces: results of those blocks that have some.
        began: when the first attempt of all began, ISO 8601: the runs' date, which does not change while
            blocks are added.
        stored: finds what repeats are judged by.
    """
    order = {block.id: place for place, block in enumerate(plan.blocks)}
    units = _units(sorted(pieces, key=lambda piece: order[piece.block.id]))
    first: dict[tuple[str, str], _Key] = {}
    for key in sorted(units):
        first.setdefault(key[:2], key)
    return [
        _merged(plan, key, found, began, stored, alone=first[key[:2]] == key)
        for key, found in sorted(units.items())
    ]


_Key = tuple[str, str, str, Facts]
"""Environment, device class, slug, and what else tells devices apart."""


def _units(pieces: Sequence[Piece]) -> dict[_Key, list[Piece]]:
    """Results that belong together. What has not recorded its driver and such is as what its machine has
    told otherwise, or as the first that is like it."""
    told: dict[tuple[str, ...], list[Facts]] = defaultdict(list)
    for piece in pieces:
        found = recorded(piece.run)
        if found is not None:
            told[*_about(piece), piece.machine].append(found)
            told[_about(piece)].append(found)
    units: dict[_Key, list[Piece]] = defaultdict(list)
    for piece in pieces:
        beside = recorded(piece.run)
        if beside is None:
            alike = told.get((*_about(piece), piece.machine)) or sorted(told.get(_about(piece), ()))
            beside = alike[0] if alike else ()
        units[*_about(piece), beside].append(piece)
    return units


def _about(piece: Piece) -> tuple[str, str, str]:
    return piece.block.environments[0], piece.block.device, piece.run.device.slug


def _merged(
    plan: Plan,
    key: _Key,
    pieces: Sequence[Piece],
    began: str,
    stored: Stored,
    *,
    alone: bool,
) -> Merged:
    """Cells that have no result are missing in the first of a class's kinds of devices."""
    environment, device, kind, beside = key
    named = [plan.id, environment, device, kind, *map(" ".join, beside), began]
    run = Run(
        id=hashlib.sha256(json.dumps(named).encode()).hexdigest()[:32],
        date=began,
        device=pieces[0].run.device,
        results=(),
        chosen=tuple(_ordered(_wanted(plan, environment, device) if alone else _done(pieces))),
        asked=tuple(_ordered({name for piece in pieces for name in piece.run.asked})),
        timed=any(piece.run.timed for piece in pieces),
    )
    results = _results(pieces, lambda result: stored(run, result))
    return Merged(
        environment, device, replace(run, results=results), tuple(piece.block.id for piece in pieces), beside,
        tuple(sorted({(piece.machine, piece.uuid) for piece in pieces})),
    )  # fmt: skip


def _wanted(plan: Plan, environment: str, device: str) -> set[str]:
    return {
        f"{block.workload}/{cell.variant}"
        for block in plan.blocks
        if (block.environments[0], block.device) == (environment, device) and block.work not in UNMERGED
        for cell in block.cells
    }


def _done(pieces: Iterable[Piece]) -> set[str]:
    return {f"{piece.block.workload}/{name}" for piece in pieces for name in piece.block.variants}


def _ordered(keys: Iterable[str]) -> list[str]:
    """``workload/variant`` as a ladder has them."""
    rungs = {name: place for place, name in enumerate(variants.known())}

    def place(key: str) -> tuple[str, int, str]:
        workload, _, variant = key.rpartition("/")
        return workload, rungs.get(variant, len(rungs)), variant

    return sorted(keys, key=place)


def _results(pieces: Sequence[Piece], stored: Callable[[Result], Entry | None]) -> tuple[Result, ...]:
    """Of all variants, as a ladder has them."""
    own: dict[str, list[tuple[int, Result]]] = defaultdict(list)
    twins: dict[str, list[Result]] = defaultdict(list)
    kind = pieces[0].run.device.kind
    for piece in pieces:
        repeats = {cell.variant: cell.repeat for cell in piece.block.cells}
        for result in piece.run.results:
            key = f"{result.workload}/{result.variant}"
            if result.workload == piece.block.workload and result.variant in repeats:
                own[key].append((repeats[result.variant], result))
            else:
                twins[key].append(result)
    found = {key: _result(several, twins[key], stored, kind) for key, several in own.items()}
    found |= {key: several[0] for key, several in twins.items() if key not in own}
    return tuple(found[key] for key in _ordered(found))


def _result(
    own: Sequence[tuple[int, Result]],
    twins: Sequence[Result],
    stored: Callable[[Result], Entry | None],
    device_kind: str,
) -> Result:
    """Of one variant: what the first repeat says goes before what others do."""
    several = [result for _, result in sorted(own, key=lambda found: found[0])]
    (merged,) = merge_results([*reversed(twins), *reversed(several)])
    timed = [result for result in several if result.session is not None and result.verdict is not None]
    if len(timed) < 2:
        return merged
    sessions = [result.session for result in timed if result.session is not None]
    verdict = judged(timed, stored(merged), device_kind)
    return replace(merged, session=sessions[0], repeats=tuple(sessions[1:]), verdict=verdict)


def names(plan: Plan, merged: Sequence[Merged], device: str | None = None) -> list[tuple[str | None, Run]]:
    """The runs with the names of their devices in a history, None for that which its hardware has there.

    Two environments' nights are no one series: with several in the plan each is a device of its own,
    whatever was measured, and in whichever part of a plan.

    Args:
        plan: that was run.
        merged: its results.
        device: name in place of the hardware's.

    Raises:
        ValueError: two of the runs would have one name.
    """
    several = len(plan.environments) > 1
    found: dict[str, Merged] = {}
    for each in merged:
        name = (device or each.run.device.slug) + (f"@{each.environment}" if several else "")
        if name in found:
            raise ValueError(f"{name} would be two devices, {_between(found[name], each)}")
        found[name] = each
    return [(name if several else device, each.run) for name, each in found.items()]


def _between(one: Merged, other: Merged) -> str:
    if one.device != other.device:
        return f"of the classes {one.device} and {other.device}"
    return f"with {' and with '.join(labels([one.kind, other.kind]))}"
