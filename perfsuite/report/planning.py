"""What ``perfsuite plan`` shows of a plan, and the jobs that a CI makes of it."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING

from perfsuite.records import Work
from perfsuite.report.columns import fitted
from perfsuite.report.format import duration, several

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.fleet.planning.sharding import Job
    from perfsuite.records import Block, Plan


def text(plan: Plan, width: int) -> str:
    """How much there is to do of what, and how long it takes at most where one block runs after another."""
    rows = defaultdict(list)
    for block in plan.blocks:
        rows[block.device, _order(block), " -> ".join(block.environments), block.workload].append(block)
    shown = [
        (device, _said(blocks[0]), environment, workload, str(len(blocks)), _cells(blocks), _limit(blocks))
        for (device, _, environment, workload), blocks in sorted(rows.items())
    ]
    heads = ("device", "work", "environment", "workload", "blocks", "cells", "at most")
    part = f", part {plan.shard}" if plan.shard else ""
    cells = sum(len(block.cells) for block in plan.blocks if block.work is not Work.COMPILE)
    return "\n".join(
        [
            f"plan {plan.name}{part}: {several(cells, 'cell')} in {several(len(plan.blocks), 'block')}, "
            f"seed {plan.seed}, id {plan.id}",
            *fitted([heads, *shown], width, right=(4, 5, 6)),
        ]
    )


def github(jobs: Sequence[Job]) -> str:
    """The jobs as ``strategy.matrix`` takes them from an output of a job before."""
    return f"matrix={json.dumps({'include': [asdict(job) for job in jobs]}, separators=(',', ':'))}"


def _order(block: Block) -> int:
    return list(Work).index(block.work)


def _said(block: Block) -> str:
    return f"{block.work}, alone" if block.work.exclusive else str(block.work)


def _cells(blocks: Sequence[Block]) -> str:
    return str(sum(len(block.cells) for block in blocks))


def _limit(blocks: Sequence[Block]) -> str:
    return duration(sum(block.limit_s for block in blocks))
