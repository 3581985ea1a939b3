"""One plan in several parts, for whoever places jobs by other means: each block is in exactly one part."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from perfsuite.fleet.planning.identity import digest, identified
from perfsuite.records import Work

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfsuite.records import Block, Plan


MOST_JOBS = 256
"""Of a matrix of GitHub's."""


class ShardError(ValueError):
    """A part that a plan does not have; the message says which it has."""


@dataclass(frozen=True)
class Job:
    """One part as a CI's own job, which plans it again by its name and runs it."""

    shard: str
    device: str
    """Class that its machine must be of."""
    blocks: int
    cells: int
    limit_s: float
    """Of all its blocks, one by one; waiting for leases and making environments come on top."""


def jobs(plan: Plan, count: int | None = None) -> list[Job]:
    """The plan as so many jobs; None for as many as can be run apart. A part of a plan is one job.

    Raises:
        ShardError: there cannot be so many, or one would need several machines.
    """
    if plan.shard:
        return [_job(plan.shard, plan.blocks)]
    count = count or len(_groups(plan))
    if count > MOST_JOBS:
        raise ShardError(
            f"{count} jobs: GitHub runs at most {MOST_JOBS} of one matrix; ask for --jobs {MOST_JOBS}"
        )
    return [_job(f"{number}/{count}", part) for number, part in enumerate(split(plan, count), 1)]


def _job(name: str, blocks: Sequence[Block]) -> Job:
    classes = sorted({block.device for block in blocks})
    if len(classes) > 1:
        raise ShardError(
            f"part {name} has blocks for {' and '.join(classes)}, and a job has one machine; ask for at "
            "least one part a device class"
        )
    cells = sum(len(block.cells) for block in blocks)
    return Job(name, classes[0], len(blocks), cells, _length(blocks))


def parse_shard(text: str) -> tuple[int, int]:
    """The number of a part, from 1, and of how many: ``2/4``. Raises `ShardError`."""
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if found is None:
        raise ShardError(f"--shard={text}: write which part of how many, such as 2/4")
    number, count = int(found[1]), int(found[2])
    if not 1 <= number <= count:
        raise ShardError(f"--shard={text}: the first number goes from 1 to the second")
    return number, count


def shard(plan: Plan, number: int, count: int) -> Plan:
    """One part of a plan. Raises `ShardError`."""
    chosen = {block.id for block in split(plan, count)[number - 1]}
    blocks = tuple(block for block in plan.blocks if block.id in chosen)
    return identified(replace(plan, blocks=blocks, shard=f"{number}/{count}", whole=_whole(plan, count)))


def _whole(plan: Plan, count: int) -> str:
    """What the parts of one matrix share on all machines: nothing of it is a path or a lock."""
    packages = {name: sorted(each.packages.items()) for name, each in plan.environments.items()}
    squares = sorted([*_square(block), block.twin, block.limit_s] for block in plan.blocks)
    about = [plan.name, plan.perfsuite, plan.options, plan.ab_options, count]
    return digest(about, packages, [asdict(each) for each in plan.devices.values()], squares)


def split(plan: Plan, count: int) -> list[list[Block]]:
    """All blocks in so many parts of about the same length, none of them empty.

    What waits for another block is in its part. A part is of one device class, since it may be run by one
    machine, unless there are fewer parts than classes. Raises `ShardError`.
    """
    groups = _groups(plan)
    if count > len(groups):
        raise ShardError(f"{count} parts: the plan has {len(groups)} that can be run apart; ask for no more")
    by_device: dict[str, list[list[Block]]] = defaultdict(list)
    for group in groups:
        by_device[group[0].device].append(group)
    if count < len(by_device):
        return _balanced(groups, count)
    shares = _shares(by_device, count)
    return [part for name in sorted(by_device) for part in _balanced(by_device[name], shares[name])]


def _groups(plan: Plan) -> list[list[Block]]:
    """Blocks that must stay together, in an order that the matrix alone gives.

    Not in the plan's: its ids tell what an interpreter has, and machines that part one matrix may differ in
    it.
    """
    found: dict[str, list[Block]] = {}
    for block in sorted(plan.blocks, key=_square):
        group = next((found[need] for need in block.needs if need in found), [])
        group.append(block)
        found[block.id] = group
    return list({id(group): group for group in found.values()}.values())


def _square(block: Block) -> tuple[object, ...]:
    """Where it stands in the matrix; what others wait for comes before them."""
    ahead = block.work is not Work.COMPILE
    repeat = block.cells[0].repeat
    return ahead, block.device, block.work, block.workload, block.environments, block.variants, repeat


def _shares(groups: Mapping[str, Sequence[Sequence[Block]]], count: int) -> dict[str, int]:
    """How many parts each device class gets: one, and each further one where a part is longest."""
    shares = dict.fromkeys(sorted(groups), 1)
    longest = {name: sum(map(_length, groups[name])) for name in shares}
    for _ in range(count - len(shares)):
        open_ = [name for name in shares if shares[name] < len(groups[name])]
        shares[max(open_, key=lambda name: longest[name] / shares[name])] += 1
    return shares


def _balanced(groups: Sequence[Sequence[Block]], count: int) -> list[list[Block]]:
    """The longest first, each to the part that is shortest so far."""
    parts: list[list[Block]] = [[] for _ in range(count)]
    lengths = [0.0] * count
    for group in sorted(groups, key=_length, reverse=True):
        # Of parts of one length the emptiest: a length says nothing of how many there are.
        shortest = min(range(count), key=lambda i: (lengths[i], len(parts[i])))
        parts[shortest] += group
        lengths[shortest] += _length(group)
    return parts


def _length(group: Sequence[Block]) -> float:
    """Seconds at most: what it takes is not known before it has run."""
    return sum(block.limit_s for block in group)
