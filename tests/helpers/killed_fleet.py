"""A plan of small blocks, some of which write a bad verdict, and its driver: a program, to be killed."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from perfsuite import __version__
from perfsuite.fleet.blocks import endings
from perfsuite.fleet.driving.driver import Conduct, Driver
from perfsuite.fleet.executors import Order
from perfsuite.fleet.ledger.file import Ledger
from perfsuite.records import Block, Cell, DeviceClass, Plan, PlannedEnvironment, Slot, Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.fleet.executors import Executor

JOURNAL, GO, SCRATCH = "journal.txt", "go", "running"
LINE = json.dumps(
    {"kind": "result", "workload": "shapes", "variant": "fp32", "counted": {"status": "REGRESSED"}}
)
CASE = '<testsuites><testcase name="counts"><properties><property name="perfsuite.judged"/></properties>'
BAD = f'{CASE}<failure message="more operators"/></testcase></testsuites>'
GOOD = f"{CASE}</testcase></testsuites>"
WRITES = {"bad": f"{LINE}\n", "half": LINE[:-20], "nothing": ""}
"""What each block has on disk before it sleeps for ever; whoever runs it again is done at once."""
ENDS = {"ended bad": (BAD, 1), "ended well": (GOOD, 0)}
"""What others leave once they may go on, and their exit codes."""
CODE = (
    """
import json, os, sys, time
block, folder, left, code = sys.argv[1:]
def note(word):
    with open(folder + "/JOURNAL", "a") as file:
        file.write(f"{word} {block}\\n")
def write(name, text):
    with open("{out}/" + name, "w") as file:
        file.write(text)
again = os.path.exists(folder + "/JOURNAL") and f"began {block}\\n" in open(folder + "/JOURNAL").read()
note("began")
if again:
    write("junit.xml", GOOD)
    sys.exit(0)
if code == "-1":
    write("results.jsonl", left)
    note("wrote")
    time.sleep(120)
note("waits")
while not os.path.exists(folder + "/GO"):
    time.sleep(0.02)
write("junit.xml", left)
sys.exit(int(code))
""".replace("JOURNAL", JOURNAL)
    .replace("GOOD", repr(GOOD))
    .replace("/GO", f"/{GO}")
)
NAMES = (*WRITES, *ENDS)
BLOCKS = tuple(
    Block(
        id=name, work=Work.COUNTS, workload="shapes", environments=("here",), device="any",
        cells=(Cell(key=name, variant="fp32", repeat=n),), limit_s=180.0,
    )
    for n, name in enumerate(NAMES)
)  # fmt: skip


def plan(kind: str) -> Plan:
    """Of all blocks, for devices of that kind."""
    return Plan(
        id="killed", name="killed", perfsuite=__version__, seed=1, tests="tests", blocks=BLOCKS,
        environments={"here": PlannedEnvironment(name="here", python=sys.executable)},
        devices={"any": DeviceClass(name="any", kind=kind)},
    )  # fmt: skip


def orders(folder: Path) -> Callable[[Plan, Block, int], Order]:
    """What a block does."""

    def order(plan: Plan, block: Block, attempt: int) -> Order:
        left, code = ENDS.get(block.id) or (WRITES[block.id], -1)
        return Order(
            block=block.id, attempt=attempt, exclusive=False, limit_s=block.limit_s,
            arguments=("-c", CODE, block.id, str(folder), left, str(code)),
            environments=(plan.environments["here"],), device=plan.devices[block.device],
        )  # fmt: skip

    return order


def engine(name: str, folder: Path) -> Executor:
    """``local``, ``slurm`` or ``ray=ADDRESS``."""
    kind, _, address = name.partition("=")
    if kind == "ray":
        from perfsuite.fleet.executors.ray import RayExecutor

        return RayExecutor(address)
    if kind == "slurm":
        from perfsuite.fleet.executors.slurm import SlurmExecutor

        return SlurmExecutor(folder / "slurm")
    from perfsuite.fleet.executors.local import LocalExecutor

    slots = [
        Slot(id=f"g{n}", machine="host", kind="cuda", model="", uuid=f"g{n}") for n in range(len(BLOCKS))
    ]
    return LocalExecutor(slots, folder / SCRATCH)


def drive(name: str, folder: Path) -> None:
    """One sitting."""
    seconds = {block.id: 1.0 for block in BLOCKS}
    conduct = Conduct(order=orders(folder), ending=endings.ending, seconds=seconds, engine=name)
    whole = plan("cpu" if name == "slurm" else "cuda")
    # As ``perfsuite run`` does: closed by the driver, and once more.
    with closing(engine(name, folder)) as executor, Ledger.open(folder, whole) as ledger:
        Driver(whole, ledger, executor, replace(conduct, tell=print)).run()


if __name__ == "__main__":
    # A shell has what it starts in a script's background ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    drive(sys.argv[1], Path(sys.argv[2]))
