"""Each cell of a plan with what is known of it: its state, what its gates said, what was tried."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from perfsuite.fleet.blocks.endings import JUNIT
from perfsuite.records import Ending, Work

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from xml.etree.ElementTree import Element

    from perfsuite.fleet.results.folder import Folder
    from perfsuite.fleet.results.status import Status
    from perfsuite.records import Attempt, Block, Cell, CellState

_ASKED = "perfsuite.asked"
"""Property of a test: ``workload/variant`` that it judges."""
_NO_VARIANT = ""
"""In place of that, for tests of a workload."""


@dataclass(frozen=True)
class Gate:
    """One test of one variant."""

    name: str
    passed: bool | None
    """None where it was skipped."""
    said: str = ""
    """Why it failed or was skipped, in a line."""


@dataclass(frozen=True)
class Square:
    """One cell."""

    block: Block
    cell: Cell
    state: CellState
    attempts: tuple[Attempt, ...]
    """Of its block, in order."""
    gates: tuple[Gate, ...] = ()
    reason: str = ""
    """Why it is not done, where that is known."""
    whole: str = ""
    """Why its block failed, where it was not for one of its variants; empty else."""

    @property
    def failed(self) -> tuple[Gate, ...]:
        """The gates that say no."""
        return tuple(gate for gate in self.gates if gate.passed is False)

    @property
    def skipped(self) -> str:
        """Why nothing of it was judged; empty where something was."""
        if not self.gates or any(gate.passed is not None for gate in self.gates):
            return ""
        return self.gates[0].said or "skipped"


def squares(folder: Folder, now: Status) -> list[Square]:
    """All cells of a folder's plan, in its order.

    Raises:
        StoreError: what a block left is damaged.
    """
    judged, tried, planned = folder.judged, _tried(folder), _planned(folder.plan.blocks)
    found = []
    for block in folder.plan.blocks:
        gates: Mapping[str, Sequence[Gate]] = {}
        whole = ""
        if block.id in judged:
            gates = _gates(folder.data(block, judged[block.id], JUNIT) or b"")
            known = planned[_place(block)]
            whole = _whole(known, judged[block.id], gates) if block.work is not Work.AB else ""
        found += [
            Square(
                block, cell, now.states[block.id], tuple(tried[block.id]),
                tuple(gates.get(_key(block, cell), ())), now.reasons.get(block.id, ""),
                whole,
            )
            for cell in block.cells
        ]  # fmt: skip
    return found


def _tried(folder: Folder) -> Mapping[str, Sequence[Attempt]]:
    found: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in folder.account.attempts:
        found[attempt.block].append(attempt)
    return found


def _key(block: Block, cell: Cell) -> str:
    return f"{block.workload}/{cell.variant}"


def _place(block: Block) -> tuple[Work, str, str]:
    return block.work, block.environments[0], block.device


def _planned(blocks: Iterable[Block]) -> Mapping[tuple[Work, str, str], set[str]]:
    """What has a cell, by work, environment and device."""
    found: dict[tuple[Work, str, str], set[str]] = defaultdict(set)
    for block in blocks:
        found[_place(block)] |= {_key(block, cell) for cell in block.cells}
    return found


def _whole(known: set[str], attempt: Attempt, gates: Mapping[str, Sequence[Gate]]) -> str:
    """What no cell is to blame for: tests of the workload, a twin that is no cell, or the end of the run.

    `known`: cells of the plan, this block's or another's; those of another are judged there.
    """
    failed = {key: [gate for gate in some if gate.passed is False] for key, some in gates.items()}
    said = [
        f"{key}: {gate.name}: {gate.said}" if key else f"{gate.name}: {gate.said}"
        for key, some in failed.items()
        if key not in known
        for gate in some
    ]
    if said:
        return "; ".join(said)
    if attempt.ending is not Ending.FAILED or any(failed.values()):
        return ""
    return attempt.cause or "its block failed, and says no more"


def _gates(junit: bytes) -> dict[str, list[Gate]]:
    """Tests by the variant that they were asked to judge, or by none; none of a file that is cut short."""
    try:
        cases = list(ElementTree.fromstring(junit).iter("testcase")) if junit else []
    except ElementTree.ParseError:
        return {}
    found: dict[str, list[Gate]] = defaultdict(list)
    for case in cases:
        asked = [each.get("value", "") for each in case.iter("property") if each.get("name") == _ASKED]
        for key in asked or [_NO_VARIANT]:
            found[key].append(_gate(case))
    return found


def _gate(case: Element) -> Gate:
    name = (case.get("name") or "").partition("[")[0].removeprefix("test_").replace("_", " ")
    bad = next((each for each in case if each.tag in ("failure", "error")), None)
    if bad is not None:
        return Gate(name, False, _line(bad))
    skipped = case.find("skipped")
    return Gate(name, True) if skipped is None else Gate(name, None, _line(skipped))


def _line(of: Element) -> str:
    words = (of.get("message") or of.text or "").split("\n")
    return next((" ".join(line.split()) for line in words if line.strip()), of.tag)
