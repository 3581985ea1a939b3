"""Parts of one plan together again: the whole plan, or as much of it as there is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from perfsuite.fleet.planning.identity import identified
from perfsuite.fleet.planning.planner import ordered
from perfsuite.fleet.planning.sharding import ShardError, parse_shard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Plan

_OF = " of "
"""Between the numbers of parts that were joined and how many there are."""


def is_part(plan: Plan) -> bool:
    """Whether it is one part of a plan."""
    return bool(plan.shard) and _OF not in plan.shard


def absent(plan: Plan) -> tuple[int, ...]:
    """Numbers of the parts that a plan which was joined lacks; none of any other plan."""
    there, joined, count = plan.shard.partition(_OF)
    known = set(map(int, there.split(", "))) if joined else set()
    return tuple(number for number in range(1, int(count) + 1) if number not in known) if joined else ()


def named(numbers: Sequence[int]) -> str:
    """``part 2``, ``parts 2, 3``."""
    return f"part{'' if len(numbers) == 1 else 's'} {', '.join(map(str, numbers))}"


def joined(parts: Sequence[Plan]) -> Plan:
    """All blocks of parts that are alike (see `check_alike`), in the order that the whole plan has them.

    Of a whole plan that was parted on one machine it is that plan, by its id too. Paths, which may differ
    between machines, are those of the first part.
    """
    first = parts[0]
    count = parse_shard(first.shard)[1]
    numbers = sorted(parse_shard(part.shard)[0] for part in parts)
    blocks = ordered((block for part in parts for block in part.blocks), first.seed)
    shard = "" if len(numbers) == count else f"{', '.join(map(str, numbers))}{_OF}{count}"
    return identified(replace(first, blocks=tuple(blocks), shard=shard, whole=""))


def judged_by(plan: Plan, baselines: str) -> Plan:
    """The same plan with another folder of baselines."""
    return identified(replace(plan, baselines=baselines))


def check_alike(one: Plan, other: Plan) -> None:
    """Raise `ShardError` unless both are parts of one plan, and have the same environments."""
    if not one.whole or one.whole != other.whole:
        raise ShardError(f"they are parts of two plans: {_said(one)}, and {_said(other)}")
    for name, environment in one.environments.items():
        if environment.lock != other.environments[name].lock:
            raise ShardError(
                f"the environment {name!r} has not the same packages on the machines of parts {one.shard} "
                f"and {other.shard}, so that what both measured is no one figure; name them apart"
            )


def check_apart(one: Plan, other: Plan) -> None:
    """Raise `ShardError` where both have a cell: which of two verdicts counts is for nobody to choose."""
    if one.shard == other.shard:
        raise ShardError(f"both are part {one.shard}, and a cell has one verdict; name one of them")
    keys = {cell.key for block in one.blocks for cell in block.cells}
    twice = [c.variant for block in other.blocks for c in block.cells if c.key in keys]
    if twice:
        raise ShardError(
            f"parts {one.shard} and {other.shard} both have cells of {', '.join(dict.fromkeys(twice))}, and "
            "a cell has one verdict; name one of them"
        )


def _said(plan: Plan) -> str:
    return f"part {plan.shard} of {plan.name!r} ({plan.whole or 'made before parts could be joined'})"
