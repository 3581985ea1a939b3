"""A plan of twelve small blocks that are timed alone, and its driver over Ray: a program, to be killed."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from perfsuite import __version__
from perfsuite.fleet.driving.driver import Conduct, Driver
from perfsuite.fleet.executors import Order, Outcome
from perfsuite.fleet.ledger.file import Ledger
from perfsuite.records import Block, Cell, DeviceClass, Ending, Plan, PlannedEnvironment, Work

if TYPE_CHECKING:
    from collections.abc import Callable

BAD = "block-03"
"""Its verdict is bad, and stands."""
JOURNAL = "journal.txt"
CODE = """
import os, sys, time
block, journal = sys.argv[1:]
def note(word):
    with open(journal, "a") as file:
        file.write(f"{block} {os.getpid()} {word} {time.monotonic()}\\n")
note("began")
time.sleep(0.5)
with open("{out}/results.jsonl", "w") as file:
    file.write(block)
note("ended")
sys.exit(block == "BAD")
""".replace("BAD", BAD)
BLOCKS = tuple(
    Block(
        id=f"block-{n:02}", work=Work.LATENCY, workload="shapes", environments=("here",), device="gpu",
        cells=(Cell(key=f"cell-{n:02}", variant="fp32", repeat=n),), limit_s=60.0,
    )
    for n in range(12)
)  # fmt: skip
PLAN = Plan(
    id="small", name="small", perfsuite=__version__, seed=1, tests="tests", blocks=BLOCKS,
    environments={"here": PlannedEnvironment(name="here", python=sys.executable)},
    devices={"gpu": DeviceClass(name="gpu", kind="cuda")},
)  # fmt: skip


def orders(folder: Path) -> Callable[[Plan, Block, int], Order]:
    """What a block does, and a doctor, who finds every machine fit."""

    def order(plan: Plan, block: Block, attempt: int) -> Order:
        examined = block.work is Work.DOCTOR
        arguments = ("-c", "") if examined else ("-c", CODE, block.id, str(folder / JOURNAL))
        return Order(
            block=block.id, attempt=attempt, exclusive=True, arguments=arguments, limit_s=block.limit_s,
            environments=(plan.environments["here"],), device=plan.devices[block.device],
        )  # fmt: skip

    return order


def ending(block: Block, outcome: Outcome) -> tuple[Ending, str]:
    """What an exit code means."""
    if outcome.infrastructure:
        return Ending.LOST, outcome.infrastructure
    known = {0: Ending.PASSED, 1: Ending.FAILED, None: Ending.TIMEOUT}
    return known.get(outcome.exit_code, Ending.ERROR), outcome.said


def drive(folder: Path, address: str) -> None:
    """One sitting."""
    from perfsuite.fleet.executors.ray import RayExecutor

    seconds = {block.id: 1.0 for block in BLOCKS}
    conduct = Conduct(order=orders(folder), ending=ending, seconds=seconds, engine="ray")
    with Ledger.open(folder, PLAN) as ledger:
        Driver(PLAN, ledger, RayExecutor(address), replace(conduct, tell=print)).run()


if __name__ == "__main__":
    drive(Path(sys.argv[1]), sys.argv[2])
