"""What ``perfsuite run`` shows: how far a plan is, and how long it will take."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from perfsuite.fleet.ledger.times import Sure
from perfsuite.records import CellState, Work
from perfsuite.report.columns import fitted
from perfsuite.report.format import DASH, duration, memory, plain, several, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from perfsuite.fleet.ledger.times import Expectation
    from perfsuite.fleet.results.status import Current, Status
    from perfsuite.fleet.scheduling.forecasting import Forecast
    from perfsuite.fleet.scheduling.placing import Park
    from perfsuite.records import Block, Machine, Plan

_STATES = {
    CellState.RUNNING: "run",
    CellState.WAITING: "wait",
    CellState.BROKEN: "broken",
    CellState.UNPLACED: "without a machine",
}
_ELLIPSIS_AT = 10
"""Blocks that are named; of more there is a number."""
_AGAIN = "tried again by perfsuite run with this --out and --again"
CLOCK_S = 2.0
"""Clocks further apart are spoken of."""
LITTLE_BYTES = 2**30
"""Of a disk: less is spoken of."""


def status(found: Status, plan: Plan, width: int, unsaid: int | None = None) -> str:
    """Cells by state, machines with what they do, and what has gone wrong.

    Args:
        found: what the ledger says.
        plan: that is run.
        width: of a line.
        unsaid: cells of which blocks that have ended say nothing, as the page of the plan has found; None
            where nobody has looked.
    """
    by_id = {block.id: block for block in plan.blocks}
    lines = [note for machine in found.machines if (note := _notes(machine))]
    lines += _reasons("broken", CellState.BROKEN, found, by_id)
    if found.cells.get(CellState.BROKEN):
        lines.append(f"what is broken is {_AGAIN}")
    lines += _reasons("without a machine", CellState.UNPLACED, found, by_id)
    lines += [
        f"tried again after {failures[-1].ending} on {failures[-1].machine}: {name(by_id[block])}: "
        f"{failures[-1].cause}"
        for block, failures in list(found.tried_again.items())[:_ELLIPSIS_AT]
    ]
    return "\n".join(
        [
            *wrapped(plain(_headline(found, unsaid)), width),
            *map(plain, _machines(found, width)),
            *(part for line in lines for part in wrapped(plain(line), width)),
            *_works(found, plan, width),
        ]
    )


def nothing_left(plan: Plan, done: int) -> str:
    """A plan of which no block would be begun; `done`: blocks with a verdict. The others are broken."""
    every = len(plan.blocks)
    said = f"plan {plain(plan.name)}: nothing is left to do: {done} of {several(every, 'block')} "
    if done == every:
        return f"{said}{'has' if every == 1 else 'have'} results"
    return f"{said}have results, and {every - done} broken, {_AGAIN}"


def forecast(found: Forecast, expected: Mapping[str, Expectation], plan: Plan, park: Park, width: int) -> str:
    """How long it will take, on what, and how surely that is known."""
    sure = Counter(expected[step.block.id].sure for step in found.steps)
    worst = max(sure, key=list(Sure).index, default=Sure.ABOUT)
    known = ", ".join(f"{count} {_SURE[each]}" for each, count in sorted(sure.items()))
    what = several(len(found.steps), "block")
    where = f"on {several(len(park.slots), 'device')} of {several(len(park.machines), 'machine')}"
    lines = [
        f"plan {plan.name}: {worst} {duration(found.seconds)} for {what} {where}",
        f"no order takes less than {duration(found.lower_bound_s)}; all devices together work "
        f"{duration(found.device_s)}",
    ]
    if not found.steps:
        lines = [f"plan {plan.name}: nothing can be run {where}"]
    if known:
        lines.append(f"times: {known}")
    lines += [
        f"{several(count, 'block')} {'goes' if count == 1 else 'go'} nowhere: {reason}"
        for reason, count in found.unplaced.items()
    ]
    spent: defaultdict[Work, list[float]] = defaultdict(list)
    for step in found.steps:
        spent[step.block.work].append(step.ends_s - step.begins_s)
    rows = [
        (str(work), str(len(each)), duration(sum(each)), duration(max(each))) for work, each in spent.items()
    ]
    heads = ("work", "blocks", "devices", "longest")
    table = fitted([heads, *rows], width, right=(1, 2, 3)) if rows else []
    return "\n".join([*(part for line in lines for part in wrapped(plain(line), width)), *table])


def name(block: Block) -> str:
    """As a person knows it."""
    return f"{block.work} {block.workload} {', '.join(block.variants)} ({' -> '.join(block.environments)})"


_SURE = {
    Sure.ABOUT: "from blocks like them",
    Sure.PERHAPS: "from others of their work",
    Sure.AT_MOST: "by their limits, for nothing like them was run",
}


def _headline(found: Status, unsaid: int | None) -> str:
    every = sum(found.cells.values())
    others = [f"{found.cells[state]} {said}" for state, said in _STATES.items() if found.cells.get(state)]
    others += [f"{unsaid} missing"] if unsaid else []
    done = found.cells.get(CellState.DONE, 0)
    most = "at most " if unsaid is None and done else ""
    parts = [f"{most}{done - (unsaid or 0)} of {every} cells known", *others]
    bad = f"; bad verdicts in {several(found.failed, 'block')}" if found.failed else ""
    how = f", on {found.engine}" if found.engine else ""
    left = f"; {found.sure} {duration(found.left_s)} left" if found.left_s is not None else ""
    idle = "" if found.driven or not found.cells.get(CellState.WAITING) else "; no driver runs it"
    return f"plan {found.name}{how}: {', '.join(parts)}{bad}{left}{idle}"


def _machines(found: Status, width: int) -> list[str]:
    now = defaultdict(list)
    for current in found.running:
        now[current.machine].append(_current(current))
    rows = [
        (m.name, _fit(m), str(m.blocks), duration(m.busy_s), "; ".join(now[m.name]) or DASH)
        for m in found.machines
    ]
    return fitted([("machine", "timed", "blocks", "busy", "now"), *rows], width, right=(2, 3)) if rows else []


def _fit(machine: Machine) -> str:
    if machine.drained:
        return "drained"
    return DASH if machine.fit is None else "fit" if machine.fit else "unfit"


def _notes(machine: Machine) -> str:
    """What there is to say of a machine, but what it does; empty for most."""
    said = [machine.reason] if machine.reason else []
    if machine.clock_ahead_s is not None and abs(machine.clock_ahead_s) > CLOCK_S:
        which = "ahead" if machine.clock_ahead_s > 0 else "behind"
        said.append(f"clock {abs(machine.clock_ahead_s):.0f} s {which}")
    if machine.free_bytes is not None and machine.free_bytes < LITTLE_BYTES:
        said.append(f"{memory(machine.free_bytes)} of disk left")
    return f"{machine.name}: {'; '.join(said)}" if said else ""


def _current(current: Current) -> str:
    what = "doctor" if current.block is None else f"{current.block.work} {current.block.workload}"
    of = f" of {duration(current.expected_s)}" if current.expected_s is not None else ""
    return f"{what} {duration(current.elapsed_s)}{of}"


def _reasons(word: str, state: CellState, found: Status, by_id: Mapping[str, Block]) -> Iterable[str]:
    """Blocks of a state, those of one reason together."""
    blocks = defaultdict(list)
    for block, reason in found.reasons.items():
        if found.states[block] is state:
            blocks[reason].append(name(by_id[block]))
    for reason, names in blocks.items():
        more = f" and {len(names) - _ELLIPSIS_AT} more" if len(names) > _ELLIPSIS_AT else ""
        yield f"{word}: {', '.join(names[:_ELLIPSIS_AT])}{more}: {reason}"


def _works(found: Status, plan: Plan, width: int) -> list[str]:
    """What each kind of work has cost so far: the time of devices, failed attempts included."""
    blocks = defaultdict(list)
    for block in plan.blocks:
        blocks[block.work].append(block.id)
    rows = []
    for work, names in blocks.items():
        spent = [found.seconds[each] for each in names if each in found.seconds]
        done = sum(found.states[each] is CellState.DONE for each in names)
        mean = duration(sum(spent) / len(spent)) if spent else DASH
        rows.append((str(work), f"{done} of {len(names)}", duration(sum(spent)), mean))
    return fitted([("work", "blocks", "devices", "a block"), *rows], width, right=(1, 2, 3))
