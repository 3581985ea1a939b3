"""How far a plan is, from its ledger: the driver's own view, and anybody's beside it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from perfsuite.fleet.ledger.retrying import Standing
from perfsuite.fleet.ledger.times import Sure
from perfsuite.fleet.scheduling.examining import fitness, is_examination
from perfsuite.records import CellState, Ending, Machine, Work

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from perfsuite.fleet.ledger.account import Account
    from perfsuite.fleet.ledger.times import Expectation
    from perfsuite.records import Attempt, Block, Plan

T = TypeVar("T")


@dataclass(frozen=True)
class Current:
    """A block that runs."""

    block: Block | None
    """None for the examination of a machine."""
    machine: str
    slot: str
    number: int
    elapsed_s: float
    expected_s: float | None


@dataclass(frozen=True, kw_only=True)
class Status:
    """What is known of a plan now."""

    name: str
    now: str
    """ISO 8601, UTC."""
    driven: bool
    """Whether a driver has the folder."""
    engine: str
    """Of the last driver; empty where there was none."""
    states: Mapping[str, CellState]
    """By block id."""
    cells: Mapping[CellState, int]
    blocks: Mapping[CellState, int]
    failed: int
    """Blocks that are done with bad verdicts."""
    tried_again: Mapping[str, tuple[Attempt, ...]]
    """Failures of blocks that are done all the same, or may yet be."""
    reasons: Mapping[str, str]
    """Why blocks are broken or unplaced."""
    running: tuple[Current, ...]
    machines: tuple[Machine, ...]
    seconds: Mapping[str, float]
    """That all attempts of a block took, on one device; what is timed holds its whole machine so long."""
    left_s: float | None
    """By what is expected of the blocks that are left, on as many devices as work now; None where nothing
    runs."""
    sure: Sure

    @property
    def times(self) -> bool:
        """Whether something is timed now, a machine's examination included."""
        return bool(self._timed)

    @property
    def _timed(self) -> list[Current]:
        return [each for each in self.running if each.block is None or each.block.work.exclusive]

    def may_time(self, host: str) -> bool:
        """Whether something is timed now on a host, as far as is known: a queue does not tell where."""
        own = re.compile(re.escape(host) + r"(-\d+)?")
        return any(each.machine == each.slot or own.fullmatch(each.machine) for each in self._timed)


def status(
    plan: Plan, account: Account, now: str, *, driven: bool, expected: Mapping[str, Expectation]
) -> Status:
    """What the ledger says at the time `now`; `driven`: whether a driver has it."""
    states, reasons, standing = _states(plan, account, driven=driven)
    by_id = {block.id: block for block in plan.blocks}
    running = _running(by_id, account, now, expected) if driven else ()
    cells: Counter[CellState] = Counter()
    for block in plan.blocks:
        # What is compiled ahead has cells to be known by, and nothing to know.
        if block.work is Work.COMPILE:
            continue
        cells[states[block.id]] += len(block.cells)
    open_blocks = [b.id for b in plan.blocks if states[b.id] in (CellState.WAITING, CellState.RUNNING)]
    return Status(
        name=plan.name,
        now=now,
        driven=driven,
        engine=account.sitting.engine if account.sitting else "",
        states=states,
        cells=cells,
        blocks=Counter(states.values()),
        failed=sum(a.ending is Ending.FAILED for name, a in standing.done.items() if name in by_id),
        tried_again={
            name: tuple(failures)
            for name, failures in standing.failures.items()
            if name in by_id and states[name] is not CellState.BROKEN
        },
        reasons=reasons,
        running=running,
        machines=machines(account, standing),
        seconds=_seconds(account),
        left_s=_left_s(open_blocks, running, expected),
        sure=max((expected[name].sure for name in open_blocks), key=list(Sure).index, default=Sure.ABOUT),
    )


def left(plan: Plan, account: Account, *, again: bool = False) -> tuple[list[Block], int]:
    """Blocks that a run would still begin where it can, and how many have a verdict; `again`: broken ones
    are forgiven."""
    standing = Standing.of(account)
    open_blocks = [
        b for b in plan.blocks if b.id not in standing.done and (again or not standing.broken(b.id))
    ]
    return open_blocks, sum(block.id in standing.done for block in plan.blocks)


def machines(account: Account, standing: Standing) -> tuple[Machine, ...]:
    """What the last driver found out about its machines, by name."""
    # Of what was joined, parts stand one after another.
    since = sorted(account.attempts[account.sat :], key=lambda attempt: attempt.ended)
    fit, drained = fitness(since), standing.drained
    by_machine: dict[str, list[Attempt]] = {begun.machine: [] for begun in account.running.values()}
    for attempt in sorted(account.attempts, key=lambda attempt: attempt.ended):
        if attempt.ending is Ending.REFUSED:  # at no machine
            continue
        by_machine.setdefault(attempt.machine, []).append(attempt)
    return tuple(
        Machine(
            name=name,
            fit=fit[name][0] if name in fit else None,
            reason=drained.get(name) or (fit[name][1] if name in fit else ""),
            drained=name in drained,
            blocks=sum(not is_examination(attempt.block) for attempt in attempts),
            busy_s=sum(attempt.seconds for attempt in attempts),
            clock_ahead_s=_last(attempt.clock_ahead_s for attempt in attempts),
            free_bytes=_last(attempt.free_bytes for attempt in attempts),
        )
        for name, attempts in sorted(by_machine.items())
    )


def _states(
    plan: Plan, account: Account, *, driven: bool
) -> tuple[dict[str, CellState], dict[str, str], Standing]:
    """Of each block; why, where there is a reason; and what both come from."""
    standing = Standing.of(account)
    end = account.end
    running = {block for block, _ in account.running} if driven else set()
    states, reasons = {}, {}
    for block in plan.blocks:
        broken = standing.broken(block.id) or (end.broken.get(block.id, "") if end else "")
        unplaced = end.unplaced.get(block.id, "") if end else ""
        if block.id in standing.done:
            states[block.id] = CellState.DONE
        elif block.id in running:
            states[block.id] = CellState.RUNNING
        elif broken or unplaced:
            states[block.id] = CellState.BROKEN if broken else CellState.UNPLACED
            reasons[block.id] = broken or unplaced
        else:
            states[block.id] = CellState.WAITING
    return states, reasons, standing


def _running(
    by_id: Mapping[str, Block], account: Account, now: str, expected: Mapping[str, Expectation]
) -> tuple[Current, ...]:
    return tuple(
        Current(
            by_id.get(begun.block),
            begun.machine,
            begun.slot,
            begun.number,
            max(0.0, (datetime.fromisoformat(now) - datetime.fromisoformat(begun.began)).total_seconds()),
            expected[begun.block].seconds if begun.block in expected else None,
        )
        for begun in account.running.values()
    )


def _left_s(
    open_blocks: list[str], running: tuple[Current, ...], expected: Mapping[str, Expectation]
) -> float | None:
    if not running:
        return None
    spent = sum(min(each.elapsed_s, each.expected_s or 0.0) for each in running)
    return max(0.0, sum(expected[name].seconds for name in open_blocks) - spent) / len(running)


def _seconds(account: Account) -> dict[str, float]:
    spent: defaultdict[str, float] = defaultdict(float)
    for attempt in account.attempts:
        spent[attempt.block] += attempt.seconds
    return spent


def _last(values: Iterable[T | None]) -> T | None:
    return next((value for value in reversed(list(values)) if value is not None), None)
